//! How finely DAMON looks, within a share of a processor.

use std::time::Duration;

use lowtide_core::Ratio;
use lowtide_damon::{Intervals, Monitoring, RegionCount};

/// Of each aggregation. Fewer than ten, so that a single access makes a region young: up to 6.12 a change of
/// less than a tenth of the highest count leaves the age as it is (`damon_merge_regions_of`,
/// mm/damon/core.c).
const SAMPLES: u32 = 5;
/// Longer, and a look would wait too long: up to three aggregations.
const LONGEST_SAMPLE: Duration = Duration::from_secs(2);
const FEWEST_REGIONS: u32 = 100;
/// Ranges of processes are looked up again so often, and the least number of regions counts from then on.
const UPDATE: Duration = Duration::from_secs(10);

/// As fine as it is of use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Finest {
    /// One page of each region is looked at so often.
    sample: Duration,
    /// The lower bound is what keeps regions small.
    regions: RegionCount,
}

/// Addresses of processes: what is touched alike lies together.
pub(super) const ADDRESSES: Finest =
    Finest { sample: Duration::from_secs(1), regions: RegionCount { min: 200, max: 1000 } };
/// Physical memory: cgroups, and what they use and do not use, lie mixed.
pub(super) const PHYSICAL: Finest =
    Finest { sample: Duration::from_secs(1), regions: RegionCount { min: 1000, max: 4000 } };

/// Coarser where it would cost too much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    finest: Finest,
    /// Share of a processor that monitoring may take.
    budget: Ratio,
    /// One is as fine as it gets; the cost falls in proportion.
    coarseness: f64,
}

impl Pace {
    pub(super) const fn new(finest: Finest, budget: Ratio) -> Self {
        Self { finest, budget, coarseness: 1.0 }
    }

    /// Monitoring took so much processor time of so much time. Returns whether it is to be done differently
    /// from now on.
    pub(super) fn settle(&mut self, used: Duration, elapsed: Duration) -> bool {
        if elapsed.is_zero() {
            return false;
        }
        let over = Ratio::new(used.as_secs_f64() / elapsed.as_secs_f64()).over(self.budget).get();
        // In between it is left alone: each change makes ages less exact.
        if (0.5..=1.0).contains(&over) {
            return false;
        }
        let before = self.monitoring();
        self.coarseness = (self.coarseness * over.clamp(0.25, 16.0)).clamp(1.0, self.coarsest());
        before != self.monitoring()
    }

    /// Samples are made rarer first: an idle page stays idle, while a larger region mixes hot and cold.
    pub(super) fn monitoring(&self) -> Monitoring {
        let Finest { sample: finest, regions } = self.finest;
        let sample = finest.mul_f64(self.coarseness).min(LONGEST_SAMPLE);
        let rest = self.coarseness * finest.as_secs_f64() / sample.as_secs_f64();
        let fewer = |regions: u32| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "smaller than it was"
            )]
            let fewer = (f64::from(regions) / rest) as u32;
            fewer.max(FEWEST_REGIONS)
        };
        let regions = RegionCount { min: fewer(regions.min), max: fewer(regions.max) };
        let intervals = Intervals { update: UPDATE, ..Intervals::new(sample, SAMPLES) };
        Monitoring { intervals, regions, probes: Vec::new() }
    }

    fn coarsest(&self) -> f64 {
        let Finest { sample, regions } = self.finest;
        let rarer = LONGEST_SAMPLE.as_secs_f64() / sample.as_secs_f64();
        rarer * f64::from(regions.max) / f64::from(FEWEST_REGIONS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cost in proportion to regions looked at a second.
    fn cost(monitoring: &Monitoring) -> f64 {
        f64::from(monitoring.regions.max) / monitoring.intervals.sample.as_secs_f64()
    }

    #[test]
    fn it_gets_coarser_until_it_is_within_the_budget_and_no_further() {
        for share in [0.3, 0.9, 1.5, 4.0, 10.0, 70.0] {
            let mut pace = Pace::new(PHYSICAL, Ratio::percent(1.0));
            let finest = cost(&pace.monitoring());
            let took = |pace: &Pace| Duration::from_secs_f64(share * cost(&pace.monitoring()) / finest);
            let second = Duration::from_secs(100);
            for _ in 0..3 {
                pace.settle(took(&pace), second);
            }
            assert!(took(&pace).as_secs_f64() <= 1.001, "{share} % became {:?}", took(&pace));
            assert!(!pace.settle(took(&pace), second), "{share} %: it does not settle");
        }
    }

    #[test]
    fn it_gets_finer_again_and_never_coarser_than_is_of_use() {
        let mut pace = Pace::new(PHYSICAL, Ratio::percent(1.0));
        for _ in 0..10 {
            pace.settle(Duration::from_secs(100), Duration::from_secs(100));
        }
        let coarsest = pace.monitoring();
        assert_eq!(coarsest.regions, RegionCount { min: FEWEST_REGIONS, max: FEWEST_REGIONS });
        assert_eq!(coarsest.intervals.sample, LONGEST_SAMPLE);
        for _ in 0..10 {
            pace.settle(Duration::ZERO, Duration::from_secs(100));
        }
        assert_eq!(pace.monitoring(), Pace::new(PHYSICAL, Ratio::percent(1.0)).monitoring());
        assert!(!pace.settle(Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn ages_notice_a_single_access() {
        assert!(Pace::new(ADDRESSES, Ratio::ONE).monitoring().intervals.samples() < 10);
    }
}
