//! `GET /metrics`: all that is counted and measured, for Prometheus.
//!
//! Who understands `OpenMetrics` 1.0 gets that, all others the older text format of Prometheus
//! (0.0.4), in which a counter's own name ends in `_total`. Only clients of a few networks may ask:
//! sites that mail goes to are named here.

use std::collections::HashSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ipnet::IpNet;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tracing::error;

use crate::Problem;
use crate::door::Peer;

const OPENMETRICS: &str = "application/openmetrics-text";
const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is told, and to whom.
#[derive(Debug, Clone)]
struct Metrics {
    registry: Arc<Registry>,
    from: Arc<[IpNet]>,
}

/// The route `/metrics`, answered to clients of these networks.
pub fn metrics(registry: Arc<Registry>, from: &[IpNet]) -> Router {
    let state = Metrics {
        registry,
        from: from.into(),
    };
    Router::new()
        .route("/metrics", get(scrape))
        .with_state(state)
}

async fn scrape(
    State(metrics): State<Metrics>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Response {
    let allowed = peer.is_some_and(|Extension(Peer(ip))| is_within(&metrics.from, ip));
    if !allowed {
        let detail = "metrics are not for your network (http.metrics_from)";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &metrics.registry) {
        error!(error = %error, "the metrics can't be written");
        let detail = "the metrics can't be written";
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response();
    }
    let (kind, text) = if wants_openmetrics(&headers) {
        (OPENMETRICS_TYPE, text)
    } else {
        (TEXT_TYPE, plain(&text))
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

fn is_within(networks: &[IpNet], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    networks.iter().any(|network| network.contains(&ip))
}

fn wants_openmetrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains(OPENMETRICS))
}

/// The same in the older format: what is said of a counter names it as its samples do.
fn plain(openmetrics: &str) -> String {
    let typed = openmetrics.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => return None,
        };
        Some((name, suffix))
    });
    let suffixes: HashSet<(&str, &str)> = typed.collect();
    let suffix_of = |name| {
        let mut both = ["_total", "_info"].into_iter();
        both.find(|suffix| suffixes.contains(&(name, *suffix)))
    };
    let mut text = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines() {
        let about = line.strip_prefix("# ").and_then(|rest| {
            let (word, rest) = rest.split_once(' ')?;
            let (name, told) = rest.split_once(' ')?;
            Some((word, name, told))
        });
        let written = match about {
            Some((word @ ("HELP" | "TYPE"), name, told)) => {
                let suffix = suffix_of(name).unwrap_or_default();
                let told = if (word, told) == ("TYPE", "info") {
                    "gauge"
                } else {
                    told
                };
                writeln!(text, "# {word} {name}{suffix} {told}")
            }
            _ if line.starts_with('#') => Ok(()),
            _ => writeln!(text, "{line}"),
        };
        written.expect("invariant: a String takes all that is written");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_names_counters_as_their_samples() {
        let openmetrics = "# HELP a_things Things.\n# TYPE a_things counter\n\
            a_things_total{kind=\"x\"} 1\n# HELP b_bytes Size.\n# TYPE b_bytes gauge\n\
            # UNIT b_bytes bytes\nb_bytes 2\n# HELP c Build.\n# TYPE c info\n\
            c_info{version=\"1\"} 1\n# EOF\n";
        let expected = "# HELP a_things_total Things.\n# TYPE a_things_total counter\n\
            a_things_total{kind=\"x\"} 1\n# HELP b_bytes Size.\n# TYPE b_bytes gauge\n\
            b_bytes 2\n# HELP c_info Build.\n# TYPE c_info gauge\nc_info{version=\"1\"} 1\n";
        assert_eq!(plain(openmetrics), expected);
    }
}
