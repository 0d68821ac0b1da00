//! `postbell explain`: where a domain's mail would go now, and why not elsewhere.

mod present;
mod simulated;

use std::path::Path;

use anyhow::Context;
use postbell_deliver::{
    ComesIn, DeliverOptions, Dialled, Explanation, Host, SiteLimits, Source, TlsPolicy, Verdict,
    explain,
};
use postbell_model::Domain;
use postbell_model::reply::Severity;
use postbell_net::{Guard, Resolver};
use postbell_store::{SqliteTenants, Tenants};
use serde_json::{Value, json};

use crate::cli::ExplainArgs;
use crate::config::Config;
use crate::console::Console;
use crate::server::simulated_domain;

use present::Present;

/// Asks the DNS and tells what follows; of the simulator's domain it tells without asking.
pub(crate) async fn run(
    args: &ExplainArgs,
    config: &Config,
    console: Console,
) -> anyhow::Result<()> {
    let name = args
        .domain
        .rsplit_once('@')
        .map_or(&*args.domain, |(_, d)| d);
    let domain =
        Domain::parse(name).with_context(|| format!("\"{}\" is no domain", name.escape_debug()))?;
    let folder = args.data_dir.as_deref();
    let folder = folder.unwrap_or(&config.server.data_dir);
    if simulated_domain(config).as_ref() == Some(&domain) {
        let told = (
            simulated::document(&domain, config),
            simulated::lines(&domain, config),
        );
        tell(args, told, &Present::look(folder, &domain).await, console);
        return Ok(());
    }
    let resolver = Resolver::new(&config.dns)?;
    let guard = Guard::new(config.guard.allow_deliver.clone());
    let to = (&domain, comes_in(folder, &domain, config).await);
    let explanation = explain(to, &config.deliver, &resolver, &guard).await;
    let told = (document(&explanation, &config.deliver), lines(&explanation));
    tell(args, told, &Present::look(folder, &domain).await, console);
    Ok(())
}

/// Tells machines the document and people the lines, each with how mail fares now.
fn tell(
    args: &ExplainArgs,
    (mut document, lines): (Value, Vec<String>),
    present: &Present,
    console: Console,
) {
    if args.output.json {
        present.add_to(&mut document);
        console.say(document.to_string());
        return;
    }
    for line in lines.into_iter().chain(present.lines()) {
        console.say(line);
    }
}

/// Where mail to a domain comes in, by what is set up in the data folder; what can't be read is
/// told with the rest that it says.
async fn comes_in(folder: &Path, domain: &Domain, config: &Config) -> ComesIn {
    if config.inbound.listen.is_empty() || !folder.exists() {
        return ComesIn::Elsewhere;
    }
    let Ok(tenants) = SqliteTenants::open(folder).await else {
        return ComesIn::Elsewhere;
    };
    let is_ours = tenants.directory().takes_mail(domain);
    tenants.close().await;
    if is_ours {
        ComesIn::Here
    } else {
        ComesIn::Elsewhere
    }
}

fn lines(explanation: &Explanation) -> Vec<String> {
    let domain = &explanation.domain;
    let mut lines = vec![match &explanation.source {
        Source::Mx => format!("{domain} has MX records:"),
        Source::NullMx => format!("{domain} has a null MX: it takes no mail"),
        Source::Implicit => format!("{domain} has no MX records and is its own mail host:"),
        Source::Literal => format!("{domain} is an address:"),
        Source::Relay => format!("mail to {domain} goes by relays (deliver.relay); no MX counts:"),
        Source::Failed(why) => format!("{domain}: {why}"),
    }];
    lines.extend(explanation.hosts.iter().flat_map(host_lines));
    lines.push(String::new());
    match &explanation.verdict {
        Verdict::Dial(targets) => {
            lines.push("A delivery would dial, until one takes it:".to_owned());
            let dialled = (1..).zip(targets).map(|(number, target)| {
                let Dialled { host, ip, port, .. } = target;
                format!("  {number}. {host}  {ip}  port {port}{}", relay_tls(target))
            });
            lines.extend(dialled);
            lines.push(format!(
                "Hosts of equal preference take turns. {}.",
                match explanation.tls {
                    _ if explanation.source == Source::Relay =>
                        "A login that is refused bounces nothing",
                    TlsPolicy::Opportunistic => "TLS is used where a host offers it",
                    TlsPolicy::Off => "TLS is off",
                }
            ));
        }
        Verdict::Refuse { reply, class } => {
            let fate = if reply.severity() == Severity::Permanent {
                "would bounce"
            } else {
                "would be tried again later"
            };
            lines.push(format!("A delivery {fate}: {reply} ({class})"));
        }
    }
    lines.extend(explanation.limits.as_ref().map(limit_line));
    lines.push(format!(
        "This holds for {} s, as long as the DNS says the same.",
        explanation.valid_for.as_secs()
    ));
    lines
}

