//! Oracle's adaptivemm (github.com/oracle/adaptivemm, adaptivemmd 2.1.0): the part that sets
//! vm.watermark_scale_factor from the trend of free pages. Its compaction, its limits of dentries and its
//! search for leaks are not here, and huge pages there are none.
//!
//! It works in whole pages and milliseconds, as here. Its slope is in hundredths of a page, and is compared
//! with figures in pages: that is kept, since it is what the program does. Its clock mixes up micro- and
//! milliseconds (`get_msecs`): here it is right. It looks every 30 s and needs eight looks before it does
//! anything.

use super::every;
use crate::guest::knobs;
use anyhow::{Context, Result};
use clap::Args;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const FACTOR: &str = "/proc/sys/vm/watermark_scale_factor";
/// Looks that the trend is of (LSQ_LOOKBACK).
const LOOKS: usize = 8;

/// Its settings, with its defaults.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Time from one look to the next (NORM_PERIODICITY).
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    pub tick: Duration,
    /// The greatest factor, at its normal aggressiveness.
    #[arg(long, default_value_t = 700)]
    pub max: i64,
}

/// Pages; counters since the boot. Without the zone DMA.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    free: i64,
    managed: i64,
    min: i64,
    low: i64,
    high: i64,
    /// Inactive anonymous pages and page cache.
    inactive: i64,
    /// pgsteal_kswapd.
    reclaimed: i64,
}

/// What it remembers from one look to the next.
#[derive(Debug, Clone, Default)]
struct Law {
    looks: VecDeque<(i64, i64)>,
    before: Option<(i64, i64)>,
    /// Pages a millisecond.
    reclaim_rate: i64,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Law {
    /// The factor that it sets `at` so many milliseconds, if any.
    fn look(&mut self, at: i64, seen: &Seen, factor: i64, max: i64) -> Option<i64> {
        let wanted = self.way(at, seen).and_then(|way| rescaled(way, seen, factor, max));
        if let Some((before, reclaimed)) = self.before.replace((at, seen.reclaimed)) {
            self.reclaim_rate = (seen.reclaimed - reclaimed) / (at - before).max(1);
        }
        wanted
    }

    fn way(&mut self, at: i64, seen: &Seen) -> Option<Way> {
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((at, seen.free));
        let slope = slope(&self.looks)?;
        if slope >= 0 {
            return Some(Way::Down);
        }
        if self.reclaim_rate == 0 {
            return None;
        }
        let above = seen.free - seen.high;
        let soon = above / slope.abs() <= 3 * (above / self.reclaim_rate);
        (above <= 0 || soon).then_some(Way::Up)
    }
}

/// Of the line through all looks, in hundredths of a page a millisecond.
fn slope(looks: &VecDeque<(i64, i64)>) -> Option<i64> {
    let (first, _) = looks.front().filter(|_| looks.len() == LOOKS)?;
    let count = i64::try_from(LOOKS).ok()?;
    let (mut x, mut y, mut xy, mut xx) = (0, 0, 0, 0);
    for (at, free) in looks {
        let since = at - first;
        x += since;
        y += free;
        xy += since * free;
        xx += since * since;
    }
    ((count * xy - x * y) * 100).checked_div(count * xx - x * x)
}

fn rescaled(way: Way, seen: &Seen, factor: i64, max: i64) -> Option<i64> {
    // In thousandths of memory: what is not free, in steps of ten.
    let taken = 1000 - seen.free * 1000 / seen.managed.max(1);
    let tenth_less = factor * 9 / 10;
    let wanted = match way {
        Way::Down => {
            let by_taken = taken / 10 * 10;
            let between = seen.free < i64::midpoint(seen.low, seen.high);
            if between || by_taken >= factor { tenth_less } else { by_taken }
        }
        Way::Up => {
            let enough = seen.inactive > (seen.high - seen.free).abs();
            let wanted = match (seen.free < seen.high, enough) {
                (true, true) => taken / 10 * 10,
                (true, false) | (false, true) => taken / 20 * 10,
                (false, false) if factor > 100 => factor * 11 / 10,
                (false, false) => factor * 12 / 10,
            };
            if wanted == factor { wanted * 11 / 10 } else { wanted }
        }
    };
    let wanted = wanted.clamp(10, 1000).min(max);
    let wanted = if way == Way::Up { affordable(seen, factor, wanted)? } else { wanted };
    (wanted != factor).then_some(wanted)
}

/// `wanted`, or a tenth more than now where the low watermark would come too near to what can be had.
fn affordable(seen: &Seen, factor: i64, wanted: i64) -> Option<i64> {
    let fits = |to: i64| {
        let low = seen.min + (seen.low - seen.min) * to / factor;
        seen.free + seen.inactive > low + seen.free * 102 / 100
    };
    [wanted, factor * 11 / 10].into_iter().find(|to| fits(*to))
}

/// Sets it until SIGTERM. As the original it leaves the factor where it is.
pub fn run(settings: &Settings) -> Result<()> {
    let (mut law, start) = (Law::default(), Instant::now());
    every(settings.tick, || {
        let at = i64::try_from(start.elapsed().as_millis())?;
        let factor = knobs::read(FACTOR)?.parse().context("the factor is no number")?;
        let seen = Seen::parse(&knobs::read("/proc/zoneinfo")?, &knobs::read("/proc/vmstat")?);
        law.look(at, &seen, factor, settings.max).map_or(Ok(()), |to| knobs::write(FACTOR, &to.to_string()))
    })
}

impl Seen {
    fn parse(zoneinfo: &str, vmstat: &str) -> Self {
        let mut seen = Self::default();
        for zone in zoneinfo.split("Node ").filter(|zone| !zone.lines().next().is_some_and(is_dma)) {
            // The first line of each name is the zone's; what follows is of its per-CPU lists.
            let value = |name: &str| {
                let found =
                    zone.lines().find_map(|line| line.trim().strip_prefix(name)?.split_whitespace().next());
                found.and_then(|word| word.parse::<i64>().ok()).unwrap_or(0)
            };
            seen.free += value("pages free ");
            seen.managed += value("managed ");
            seen.min += value("min ");
            seen.low += value("low ");
            seen.high += value("high ");
        }
        let counter = |name: &str| {
            let line = vmstat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse::<i64>().ok()).unwrap_or(0)
        };
        seen.inactive = counter("nr_inactive_file") + counter("nr_inactive_anon");
        seen.reclaimed = counter("pgsteal_kswapd");
        seen
    }
}

