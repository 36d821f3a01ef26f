//! DAMON over physical memory, told apart by memory cgroup.
//!
//! Two schemes per cgroup say how many bytes of each region are its own: the anonymous ones, and the others, which are page
//! cache and, unlike in other sources, shared memory and tmpfs. A memcg filter matches pages that are charged to that one
//! cgroup, not to those below, so every cgroup below a target has its own two.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use lowtide_cgroup::Mount;
use lowtide_core::{Bytes, CgroupId, Cohort, idle::ByType};
use lowtide_damon::{AddressRange, Filter, FilterKind, Scheme, Snapshot, Space};

use super::{
    Description, Watch,
    cohorts::{Cohorts, Ends, anon, file},
    kdamond::Sight,
    memcgs::holders,
};
use crate::hotness::Target;

/// Each costs two walks through all pages at each look.
const MOST_CGROUPS: usize = 64;

/// Physical memory, and which cgroups each scheme is of.
#[derive(Debug)]
pub(super) struct Paddr {
    mount: Mount,
    ram: Vec<AddressRange>,
    /// By the place of the first of its two schemes.
    cgroups: Vec<Arc<str>>,
    /// Which cgroups each target consists of.
    targets: Vec<(CgroupId, Vec<Arc<str>>)>,
}

impl Paddr {
    pub(super) const fn new(mount: Mount, ram: Vec<AddressRange>) -> Self {
        Self { mount, ram, cgroups: Vec::new(), targets: Vec::new() }
    }

    /// As many targets as there is room for, each with all that is below it. Returns how many are left out.
    fn take(&mut self, targets: &[Target]) -> Result<usize, lowtide_cgroup::Error> {
        let mut known = HashSet::new();
        let mut left_out = 0;
        (self.cgroups, self.targets) = (Vec::new(), Vec::new());
        for target in targets {
            let holders = match self.mount.open_as(&target.path, target.id) {
                Ok(Some(cgroup)) => holders(&cgroup)?,
                Ok(None) | Err(lowtide_cgroup::Error::Replaced { .. }) => continue,
                Err(error) if error.is_gone() => continue,
                Err(error) => return Err(error),
            };
            let new: Vec<_> = holders.iter().filter(|path| !known.contains(*path)).cloned().collect();
            if self.cgroups.len() + new.len() > MOST_CGROUPS {
                left_out += 1;
                continue;
            }
            known.extend(new.iter().cloned());
            self.cgroups.extend(new);
            self.targets.push((target.id, holders));
        }
        Ok(left_out)
    }
}

impl Watch for Paddr {
    fn describe(&mut self, targets: &[Target]) -> Result<Description, String> {
        let left_out = self.take(targets).map_err(|error| error.to_string())?;
        let schemes = self.cgroups.iter().flat_map(|path| schemes(path)).collect();
        Ok(Description { space: Space::Physical(self.ram.clone()), schemes, left_out })
    }

    fn read(&self, sight: &Sight) -> Vec<(CgroupId, Vec<Cohort>)> {
        let all =
            self.cgroups.iter().enumerate().map(|(index, path)| (path, cohorts(&sight.snapshot, 2 * index)));
        let all: HashMap<_, _> = all.collect();
        let of_target = |(id, paths): &(CgroupId, Vec<Arc<str>>)| {
            let mut sum = Cohorts::default();
            paths.iter().filter_map(|path| all.get(path)).for_each(|one| sum.extend(one.clone()));
            (*id, sum.finish())
        };
        self.targets.iter().map(of_target).collect()
    }
}

fn schemes(memcg: &str) -> [Scheme; 2] {
    let of_memcg = || Filter::only(FilterKind::Memcg(memcg.to_owned()));
    [Filter::only(FilterKind::Anonymous), Filter::except(FilterKind::Anonymous)]
        .map(|kind| Scheme { filters: vec![of_memcg(), kind], ..Scheme::report() })
}

/// Of the scheme at `first` and of the next one.
fn cohorts(snapshot: &Snapshot, first: usize) -> Cohorts {
    let mut cohorts = Cohorts::default();
    let types: [fn(Bytes) -> ByType; 2] = [anon, file];
    for (scheme, of_type) in (first..).zip(types) {
        for cohort in snapshot.cohorts(scheme) {
            let ends = cohort.oldest.map_or(Ends::Unknown, Ends::At);
            cohorts.add(cohort.youngest, ends, of_type(cohort.bytes));
        }
    }
    cohorts
}

#[cfg(test)]
#[path = "paddr_tests.rs"]
mod tests;
