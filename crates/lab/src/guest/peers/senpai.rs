//! Meta's first Senpai, `senpai.py` (github.com/facebookincubator/senpai): squeezes with memory.high until
//! tasks stall a little, lets go when they stall more.

use super::{every, some};
use crate::guest::{Cgroup, knobs};
use crate::size;
use anyhow::{Context, Result};
use clap::Args;
use std::time::Duration;

/// Its command line, with its defaults.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Never squeezes below this.
    #[arg(long, default_value = "100M", value_parser = size::parse)]
    pub min_size: u64,
    /// Never lets go beyond this.
    #[arg(long, default_value = "100G", value_parser = size::parse)]
    pub max_size: u64,
    /// Seconds from one probe to the next, when nothing stalls.
    #[arg(long, default_value_t = 6)]
    pub interval: u32,
    /// Microseconds of stall in an interval that it aims at.
    #[arg(long, default_value_t = 10_000)]
    pub pressure: u32,
    /// The greatest share that is squeezed at once.
    #[arg(long, default_value_t = 0.01)]
    pub max_probe: f64,
    /// The greatest share that is let go at once.
    #[arg(long, default_value_t = 1.0)]
    pub max_backoff: f64,
    /// The greatest probe is made when the stall is this many times smaller than aimed at.
    #[arg(long, default_value_t = 10.0)]
    pub coeff_probe: f64,
    /// The greatest release is made when the stall is this many times greater than aimed at.
    #[arg(long, default_value_t = 20.0)]
    pub coeff_backoff: f64,
}

/// What it remembers between two seconds.
#[derive(Debug, Clone)]
struct Law {
    settings: Settings,
    /// Microseconds stalled since the last change.
    integral: u64,
    /// Seconds before the next probe.
    grace: u32,
}

impl Law {
    fn new(settings: Settings) -> Self {
        Self { integral: 0, grace: settings.interval, settings }
    }

    /// One second in which tasks stalled for so many microseconds: the share of the limit to add (or take
    /// away), if any.
    fn tick(&mut self, stalled: u64) -> Option<f64> {
        let Settings { pressure, max_probe, max_backoff, coeff_probe, coeff_backoff, interval, .. } =
            self.settings;
        self.integral += stalled;
        let (target, stall) = (f64::from(pressure), micros(self.integral));
        let share = if self.integral > u64::from(pressure) {
            ((stall / target / coeff_backoff).powi(2) * max_backoff).min(max_backoff)
        } else if self.grace > 0 {
            self.grace -= 1;
            return None;
        } else {
            -((target / stall.max(1.0) / coeff_probe).powi(2) * max_probe).min(max_probe)
        };
        self.integral = 0;
        self.grace = interval.saturating_sub(1);
        Some(share)
    }

    /// A limit changed by a share, within bounds and in whole pages.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "limits are bytes far below 2^53, and shares are at least -1"
    )]
    fn scale(&self, limit: u64, share: f64) -> u64 {
        self.bound((limit as f64 * (1.0 + share)) as u64)
    }

    fn bound(&self, limit: u64) -> u64 {
        limit.min(self.settings.max_size).max(self.settings.min_size) & !(size::PAGE as u64 - 1)
    }
}

#[expect(clippy::cast_precision_loss, reason = "stalls of seconds, not of centuries")]
fn micros(value: u64) -> f64 {
    value as f64
}

/// The limit it set last. Whatever else is found in memory.high makes it start again at memory.current.
#[derive(Debug)]
struct Limit<'a> {
    cgroup: &'a Cgroup,
    ours: Option<u64>,
}

impl Limit<'_> {
    fn change(&mut self, law: &Law, share: f64) -> Result<()> {
        let found = parse_limit(&self.cgroup.read("memory.high")?)?;
        let next = match found {
            Some(limit) if self.ours == Some(limit) => law.scale(limit, share),
            _ => law.bound(self.cgroup.read_number("memory.current")?),
        };
        self.ours = Some(next);
        self.cgroup.write("memory.high", &next.to_string())
    }
}

/// None is `max`.
fn parse_limit(text: &str) -> Result<Option<u64>> {
    if text == "max" {
        return Ok(None);
    }
    text.parse().map(Some).with_context(|| format!("memory.high has {text:?}"))
}