fn is_dma(head: &str) -> bool {
    head.split_whitespace().next_back() == Some("DMA")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of 100 000 pages is free, and there is a lot to reclaim.
    const SEEN: Seen = Seen {
        free: 50_000,
        managed: 100_000,
        min: 500,
        low: 600,
        high: 700,
        inactive: 49_000,
        reclaimed: 0,
    };

    fn seen(free: i64) -> Seen {
        Seen { free, ..SEEN }
    }

    #[test]
    fn the_slope_is_that_of_the_last_eight() {
        let looks = |count: i64| (0..count).map(|at| (at * 1000, 9000 - at * 50)).collect::<VecDeque<_>>();
        assert_eq!(slope(&looks(7)), None);
        assert_eq!(slope(&looks(8)), Some(-5), "50 pages a second, in hundredths of a page a millisecond");
    }

    #[test]
    fn it_goes_up_by_what_is_taken_where_the_high_watermark_is_missed() {
        assert_eq!(rescaled(Way::Up, &seen(650), 10, 700), Some(700));
        assert_eq!(rescaled(Way::Up, &seen(650), 10, 1000), Some(990));
        assert_eq!(
            rescaled(Way::Up, &seen(50_000), 10, 700),
            Some(12),
            "little to reclaim beside what is free"
        );
        let short = Seen { inactive: 40, ..seen(650) };
        assert_eq!(rescaled(Way::Up, &short, 10, 700), None, "the low watermark would be out of reach");
    }

    #[test]
    fn it_goes_down_by_a_tenth() {
        assert_eq!(rescaled(Way::Down, &seen(640), 700, 700), Some(630));
        assert_eq!(rescaled(Way::Down, &seen(50_000), 700, 700), Some(500));
        assert_eq!(rescaled(Way::Down, &seen(640), 10, 700), None);
    }

    #[test]
    fn it_waits_for_a_trend_and_a_rate() {
        let mut law = Law::default();
        let decided: Vec<_> = (0..9)
            .map(|look| {
                let now = Seen { reclaimed: look * 9000, ..seen(50_000 - look * 6000) };
                law.look(look * 1000, &now, 10, 700)
            })
            .collect();
        assert_eq!(decided[..7], [None; 7]);
        assert!(decided[7].is_some_and(|to| to > 10), "{decided:?}");
    }

    #[test]
    fn its_files_are_understood() {
        let zoneinfo = "Node 0, zone      DMA\n  pages free 9\n  low 9\n  managed 9\nNode 0, zone    DMA32\n  pages free     80\n        \
                        boost    0\n        min      3\n        low      4\n        high     5\n        managed  90\n  pagesets\n    cpu: 0\n\
                        \x20             high:     60\n";
        let seen = Seen::parse(zoneinfo, "nr_inactive_anon 1\nnr_inactive_file 2\npgsteal_kswapd 7\n");
        let expected = Seen { free: 80, managed: 90, min: 3, low: 4, high: 5, inactive: 3, reclaimed: 7 };
        assert_eq!(seen, expected);
    }
}
