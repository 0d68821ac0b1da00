//! Whether the machine allows what the configuration wants.

use super::check::Check;
use super::machine::Machine;
use crate::config::Config;

/// Files, database connections, listeners and what the runtime has open beside connections.
const OTHER_DESCRIPTORS: usize = 200;
/// What the program takes without any mail, with room to spare.
const BASE_MEMORY: u64 = 64 << 20;
/// What an open connection costs.
const CONNECTION_MEMORY: u64 = 50 << 10;

pub(super) fn look(config: &Config, machine: &Machine) -> Vec<Check> {
    let whose = match machine.server {
        Some(pid) => format!("the server (process {pid})"),
        None => "a process started from here".to_owned(),
    };
    vec![
        descriptors(config, machine, &whose),
        memory(config, machine, &whose),
    ]
}

fn connections(config: &Config) -> usize {
    let inbound = match config.inbound.listen.is_empty() {
        true => 0,
        false => config.inbound.limits.max_connections,
    };
    let tracks = !config.tracking.listen.is_empty() || !config.tracking.listen_tls.is_empty();
    let tracking = match tracks {
        true => config.tracking.limits.max_connections,
        false => 0,
    };
    config.submission.limits.max_connections
        + inbound
        + tracking
        + config.deliver.max_connections
        + config.http.max_connections
        + config.http_client.requests_per_host
}

fn descriptors(config: &Config, machine: &Machine, whose: &str) -> Check {
    let wanted = (connections(config) + OTHER_DESCRIPTORS) as u64;
    let name = "open files";
    let Some(allowed) = machine.descriptors else {
        let advice = format!("allow {wanted} at least (LimitNOFILE=)");
        return Check::warning(name, "the limit can't be read here", advice);
    };
    if allowed >= wanted {
        return Check::ok(
            name,
            format!(
                "{whose} may have {}; the configuration wants {wanted}",
                number(allowed)
            ),
        );
    }
    let found = format!("{whose} may have {allowed}, and the configuration wants {wanted}");
    let advice = format!("raise the limit (LimitNOFILE={wanted}), or lower max_connections");
    Check::warning(name, found, advice)
}

fn memory(config: &Config, machine: &Machine, whose: &str) -> Check {
    let connections = connections(config) as u64 * CONNECTION_MEMORY;
    let bodies = config.store.fresh_octets + config.deliver.max_body_octets;
    let wanted = BASE_MEMORY + connections + bodies;
    let name = "memory";
    let Some(allowed) = machine.memory else {
        let advice = format!("let it have {} at least", size(wanted));
        return Check::warning(name, "the limit can't be read here", advice);
    };
    if allowed >= wanted {
        return Check::ok(
            name,
            format!(
                "{whose} may have {}; the configuration allows for {}",
                size(allowed),
                size(wanted)
            ),
        );
    }
    let found = format!(
        "{whose} may have {}, and the configuration allows for {}",
        size(allowed),
        size(wanted)
    );
    let advice = "lower store.fresh_octets, deliver.max_body_octets or max_connections, or it is \
                  killed under load";
    Check::warning(name, found, advice)
}

fn number(allowed: u64) -> String {
    if allowed == u64::MAX {
        return "as many as it likes".to_owned();
    }
    allowed.to_string()
}

/// `1.5 GiB`, `200 MiB`.
pub(super) fn size(octets: u64) -> String {
    let mebibytes = octets >> 20;
    if mebibytes >= 10 << 10 {
        return format!("{} GiB", mebibytes >> 10);
    }
    if mebibytes >= 1 << 10 {
        let tenths = ((mebibytes & 1_023) * 10) >> 10;
        return format!("{}.{tenths} GiB", mebibytes >> 10);
    }
    format!("{mebibytes} MiB")
}

#[cfg(test)]
mod tests {
    use super::super::check::Mark;
    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn limits_are_held_against_the_configuration() {
        let config = load(&Sources::default()).unwrap().config;
        let marks = |descriptors, memory| {
            let machine = Machine {
                server: Some(7),
                descriptors,
                memory,
            };
            let checks = look(&config, &machine);
            checks.iter().map(|check| check.mark).collect::<Vec<_>>()
        };
        assert_eq!(marks(Some(65_536), Some(8 << 30)), [Mark::Ok, Mark::Ok]);
        assert_eq!(marks(Some(1_024), Some(256 << 20)), [Mark::Warning; 2]);
        assert_eq!(marks(None, None), [Mark::Warning; 2]);
    }

    #[test]
    fn sizes_are_told_in_round_numbers() {
        let sizes = [200 << 20, 1_536 << 20, 12 << 30].map(size);
        assert_eq!(sizes, ["200 MiB", "1.5 GiB", "12 GiB"]);
    }
}
