//! DAMON over the addresses of processes, where the kernel cannot tell physical memory apart by cgroup.
//!
//! Every process that holds memory is a target of the kdamond, with a scheme that a filter keeps to this
//! target: regions do not say whose they are.
//!
//! What DAMON watches are addresses, also those behind which there is no memory (any more): what
//! /proc/PID/maps does not name is left out, where it may be read, and of the rest no more is told than the
//! process, and at last the cgroup, has in DRAM, the oldest left out first. Memory that no process maps (page
//! cache that is read, not mapped) is not seen, and counts as touched just now.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use lowtide_cgroup::{Cgroup, Mount};
use lowtide_core::{ByType, Bytes, CgroupId, Cohort, LeftOut, left_out::Kind};
use lowtide_damon::{AddressRange, Filter, FilterKind, Region, Scheme, Snapshot, Space, Span, Thread};
use lowtide_kernfs::Root;

use super::{
    Description, Watch,
    cohorts::{Cohorts, Ends, anon},
    kdamond::Sight,
    memcgs::charged,
    process::{Mapping, mapped, mappings, resident},
    slots::{Slot, Slots},
};
use crate::{
    Target,
    places::{PATIENCE, pids, places},
};

/// Regions are shared among all processes, and each has a scheme.
const MOST_PROCESSES: usize = 128;
/// A process with less is not worth watching.
const LEAST: Bytes = Bytes::mib(1);

/// The processes of the targets.
#[derive(Debug)]
pub(super) struct Vaddr {
    root: Root,
    mount: Mount,
    slots: Slots,
    targets: Vec<Target>,
}

impl Vaddr {
    pub(super) fn new(root: Root, mount: Mount) -> Self {
        Self { root, mount, slots: Slots::default(), targets: Vec::new() }
    }

    /// As many targets as there is room for, each with all of its processes. Returns how many are left out. A
    /// cgroup or process that cannot be looked at says nothing about the others.
    fn take(&mut self, targets: &[Target], failed: &mut LeftOut) -> usize {
        let mut wanted: Vec<(Thread, CgroupId)> = Vec::new();
        let mut left_out = 0;
        self.targets.clear();
        let (mut all, begun) = (Vec::new(), Instant::now());
        for (place, target) in targets.iter().enumerate() {
            if begun.elapsed() > PATIENCE {
                left_out += targets.len() - place;
                break;
            }
            let path = &target.path;
            let opened = failed.unless_of(path, Kind::Cgroup, self.open(target)).flatten();
            let Some(cgroup) = opened else { continue };
            let found = self.processes(&cgroup, failed);
            all.extend(failed.unless_of(path, Kind::Cgroup, found).map(|processes| (target, processes)));
        }
        let (paths, sizes): (Vec<_>, Vec<_>) =
            all.iter().map(|(target, processes)| (&*target.path, processes.len())).unzip();
        for ((target, processes), has_place) in all.iter().zip(places(&paths, &sizes, MOST_PROCESSES)) {
            if !has_place {
                left_out += 1;
                continue;
            }
            let processes = processes.iter().copied();
            wanted.extend(processes.map(|process| (process, target.id)));
            self.targets.push((*target).clone());
        }
        self.slots.set(&wanted, Instant::now());
        left_out
    }

    fn open(&self, target: &Target) -> Result<Option<Cgroup>, String> {
        match self.mount.open_as(&target.path, target.id) {
            Err(lowtide_cgroup::Error::Replaced { .. }) => Ok(None),
            Err(error) if error.is_gone() => Ok(None),
            other => other.map_err(|error| error.to_string()),
        }
    }

    /// Those at or below a cgroup that hold memory.
    fn processes(&self, cgroup: &Cgroup, failed: &mut LeftOut) -> Result<Vec<Thread>, String> {
        let mut processes = Vec::new();
        for pid in pids(cgroup, failed).map_err(|error| error.to_string())? {
            let resident =
                failed.unless_of(cgroup.path(), Kind::Process, resident(&self.root, pid)).flatten();
            if resident.is_none_or(|resident| resident.total() < LEAST) {
                continue;
            }
            let found = Thread::find(&self.root, pid);
            processes.extend(failed.unless_of(cgroup.path(), Kind::Process, found).flatten());
        }
        Ok(processes)
    }

    /// Idle ages of one process.
    fn of_process(&self, place: usize, slot: &Slot, sight: &Sight) -> Option<Cohorts> {
        let pid = slot.process.pid;
        // Whoever ended meanwhile took its memory with it.
        let resident = resident(&self.root, pid).ok().flatten()?;
        let mappings = mappings(&self.root, pid).ok().flatten();
        let watched = slot.since.map(|since| sight.at.saturating_duration_since(since));
        let mut cohorts = Cohorts::default();
        for region in &sight.snapshot.schemes.get(place)?.regions {
            let (youngest, ends) = span(region, &sight.snapshot, watched);
            cohorts.add(youngest, ends, size(region.range, mappings.as_deref()));
        }
        cohorts.clip(resident);
        Some(cohorts)
    }
}

impl Watch for Vaddr {
    fn describe(&mut self, targets: &[Target]) -> Result<Description, String> {
        let mut failed = LeftOut::default();
        let left_out = self.take(targets, &mut failed);
        let mut schemes = vec![unused(); self.slots.count()];
        for (place, _) in self.slots.taken() {
            schemes[place] = of_target(place);
        }
        Ok(Description { space: Space::Processes(self.slots.processes()), schemes, left_out, failed })
    }

    fn read(&self, sight: &Sight) -> Vec<(CgroupId, Vec<Cohort>)> {
        let mut sums: BTreeMap<u64, Cohorts> = BTreeMap::new();
        for (place, slot) in self.slots.taken() {
            if let Some(cohorts) = self.of_process(place, &slot, sight) {
                sums.entry(slot.target.0).or_default().extend(cohorts);
            }
        }
        let of_target = |target: &Target| {
            let mut cohorts = sums.remove(&target.id.0)?;
            // Pages that processes share are charged once, and those of others' files not at all.
            cohorts.complete(charged(&self.mount, target)?, sight.snapshot.aggregation);
            Some((target.id, cohorts.finish()))
        };
        self.targets.iter().filter_map(of_target).collect()
    }
}

fn of_target(place: usize) -> Scheme {
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    Scheme { filters: vec![Filter::only(FilterKind::Target(place))], ..Scheme::report() }
}

/// No region has so many accesses.
fn unused() -> Scheme {
    let mut scheme = Scheme::report();
    scheme.pattern.accesses = Span::new(u32::MAX, u32::MAX);
    scheme
}

/// When a region was touched last. A process that is `watched` for less than the kdamond may have got the
/// ages of another one: they count no further back than that.
fn span(region: &Region, snapshot: &Snapshot, watched: Option<Duration>) -> (Duration, Ends) {
    if region.accesses > 0 {
        return (Duration::ZERO, Ends::At(snapshot.aggregation));
    }
    let youngest = region.age.min(watched.unwrap_or(Duration::MAX));
    let oldest = youngest + 2 * snapshot.aggregation;
    let from_the_start = watched.is_none() && snapshot.monitored.is_none_or(|monitored| oldest >= monitored);
    (youngest, if from_the_start { Ends::Unknown } else { Ends::At(oldest) })
}

/// All of it, if its mappings are not known.
fn size(range: AddressRange, mappings: Option<&[Mapping]>) -> ByType {
    mappings.map_or_else(|| anon(Bytes::new(range.end() - range.start())), |mappings| mapped(range, mappings))
}

#[cfg(test)]
#[path = "vaddr_tests.rs"]
mod tests;
