//! What the tenant reports, one JSON line each time.

use super::pages::Truth;
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Why a report was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// All memory is filled; time starts here.
    Ready,
    /// The interval is over.
    Interval,
    /// Somebody asked for the truth.
    Asked,
    /// All memory was touched at once; `seconds` says how long that took.
    TouchedAll,
    /// The end.
    Final,
}

/// One report. Counts are since the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Always `tenant`.
    pub kind: String,
    /// The tenant's name.
    pub name: String,
    /// Why now.
    pub event: Event,
    /// Seconds since the memory was filled.
    pub t: f64,
    /// The same moment on CLOCK_MONOTONIC, in seconds; the truth was looked up right after it, with ages as
    /// of it.
    pub clock: f64,
    /// Pages worked on or swept.
    pub ops: u64,
    /// Seconds spent doing so; sleeps do not count.
    pub busy: f64,
    /// Operations per busy second since the start: the figure that shows harm.
    pub rate: f64,
    /// The same since the last report.
    pub interval_rate: f64,
    /// Latency of single touches since the start, sudden touches apart.
    pub touch: Latency,
    /// Latency of single touches of sweeps of the warm and the scanned part since the start.
    pub warm_touch: Latency,
    /// For [`Event::TouchedAll`]: seconds it took.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seconds: Option<f64>,
    /// At the end, with `--verify`: pages that do not hold what was written to them last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wrong_pages: Option<usize>,
    /// Bytes of bookkeeping about ages: in no part, and locked in DRAM.
    pub locked: u64,
    /// Where the pages are, where it was looked up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub truth: Option<Truth>,
}

impl Report {
    /// Appends it to a file as one line, or prints it.
    pub fn write(&self, path: Option<&Path>) -> Result<()> {
        let line = format!("{}\n", serde_json::to_string(self)?);
        let Some(path) = path else {
            return std::io::stdout().write_all(line.as_bytes()).context("cannot print");
        };
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        file.write_all(line.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Percentiles in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the touches were faster.
    pub p50: u64,
    /// Nine in ten were faster.
    pub p90: u64,
    /// 99 in 100 were faster.
    pub p99: u64,
    /// 999 in 1000 were faster.
    pub p999: u64,
    /// The slowest.
    pub max: u64,
}

impl Latency {
    /// Percentiles of what was recorded.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram.max() }
    }
}

/// Operations per second; nothing done is a rate of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "operations of a test run are far below 2^53")]
pub fn rate(ops: u64, busy: Duration) -> f64 {
    if busy.is_zero() { 0.0 } else { ops as f64 / busy.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_of_nothing_is_nothing() {
        assert!(rate(5, Duration::ZERO).abs() < f64::EPSILON);
        assert!((rate(5, Duration::from_millis(500)) - 10.0).abs() < 1e-9);
    }
}