fn relay_tls(target: &Dialled) -> String {
    match target.relay {
        Some(tls) => format!("  TLS: {}", tls.name()),
        None => String::new(),
    }
}

fn limit_line(limits: &SiteLimits) -> String {
    let rate = limits.rate.map(|rate| rate.to_string());
    format!(
        "At most {} connections, {} messages on each, {}.",
        limits.connections,
        limits.messages_per_connection,
        rate.map_or("as fast as they are taken".to_owned(), |rate| format!(
            "{rate} messages"
        )),
    )
}

fn host_lines(host: &Host) -> Vec<String> {
    let preference = host.preference.map_or(String::new(), |p| format!("{p} "));
    let mut lines = vec![format!("  {preference}{}", host.name)];
    lines.extend(host.addresses.iter().map(|address| match address.refused {
        Some(what) => format!("    {}  not dialled: it is {what}", address.ip),
        None => format!("    {}", address.ip),
    }));
    lines.extend(
        host.trouble
            .iter()
            .map(|why| format!("    no address: {why}")),
    );
    lines
}

fn document(explanation: &Explanation, options: &DeliverOptions) -> Value {
    let hosts: Vec<_> = explanation.hosts.iter().map(host_document).collect();
    let why = match &explanation.source {
        Source::Failed(why) => Some(why),
        Source::Mx | Source::NullMx | Source::Implicit | Source::Literal | Source::Relay => None,
    };
    json!({
        "domain": explanation.domain.as_str(),
        "source": explanation.source.name(),
        "error": why,
        "hosts": hosts,
        "plan": plan_document(&explanation.verdict),
        "tls": match explanation.tls {
            TlsPolicy::Opportunistic => "opportunistic",
            TlsPolicy::Off => "off",
        },
        "limits": explanation.limits.map(|limits| json!({
            "maxConnections": limits.connections,
            "maxMessagesPerConnection": limits.messages_per_connection,
            "rate": limits.rate.map(|rate| rate.to_string()),
        })),
        "maxSessions": options.max_sessions,
        "validForSeconds": explanation.valid_for.as_secs(),
    })
}

fn host_document(host: &Host) -> Value {
    let addresses = host.addresses.iter().map(|address| {
        json!({"ip": address.ip, "dialled": address.refused.is_none(), "refused": address.refused})
    });
    json!({
        "preference": host.preference,
        "host": host.name.as_str(),
        "addresses": addresses.collect::<Vec<_>>(),
        "error": host.trouble,
    })
}

fn plan_document(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Dial(targets) => {
            let targets = targets.iter().map(|target| {
                json!({
                    "host": target.host.as_str(),
                    "ip": target.ip,
                    "port": target.port,
                    "relay": target.relay.map(|tls| json!({"tls": tls.name()})),
                })
            });
            json!({"outcome": "dial", "targets": targets.collect::<Vec<_>>()})
        }
        Verdict::Refuse { reply, class } => json!({
            "outcome": if reply.severity() == Severity::Permanent { "bounce" } else { "retry" },
            "reply": reply.to_string(),
            "class": class.name(),
        }),
    }
}
