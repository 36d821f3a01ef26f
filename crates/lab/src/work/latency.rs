//! How long requests took, over windows of time.

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Seconds since the load began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first second.
    pub from: u64,
    /// The second after the last.
    pub to: u64,
}

impl Window {
    /// As the command line has it: `0-240`.
    pub fn parse(text: &str) -> Result<Self> {
        let (from, to) =
            text.split_once('-').with_context(|| format!("{text:?} is no window such as 0-240"))?;
        let second = |text: &str| text.parse().with_context(|| format!("{text:?} is no second"));
        Ok(Self { from: second(from)?, to: second(to)? })
    }

    fn has(self, since_start: Duration) -> bool {
        (self.from..self.to).contains(&since_start.as_secs())
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

/// Latency of the requests of one window, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The window.
    pub window: Window,
    /// Requests that were answered.
    pub requests: u64,
    /// All of their time by their number: exact, unlike percentiles, which are good to a thousandth.
    pub mean: f64,
    /// Half were faster.
    pub p50: f64,
    /// 99 of 100 were faster.
    pub p99: f64,
    /// 999 of 1000 were faster.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

/// One of the slowest requests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Slow {
    /// Seconds since the load began.
    pub at: f64,
    /// Microseconds it took.
    pub took: f64,
}

/// Requests that are remembered as the slowest.
const SLOWEST: usize = 5;

/// Nanoseconds; what takes longer counts as this.
const LONGEST: u64 = 100_000_000_000;

/// Collects the latencies of one server.
#[derive(Debug)]
pub struct Recorder {
    windows: Vec<(Window, Histogram<u64>, Duration)>,
    slowest: Vec<Slow>,
}

impl Recorder {
    /// For these windows, which may overlap.
    pub fn new(windows: &[Window]) -> Result<Self> {
        let windows = windows.iter().map(|window| {
            let histogram = Histogram::new_with_max(LONGEST, 3).context("a histogram of three digits")?;
            Ok((*window, histogram, Duration::ZERO))
        });
        Ok(Self { windows: windows.collect::<Result<_>>()?, slowest: Vec::new() })
    }

    /// Notes one request.
    pub fn note(&mut self, since_start: Duration, took: Duration) {
        for (window, histogram, sum) in &mut self.windows {
            if window.has(since_start) {
                histogram.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                *sum += took;
            }
        }
        self.slowest.push(Slow { at: since_start.as_secs_f64(), took: took.as_secs_f64() * 1e6 });
        self.slowest.sort_by(|one, other| other.took.total_cmp(&one.took));
        self.slowest.truncate(SLOWEST);
    }

    /// What was collected.
    #[must_use]
    pub fn latencies(&self) -> Vec<Latency> {
        self.windows.iter().map(|(window, histogram, sum)| latency(*window, histogram, *sum)).collect()
    }

    /// The slowest requests, the slowest first.
    #[must_use]
    pub fn slowest(&self) -> &[Slow] {
        &self.slowest
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "requests of a run are far below 2^53, and so are their nanoseconds"
)]
fn latency(window: Window, histogram: &Histogram<u64>, sum: Duration) -> Latency {
    let micros = |nanoseconds: u64| nanoseconds as f64 / 1e3;
    let at = |quantile| micros(histogram.value_at_quantile(quantile));
    let requests = histogram.len();
    let mean = if requests == 0 { 0.0 } else { sum.as_secs_f64() * 1e6 / requests as f64 };
    Latency {
        window,
        requests,
        mean,
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
        max: micros(histogram.max()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_read_as_it_is_written() {
        let window = Window { from: 1200, to: 1800 };
        assert_eq!(Window::parse(&window.to_string()).unwrap(), window);
        assert!(Window::parse("240").is_err());
        assert!(Window::parse("a-b").is_err());
    }

    #[test]
    fn each_window_has_its_own_requests() {
        let windows = [Window { from: 0, to: 10 }, Window { from: 5, to: 20 }];
        let mut recorder = Recorder::new(&windows).unwrap();
        for second in 0..20 {
            recorder.note(Duration::from_secs(second), Duration::from_micros(100 + second));
        }
        let [first, second] = recorder.latencies()[..] else { panic!("two windows") };
        assert_eq!((first.requests, second.requests), (10, 15));
        assert!((first.mean - 104.5).abs() < 1e-9 && (second.mean - 112.0).abs() < 1e-9);
        assert!((second.max - 119.0).abs() < 0.2 && (second.p50 - 112.0).abs() < 0.2, "{second:?}");
        let slowest: Vec<_> = recorder.slowest().iter().map(|slow| slow.at).collect();
        assert_eq!(slowest, [19.0, 18.0, 17.0, 16.0, 15.0]);
    }

    #[test]
    fn nothing_has_no_mean() {
        let recorder = Recorder::new(&[Window { from: 0, to: 1 }]).unwrap();
        assert_eq!(recorder.latencies()[0].mean, 0.0);
    }
}
