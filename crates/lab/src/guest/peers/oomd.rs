//! The Senpai of Meta's oomd with `immediate_backoff` (github.com/facebookincubator/oomd, plugin `senpai`): a
//! gate on the kernel's averages of pressure, and behind it a small share by memory.reclaim.
//!
//! Its options `swap_validation` and `modulate_swappiness` are off by default and not here.

use super::{every, some};
use crate::guest::{Cgroup, swap};
use crate::size;
use anyhow::Result;
use clap::Args;
use std::fs;
use std::time::Duration;

/// Its settings, with oomd's defaults.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Time from one tick to the next: the daemon's `--interval`.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    pub tick: Duration,
    /// Ticks that pass after a probe; the next tick may probe again.
    #[arg(long, default_value_t = 6)]
    pub interval: u32,
    /// Reclaimable memory that is left alone.
    #[arg(long, default_value = "100M", value_parser = size::parse)]
    pub limit_min: u64,
    /// The share of what is beyond the limit that goes at once.
    #[arg(long, default_value_t = 0.01)]
    pub max_probe: f64,
    /// Per cent of time stalled on memory from which on it waits.
    #[arg(long, default_value_t = 0.1)]
    pub pressure_pct: f64,
    /// Per cent of time stalled on I/O from which on it waits.
    #[arg(long, default_value_t = 0.1)]
    pub io_pressure_pct: f64,
}

/// What it looks at when its ticks are over.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Seen {
    /// The greater of avg10 and avg60 of some, in per cent.
    memory: f64,
    io: f64,
    current: u64,
    /// File pages, and anonymous ones as far as swap has room.
    reclaimable: u64,
    /// memory.min.
    min: u64,
}

impl Settings {
    /// Bytes to ask for; none says to look again at the next tick.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of bytes far below 2^53"
    )]
    fn probe(&self, seen: &Seen) -> Option<u64> {
        if seen.memory >= self.pressure_pct || seen.io >= self.io_pressure_pct {
            return None;
        }
        let unreclaimable = seen.current.saturating_sub(seen.reclaimable);
        let least = (self.limit_min + unreclaimable).max(seen.min);
        let beyond = seen.current.checked_sub(least).filter(|beyond| *beyond > 0)?;
        Some((beyond as f64 * self.max_probe) as u64 & !(size::PAGE as u64 - 1))
    }
}

impl Seen {
    fn read(cgroup: &Cgroup) -> Result<Self> {
        let pressure = |file| {
            let text = cgroup.read(file)?;
            anyhow::Ok(f64::max(some(&text, "avg10")?, some(&text, "avg60")?))
        };
        let stat = |name| cgroup.stat("memory.stat", name);
        let anon = stat("active_anon")? + stat("inactive_anon")?;
        let file = stat("active_file")? + stat("inactive_file")?;
        Ok(Self {
            memory: pressure("memory.pressure")?,
            io: pressure("io.pressure")?,
            current: cgroup.read_number("memory.current")?,
            reclaimable: file + anon.min(swap_room(cgroup)?),
            min: cgroup.read_number("memory.min")?,
        })
    }
}

/// Swap that the cgroup may still take; those above it have no limit in the lab.
fn swap_room(cgroup: &Cgroup) -> Result<u64> {
    let free = swap::free()?;
    // `max` is no limit.
    let Ok(most) = cgroup.read_number("memory.swap.max") else { return Ok(free) };
    Ok(free.min(most.saturating_sub(cgroup.read_number("memory.swap.current")?)))
}

/// Probes `cgroup` until SIGTERM. It leaves no state behind.
pub fn run(cgroup: &Cgroup, settings: &Settings) -> Result<()> {
    let mut ticks = Some(settings.interval);
    every(settings.tick, || {
        ticks = match ticks {
            // A cgroup that was forgotten is met again: a tick is spent on it.
            None => Some(settings.interval),
            Some(ticks) if ticks > 0 => Some(ticks - 1),
            Some(_) => match settings.probe(&Seen::read(cgroup)?) {
                None => Some(0),
                Some(bytes) if reclaimed(cgroup, bytes) => Some(settings.interval),
                // What oomd makes of EAGAIN, which only says "less than asked": the cgroup is gone, forget
                // it.
                Some(_) => None,
            },
        };
        Ok(())
    })
}

fn reclaimed(cgroup: &Cgroup, bytes: u64) -> bool {
    fs::write(cgroup.path().join("memory.reclaim"), bytes.to_string()).is_ok()
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

    fn settings() -> Settings {
        Line::parse_from(["oomd-senpai"]).settings
    }

    /// 300 MiB, of which 20 MiB cannot be reclaimed.
    const QUIET: Seen = Seen { memory: 0.0, io: 0.0, current: 300 * MIB, reclaimable: 280 * MIB, min: 0 };

    #[test]
    fn it_asks_for_a_hundredth_of_what_is_beyond_the_limit() {
        let bytes = settings().probe(&QUIET).unwrap();
        assert_eq!(bytes, 460 * 4096, "1 % of 180 MiB is 460.8 pages");
        assert_eq!(Settings { max_probe: 0.5, ..settings() }.probe(&QUIET), Some(90 * MIB));
    }

    #[test]
    fn any_average_at_the_limit_closes_the_gate() {
        assert_eq!(settings().probe(&Seen { memory: 0.1, ..QUIET }), None);
        assert_eq!(settings().probe(&Seen { io: 0.1, ..QUIET }), None);
        assert!(settings().probe(&Seen { memory: 0.09, io: 0.09, ..QUIET }).is_some());
    }

    #[test]
    fn below_the_limit_nothing_goes() {
        assert_eq!(settings().probe(&Seen { current: 120 * MIB, reclaimable: 100 * MIB, ..QUIET }), None);
        assert_eq!(settings().probe(&Seen { min: 300 * MIB, ..QUIET }), None, "memory.min");
    }

    #[test]
    fn a_cgroup_is_seen_as_oomd_sees_it() {
        let directory = tempfile::tempdir().unwrap();
        let pressure = "some avg10=0.05 avg60=0.07 avg300=0.00 total=1\nfull avg10=0.00 avg60=9 total=0\n";
        let stat = "active_anon 4096\ninactive_anon 8192\nactive_file 16384\ninactive_file 32768\n";
        for (name, text) in [
            ("memory.pressure", pressure),
            ("io.pressure", "some avg10=0.02 avg60=0.01 avg300=0.00 total=1\n"),
            ("memory.current", "90000\n"),
            ("memory.min", "4096\n"),
            ("memory.stat", stat),
            ("memory.swap.max", "5000\n"),
            ("memory.swap.current", "5000\n"),
        ] {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let seen = Seen::read(&Cgroup::at(directory.path())).unwrap();
        // No room in swap: only file pages can go.
        let expected = Seen { memory: 0.07, io: 0.02, current: 90_000, reclaimable: 49_152, min: 4096 };
        assert_eq!(seen, expected);
    }
}
