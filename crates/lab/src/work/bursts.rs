//! A service that takes memory in bursts and gives it back, and measures how long the first touch of each
//! page takes.

use crate::size::{self, PAGE};
use anyhow::{Context, Result};
use clap::Args;
use hdrhistogram::Histogram;
use memmap2::MmapMut;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What it is told.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Bytes of a burst.
    #[arg(long, value_parser = size::parse)]
    pub size: u64,
    /// Time from one burst to the next.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub every: Duration,
    /// Time before touches count.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub skip: Duration,
    /// Time until it ends.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub end: Duration,
    /// Where the report goes.
    #[arg(long)]
    pub report: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Bursts that counted.
    pub bursts: u64,
    /// Touches of pages, in all of them.
    pub touches: u64,
    /// Microseconds of the median touch.
    pub p50: f64,
    /// 99 of 100 were faster.
    pub p99: f64,
    /// 999 of 1000 were faster.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

/// Nanoseconds; what takes longer counts as this.
const LONGEST: u64 = 100_000_000_000;

/// Takes and gives back until the time is over, then writes the report.
pub fn run(settings: &Settings) -> Result<()> {
    let mut histogram = Histogram::new_with_max(LONGEST, 3).context("a histogram of three digits")?;
    let mut bursts = 0;
    let (start, mut due) = (Instant::now(), Duration::ZERO);
    while start.elapsed() < settings.end {
        if let Some(wait) = due.checked_sub(start.elapsed()) {
            std::thread::sleep(wait);
        }
        let counts = start.elapsed() >= settings.skip;
        burst(settings.size, counts.then_some(&mut histogram))?;
        bursts += u64::from(counts);
        // A burst that took longer than its time is not made up for.
        due = (due + settings.every).max(start.elapsed());
    }
    let report = serde_json::to_string(&report(&histogram, bursts))?;
    fs::write(&settings.report, report).with_context(|| format!("cannot write {}", settings.report.display()))
}

fn burst(size: u64, mut histogram: Option<&mut Histogram<u64>>) -> Result<()> {
    let mut memory = MmapMut::map_anon(usize::try_from(size)?).context("no memory is to be had")?;
    let mut before = Instant::now();
    for at in (0..memory.len()).step_by(PAGE) {
        memory[at] = 1;
        let now = Instant::now();
        if let Some(histogram) = &mut histogram {
            let took = now.duration_since(before).as_nanos();
            histogram.saturating_record(u64::try_from(took).unwrap_or(u64::MAX));
        }
        before = now;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a run are far below 2^53")]
fn report(histogram: &Histogram<u64>, bursts: u64) -> Report {
    let micros = |nanoseconds: u64| nanoseconds as f64 / 1e3;
    let at = |quantile| micros(histogram.value_at_quantile(quantile));
    let max = micros(histogram.max());
    Report { bursts, touches: histogram.len(), p50: at(0.5), p99: at(0.99), p999: at(0.999), max }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::MIB;

    #[test]
    fn every_page_that_counts_is_measured() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("report");
        let milliseconds = Duration::from_millis;
        let settings = Settings {
            size: MIB,
            every: milliseconds(10),
            skip: milliseconds(20),
            end: milliseconds(60),
            report: file.clone(),
        };
        run(&settings).unwrap();
        let report: Report = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        assert!(report.bursts >= 1 && report.bursts < 6, "{report:?}");
        assert_eq!(report.touches, report.bursts * 256);
        assert!(report.p50 > 0.0 && report.p50 <= report.p99 && report.p99 <= report.max, "{report:?}");
    }
}