/// Squeezes `cgroup` until SIGTERM. Unlike the original it then lifts the limit, so that the next run starts
/// clean.
pub fn run(cgroup: &Cgroup, settings: Settings) -> Result<()> {
    let total = || some::<u64>(&cgroup.read("memory.pressure")?, "total");
    let mut law = Law::new(settings);
    let mut limit = Limit { cgroup, ours: None };
    limit.change(&law, 0.0)?;
    let mut last = total()?;
    every(Duration::from_secs(1), || {
        let now = total()?;
        let share = law.tick(now - last);
        last = now;
        share.map_or(Ok(()), |share| limit.change(&law, share))
    })?;
    knobs::write(cgroup.path().join("memory.high"), "max")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::MIB;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn law() -> Law {
        Law::new(Line::parse_from(["senpai"]).settings)
    }

    fn shares(law: &mut Law, stalls: &[u64]) -> Vec<Option<f64>> {
        stalls.iter().map(|stalled| law.tick(*stalled)).collect()
    }

    #[test]
    fn without_stalls_it_probes_every_six_seconds() {
        let shares = shares(&mut law(), &[0; 20]);
        let probes: Vec<_> = (1..).zip(&shares).filter_map(|(at, share)| share.map(|_| at)).collect();
        assert_eq!(probes, [7, 13, 19]);
        assert!(shares.into_iter().flatten().all(|share| share == -0.01));
    }

    #[test]
    fn a_probe_shrinks_with_the_square_of_the_stall() {
        for (stall, expected) in [(1000, 0.01), (2000, 0.0025), (5000, 0.0004), (10_000, 0.0001)] {
            let share = shares(&mut law(), &[stall, 0, 0, 0, 0, 0, 0])[6].unwrap();
            assert!((share + expected).abs() < 1e-12, "{stall} µs: {share}");
        }
    }

    #[test]
    fn it_lets_go_as_soon_as_the_sum_is_over_the_target() {
        let mut law = law();
        assert_eq!(shares(&mut law, &[6000, 4000]), [None, None]);
        let share = law.tick(10_000).unwrap();
        assert!((share - 0.01).abs() < 1e-12, "twice the target, (2 / 20)^2: {share}");
        assert_eq!(shares(&mut law, &[0; 6]), [None, None, None, None, None, Some(-0.01)]);
    }

    #[test]
    fn it_never_lets_go_more_than_all() {
        assert_eq!(law().tick(200_000), Some(1.0), "20 times the target");
        assert_eq!(law().tick(9_000_000), Some(1.0));
    }

    #[test]
    fn limits_are_whole_pages_within_bounds() {
        let law = law();
        assert_eq!(law.scale(200 * MIB, -0.01), 198 * MIB);
        assert_eq!(law.scale(200 * MIB + 4095, 0.0), 200 * MIB);
        assert_eq!(law.scale(101 * MIB, -0.5), 100 * MIB);
        assert_eq!(law.scale(60 << 30, 1.0), 100 << 30);
    }

    #[test]
    fn no_limit_is_none() {
        assert_eq!(parse_limit("max").unwrap(), None);
        assert_eq!(parse_limit("4096").unwrap(), Some(4096));
        assert!(parse_limit("").is_err());
    }

    #[test]
    fn somebody_elses_limit_makes_it_start_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        std::fs::write(file("memory.high"), "max\n").unwrap();
        std::fs::write(file("memory.current"), format!("{}\n", 200 * MIB)).unwrap();
        let cgroup = Cgroup::at(directory.path());
        let (law, mut limit) = (law(), Limit { cgroup: &cgroup, ours: None });
        // Numbers of the same length, since an ordinary file keeps what is not overwritten.
        let mut change = |share| {
            limit.change(&law, share).unwrap();
            cgroup.read_number("memory.high").unwrap()
        };
        assert_eq!(change(0.0), 200 * MIB);
        assert_eq!(change(-0.01), 198 * MIB);
        std::fs::write(file("memory.high"), "max\n").unwrap();
        assert_eq!(change(-0.01), 200 * MIB);
    }
}
