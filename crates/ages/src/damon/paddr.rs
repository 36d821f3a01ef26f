//! DAMON over physical memory, told apart by memory cgroup.
//!
//! One scheme per cgroup says how many anonymous bytes of each region are its own. All others count as
//! touched just now: page cache, whose ages lowtide does not act on, and shared memory, for which there is no
//! filter. A memcg filter matches pages that are charged to that one cgroup, not to those below, so every
//! cgroup below a target has its own scheme.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use lowtide_cgroup::Mount;
use lowtide_core::{CgroupId, Cohort, LeftOut, left_out::Kind};
use lowtide_damon::{AddressRange, Filter, FilterKind, Scheme, Snapshot, Space};

use super::{
    Description, Watch,
    cohorts::{Cohorts, Ends, anon},
    kdamond::Sight,
    memcgs::{charged, holders},
};
use crate::{
    Target,
    places::{PATIENCE, places},
};

/// Each costs a walk through all of the host's pages at each look.
const MOST_CGROUPS: usize = 64;

/// Physical memory, and which cgroups each scheme is of.
#[derive(Debug)]
pub(super) struct Paddr {
    mount: Mount,
    ram: Vec<AddressRange>,
    /// By the place of its scheme.
    cgroups: Vec<Arc<str>>,
    /// Which cgroups each target consists of.
    targets: Vec<(Target, Vec<Arc<str>>)>,
}

impl Paddr {
    pub(super) const fn new(mount: Mount, ram: Vec<AddressRange>) -> Self {
        Self { mount, ram, cgroups: Vec::new(), targets: Vec::new() }
    }

    /// As many targets as there is room for, each with all that is below it. Returns how many are left out.
    /// One that cannot be looked at says nothing about the others.
    fn take(&mut self, targets: &[Target], failed: &mut LeftOut) -> usize {
        let mut known = HashSet::new();
        let mut left_out = 0;
        (self.cgroups, self.targets) = (Vec::new(), Vec::new());
        let (mut all, begun) = (Vec::new(), Instant::now());
        for (place, target) in targets.iter().enumerate() {
            if begun.elapsed() > PATIENCE {
                left_out += targets.len() - place;
                break;
            }
            let found = match self.mount.open_as(&target.path, target.id) {
                Ok(None) => continue,
                Err(error) if error.is_gone() => continue,
                found => {
                    found.and_then(|cgroup| cgroup.map_or(Ok(Vec::new()), |cgroup| holders(&cgroup, failed)))
                }
            };
            all.extend(failed.unless_of(&target.path, Kind::Cgroup, found).map(|holders| (target, holders)));
        }
        let (paths, sizes): (Vec<_>, Vec<_>) =
            all.iter().map(|(target, holders)| (&*target.path, holders.len())).unzip();
        let given = places(&paths, &sizes, MOST_CGROUPS);
        // Of those without one that a target above them has already.
        let (first, rest): (Vec<_>, Vec<_>) = all.into_iter().zip(given).partition(|(_, given)| *given);
        for ((target, holders), _) in first.into_iter().chain(rest) {
            let new: Vec<_> = holders.iter().filter(|path| !known.contains(*path)).cloned().collect();
            if self.cgroups.len() + new.len() > MOST_CGROUPS {
                left_out += 1;
                continue;
            }
            known.extend(new.iter().cloned());
            self.cgroups.extend(new);
            self.targets.push((target.clone(), holders));
        }
        left_out
    }
}

impl Watch for Paddr {
    fn describe(&mut self, targets: &[Target]) -> Result<Description, String> {
        let mut failed = LeftOut::default();
        let left_out = self.take(targets, &mut failed);
        let schemes = self.cgroups.iter().map(|path| scheme(path)).collect();
        Ok(Description { space: Space::Physical(self.ram.clone()), schemes, left_out, failed })
    }

    fn read(&self, sight: &Sight) -> Vec<(CgroupId, Vec<Cohort>)> {
        let of_cgroup = |(place, path)| (path, cohorts(&sight.snapshot, place));
        let all: HashMap<&Arc<str>, Cohorts> = self.cgroups.iter().enumerate().map(of_cgroup).collect();
        let of_target = |(target, paths): &(Target, Vec<Arc<str>>)| {
            let mut sum = Cohorts::default();
            paths.iter().filter_map(|path| all.get(path)).for_each(|one| sum.extend(one.clone()));
            sum.complete(charged(&self.mount, target)?, sight.snapshot.aggregation);
            Some((target.id, sum.finish()))
        };
        self.targets.iter().filter_map(of_target).collect()
    }
}

fn scheme(memcg: &str) -> Scheme {
    let filters = [FilterKind::Memcg(memcg.to_owned()), FilterKind::Anonymous].map(Filter::only);
    Scheme { filters: filters.into(), ..Scheme::report() }
}

fn cohorts(snapshot: &Snapshot, place: usize) -> Cohorts {
    let mut cohorts = Cohorts::default();
    for cohort in snapshot.cohorts(place) {
        let ends = cohort.oldest.map_or(Ends::Unknown, Ends::At);
        cohorts.add(cohort.youngest, ends, anon(cohort.bytes));
    }
    cohorts
}

#[cfg(test)]
#[path = "paddr_tests.rs"]
mod tests;
