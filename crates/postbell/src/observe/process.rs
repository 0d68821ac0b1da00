//! The process, as Linux tells it in `/proc/self`, under the names that every Prometheus client
//! has for it. Where there is no `/proc`, these metrics are missing and nothing else.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads `/proc/self` at each scrape.
#[derive(Debug)]
pub(super) struct Process;

/// What `/proc/self/stat` has of it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    threads: i64,
    /// From the start of the machine to that of the process.
    started_after: f64,
    virtual_octets: i64,
}

/// The octets of memory that are resident.
pub(crate) fn resident_memory() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: Option<f64>| match value {
            Some(value) => {
                let one = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                ConstGauge::new(value).encode(one)
            }
            None => Ok(()),
        };
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let stat = stat.and_then(|text| read_stat(&text));
        let help = "Octets of memory that are resident";
        let memory = resident_memory().map(float);
        gauge("process_resident_memory_bytes", help, memory)?;
        #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
        let address_space = stat.map(|stat| stat.virtual_octets as f64);
        let help = "Octets of address space";
        gauge("process_virtual_memory_bytes", help, address_space)?;
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let threads = stat.map(|stat| stat.threads as f64);
        gauge("process_threads", "Threads of the system", threads)?;
        gauge("process_open_fds", "Open file descriptors", open_files())?;
        let help = "Descriptors that may be open at once";
        gauge("process_max_fds", help, most_files())?;
        let started = stat.and_then(|stat| Some(booted_at()? + stat.started_after));
        let help = "When the process began, in seconds since 1970";
        gauge("process_start_time_seconds", help, started)?;
        let Some(stat) = stat else { return Ok(()) };
        let help = "Seconds of processor time, in user and kernel mode";
        let name = "process_cpu_seconds";
        let cpu = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(stat.cpu_seconds).encode(cpu)
    }
}

fn read_stat(text: &str) -> Option<Stat> {
    // The name of the program comes before, in parentheses, and may hold anything.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // proc(5) numbers its fields from 1; the state, here the first, is its third.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = float(rustix::param::clock_ticks_per_second());
    Some(Stat {
        cpu_seconds: float(field(14)? + field(15)?) / ticks,
        threads: i64::try_from(field(20)?).ok()?,
        started_after: float(field(22)?) / ticks,
        virtual_octets: i64::try_from(field(23)?).ok()?,
    })
}

fn booted_at() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

fn open_files() -> Option<f64> {
    // The look itself has one open.
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(float(u64::try_from(count.saturating_sub(1)).ok()?))
}

fn most_files() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    line.split_ascii_whitespace().nth(3)?.parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_passed_over() {
        let fields = "S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 7 0 1234 4096 99";
        let text = format!("42 (post) (bell) {fields}");
        let stat = read_stat(&text).unwrap();
        let ticks = float(rustix::param::clock_ticks_per_second());
        assert!((stat.cpu_seconds - 200.0 / ticks).abs() < f64::EPSILON);
        assert_eq!((stat.threads, stat.virtual_octets), (7, 4_096));
        assert!(read_stat("42 (postbell) S 1").is_none());
    }

    #[test]
    fn this_process_is_read() {
        assert!(resident_memory().unwrap() > 100_000);
        assert!(open_files().unwrap() >= 3.0);
        assert!(most_files().unwrap() > 3.0);
        assert!(booted_at().unwrap() > 1_000_000_000.0);
    }
}
