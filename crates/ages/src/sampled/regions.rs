//! Page frames as DAMON regions of one page each.
//!
//! DAMON splits no region of one page, and merges none that is not the neighbour of another
//! (`damon_split_regions_of`, `damon_merge_regions_of`, mm/damon/core.c), so the age of such a region is the
//! age of one page. The kdamond keeps its one scheme, which costs next to nothing: `stat` without filters
//! reads no page.

use std::{path::PathBuf, time::Duration};

use lowtide_damon::{
    AddressRange, Admin, Context, Error, ExclusiveUser, Intervals, Monitoring, Operations, Part, RegionCount,
    Scheme, Space,
};
use lowtide_kernfs::Root;

use super::{
    pagemap::page,
    watch::{Idle, Sight, Watch},
};
use crate::damon::{
    PATIENCE, exclusive,
    kdamond::{Failure, IdleSight, Kdamond, end},
    records::Records,
};

/// A frame's accessed bit is cleared, and looked at after this time: no touch in between is missed, however
/// seldom that is.
const CHECK: Duration = Duration::from_secs(5);
const FEWEST_REGIONS: u32 = 10;

/// DAMON by physical address.
#[derive(Debug)]
pub(super) struct Regions {
    root: Root,
    admin: Admin,
    state_dir: PathBuf,
    running: Option<(Kdamond, Records)>,
}

impl Regions {
    /// Writes nothing yet. An error says why there is no DAMON.
    pub(super) fn new(root: Root, state_dir: PathBuf) -> Result<Self, Error> {
        let admin = Admin::open(&root)?.with_patience(PATIENCE);
        Ok(Self { root, admin, state_dir, running: None })
    }

    /// Who has DAMON now, and tolerates no other.
    pub(super) fn taken(&self) -> Result<Option<String>, Error> {
        let users = ExclusiveUser::enabled(&self.root)?;
        Ok((!users.is_empty()).then(|| exclusive(&users)))
    }

    fn begin(&self) -> Result<(Kdamond, Records), Failure> {
        let users = ExclusiveUser::enabled(&self.root)?;
        if !users.is_empty() {
            return Err(Error::Exclusive { users }.into());
        }
        let mut records = Records::open(&self.state_dir)?;
        // Of a look that failed.
        end(&self.root, &mut records)?;
        match Kdamond::claim(&self.admin, &mut records) {
            Ok(kdamond) if kdamond.capabilities().operations(Operations::Paddr) => Ok((kdamond, records)),
            Ok(_) => {
                end(&self.root, &mut records)?;
                let file = "contexts/N/avail_operations".into();
                Err(Error::Missing { parts: vec![Part { file, keyword: Some("paddr".into()) }] }.into())
            }
            Err(failure) => {
                end(&self.root, &mut records)?;
                Err(failure)
            }
        }
    }

    fn keep(&mut self, frames: &[u64]) -> Result<(), Failure> {
        let (mut kdamond, mut records) = match self.running.take() {
            Some(running) => running,
            None => self.begin()?,
        };
        let kept = kdamond.keep(&describe(frames), &mut records);
        self.settle(kept, (kdamond, records))
    }

    /// A kdamond that is no good any more is ended.
    fn settle<T>(&mut self, done: Result<T, Failure>, running: (Kdamond, Records)) -> Result<T, Failure> {
        if done.as_ref().err().is_none_or(Failure::passes) {
            self.running = Some(running);
        } else {
            let (_, mut records) = running;
            if let Err(failure) = end(&self.root, &mut records) {
                tracing::warn!("DAMON: {failure}");
            }
        }
        done
    }
}

impl Watch for Regions {
    fn why(&self) -> &'static str {
        "pages drawn at random, each a region of DAMON's by physical address"
    }

    fn runs(&self) -> bool {
        self.running.is_some()
    }

    fn every(&self) -> Duration {
        CHECK
    }

    fn set(&mut self, frames: &[u64]) -> Result<(), String> {
        self.keep(frames).map_err(|failure| in_words(&failure))
    }

    fn look(&mut self) -> Result<Sight, String> {
        let Some((mut kdamond, records)) = self.running.take() else {
            return Err("DAMON does not run".into());
        };
        let idle = kdamond.idle();
        self.settle(idle, (kdamond, records)).map(sight).map_err(|failure| in_words(&failure))
    }

    fn stop(&mut self) -> Result<(), String> {
        let ended = match self.running.take() {
            Some((_, mut records)) => end(&self.root, &mut records),
            // A look that failed may have left one that could not be ended then.
            None => Records::open(&self.state_dir)
                .map_err(Failure::from)
                .and_then(|mut records| end(&self.root, &mut records)),
        };
        ended.map_err(|failure| failure.to_string())
    }
}

fn describe(frames: &[u64]) -> Context {
    let page = |frame: &u64| AddressRange::new(frame * page(), (frame + 1) * page());
    let ranges: Vec<_> = frames.iter().filter_map(page).collect();
    // More regions than `max` would be merged again and again at each aggregation, and grow older each time.
    let most = u32::try_from(ranges.len()).unwrap_or(u32::MAX).saturating_mul(2).max(FEWEST_REGIONS);
    let monitoring = Monitoring {
        intervals: Intervals::new(CHECK, 1),
        regions: RegionCount { min: FEWEST_REGIONS, max: most },
        probes: Vec::new(),
    };
    Context { monitoring, schemes: vec![Scheme::idle()], ..Context::new(Space::Physical(ranges)) }
}

/// A region of age zero has been idle for the aggregation that has just ended, and was touched in the one
/// before.
fn sight(seen: IdleSight) -> Sight {
    let IdleSight { regions, at, cpu, rest } = seen;
    let aggregation = regions.aggregation;
    let idle = |(start, age): (u64, Duration)| {
        let youngest = age + aggregation;
        (start / page(), Idle { youngest, oldest: youngest + aggregation })
    };
    Sight { idle: regions.ages.into_iter().map(idle).collect(), within: aggregation, at, cpu, rest }
}

fn in_words(failure: &Failure) -> String {
    match failure {
        Failure::Damon(Error::Exclusive { users }) => exclusive(users),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_damon::IdleRegions;
    use std::time::Instant;

    #[test]
    fn each_frame_is_a_region_that_is_neither_split_nor_merged() {
        let context = describe(&[7, 9, 100]);
        let Space::Physical(ranges) = &context.space else { panic!("{context:?}") };
        assert_eq!((ranges[0].start(), ranges[0].end()), (7 * page(), 8 * page()));
        assert!(ranges.windows(2).all(|pair| pair[0].end() < pair[1].start()));
        assert!(context.monitoring.regions.max > 3 && context.monitoring.intervals.samples() == 1);
    }

    #[test]
    fn ages_are_of_frames_and_begin_with_the_aggregation_that_was_idle() {
        let ages = [(4096 * 9, Duration::from_secs(10)), (4096 * 3, Duration::ZERO)].into();
        let regions = IdleRegions { aggregation: Duration::from_secs(5), ages };
        let rest = (Duration::ZERO, Duration::ZERO);
        let sight = sight(IdleSight { regions, at: Instant::now(), cpu: Duration::ZERO, rest });
        let idle = |frame| (sight.idle[&frame].youngest.as_secs(), sight.idle[&frame].oldest.as_secs());
        assert_eq!((idle(9), idle(3)), ((15, 20), (5, 10)));
    }
}
