//! The figures, for people and for machines.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Args, EVENTS_PER_MESSAGE, Measured};

/// A figure: what it is, its name for machines, its number, its unit.
struct Figure {
    title: &'static str,
    key: &'static str,
    number: f64,
    unit: &'static str,
}

/// All figures, in the order in which they are shown.
pub(crate) struct Report {
    title: String,
    figures: Vec<Figure>,
    faults: Vec<(String, u64)>,
    memory: Vec<u64>,
}

impl Report {
    pub(crate) fn new(args: &Args, measured: &Measured, sync: Duration) -> Self {
        let driven = &measured.driven;
        let accepted = driven.accepted as f64;
        let mut report = Self {
            title: title(args),
            figures: Vec::new(),
            faults: driven.faults.clone().into_iter().collect(),
            memory: measured.server_memory.clone(),
        };
        report.add("accepted", "accepted", accepted, "messages");
        let rate = accepted / driven.took.as_secs_f64();
        report.add("accepted", "accepted_per_second", rate, "messages/s");
        if let Some(delivered_in) = measured.delivered_in {
            let rate = accepted / delivered_in.as_secs_f64();
            report.add("delivered", "delivered_per_second", rate, "messages/s");
        }
        if let Some(told_in) = measured.told_in {
            let rate = accepted * EVENTS_PER_MESSAGE as f64 / told_in.as_secs_f64();
            report.add("told", "events_per_second", rate, "events/s");
        }
        let median = millis(percentile(&driven.latencies, 50));
        report.add("dot to 250, median", "dot_to_reply_median_ms", median, "ms");
        let p99 = millis(percentile(&driven.latencies, 99));
        report.add("dot to 250, 99 %", "dot_to_reply_p99_ms", p99, "ms");
        let cpu = measured.server_cpu.as_secs_f64() * 1e6 / accepted;
        report.add("server's CPU a message", "server_cpu_us", cpu, "µs");
        let cpu = measured.own_cpu.as_secs_f64() * 1e6 / accepted;
        report.add("far side's CPU a message", "far_side_cpu_us", cpu, "µs");
        let memory = measured.server_peak_memory as f64 / f64::from(1 << 20);
        report.add(
            "server's peak memory",
            "server_peak_memory_mib",
            memory,
            "MiB",
        );
        let sync = millis(sync);
        report.add(
            "fdatasync of this disk, median",
            "fdatasync_median_ms",
            sync,
            "ms",
        );
        report
    }

    fn add(&mut self, title: &'static str, key: &'static str, number: f64, unit: &'static str) {
        self.figures.push(Figure {
            title,
            key,
            number,
            unit,
        });
    }

    pub(crate) fn to_table(&self) -> String {
        let mut lines = vec![self.title.clone()];
        for figure in &self.figures {
            let decimals = if figure.unit == "ms" { 2 } else { 0 };
            let number = format!("{:.decimals$}", figure.number);
            lines.push(format!(
                "  {:<32}{number:>10} {}",
                figure.title, figure.unit
            ));
        }
        for (fault, count) in &self.faults {
            lines.push(format!("  {count} times instead of 250: {fault}"));
        }
        lines.join("\n")
    }

    pub(crate) fn to_json(&self) -> String {
        let mut document: Map<String, Value> = self
            .figures
            .iter()
            .map(|figure| (figure.key.to_owned(), json!(figure.number)))
            .collect();
        let faults: Map<String, Value> = self
            .faults
            .iter()
            .map(|(fault, count)| (fault.clone(), json!(count)))
            .collect();
        document.insert("faults".to_owned(), Value::Object(faults));
        let memory: Vec<_> = self.memory.iter().map(|octets| octets >> 20).collect();
        document.insert("memory_mib".to_owned(), json!(memory));
        Value::Object(document).to_string()
    }
}

fn title(args: &Args) -> String {
    let connections = if args.keep {
        "kept connections"
    } else {
        "a connection each"
    };
    let signed = match args.dkim {
        Some(keys) => format!(", {} signatures each", keys.count()),
        None => String::new(),
    };
    let told = match (args.webhook, args.backlog) {
        (false, _) => "",
        (true, false) => ", a webhook",
        (true, true) => ", a webhook that hears of it afterwards",
    };
    let way = if args.inbound {
        ", from outside".to_owned()
    } else {
        format!(", {} domains", args.domains)
    };
    format!(
        "{} messages of {} octets, {} sessions, {connections}{way}{signed}{told}",
        args.messages, args.size, args.sessions
    )
}

/// The value that this many of a hundred do not exceed; the values are in order.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Prints; a reader that went away is no fault.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 50), Duration::from_millis(100));
        assert_eq!(percentile(&values, 99), Duration::from_millis(198));
        assert_eq!(percentile(&values[..1], 99), Duration::from_millis(1));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
