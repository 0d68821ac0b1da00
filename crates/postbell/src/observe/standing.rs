//! What only the program knows: which version it is, whether it takes mail, until when its
//! certificate is valid.

use std::sync::Arc;

use postbell_accept::{Admission, Obstacle};
use postbell_model::{Clock, Monotonic};
use postbell_net::ServerTls;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::process::Process;

/// Asked at each scrape.
#[derive(Debug)]
struct Standing {
    admission: Arc<Admission>,
    tls: Option<Arc<ServerTls>>,
    clock: Arc<dyn Clock>,
    since: Monotonic,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFile {
    file: String,
}

/// Names what is told of the program itself in a registry.
pub(crate) fn register(
    registry: &mut Registry,
    admission: Arc<Admission>,
    tls: Option<Arc<ServerTls>>,
    clock: Arc<dyn Clock>,
) {
    let version = env!("CARGO_PKG_VERSION");
    let build = Info::new(Build { version });
    registry.register("postbell_build", "The program", build);
    let since = clock.monotonic();
    registry.register_collector(Box::new(Standing {
        admission,
        tls,
        clock,
        since,
    }));
    registry.register_collector(Box::new(Process));
}

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "1 while new mail is taken";
        let ready = encoder.encode_descriptor("postbell_ready", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(self.admission.check().is_ok())).encode(ready)?;
        let name = "postbell_obstacle";
        let help = "1 for each reason that stands against new mail, as in /readyz";
        let mut obstacles = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for obstacle in Obstacle::ALL {
            let reason = Reason {
                reason: obstacle.name(),
            };
            let stands = i64::from(self.admission.has(obstacle));
            ConstGauge::new(stands).encode(obstacles.encode_family(&reason)?)?;
        }
        let name = "postbell_uptime_seconds";
        let help = "Time since the server began to start";
        let uptime = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        let since = self.clock.monotonic().since(self.since);
        ConstGauge::new(since.as_secs_f64()).encode(uptime)?;
        self.encode_certificate(&mut encoder)
    }
}

impl Standing {
    fn encode_certificate(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        let Some((tls, end)) = self
            .tls
            .as_ref()
            .and_then(|tls| Some((tls, tls.not_after()?)))
        else {
            return Ok(());
        };
        let name = "postbell_certificate_expiry_timestamp_seconds";
        let help = "When the certificate that is shown ends, in seconds since 1970";
        let mut ends = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        let file = OfFile {
            file: tls.files().certificate.display().to_string(),
        };
        ConstGauge::new(end.as_seconds()).encode(ends.encode_family(&file)?)
    }
}
