//! Which process each target of the kdamond is.
//!
//! A commit matches targets by their place, and one that gets another process keeps the regions and ages of
//! the former (`damon_commit_targets`, mm/damon/core.c; a target cannot be taken out before 6.19). So a
//! process keeps its place, the place of one that ended waits for the next, and ages count from when a
//! process got its place.

use std::time::Instant;

use lowtide_core::CgroupId;
use lowtide_damon::{Process, Thread};

/// Stands in a place whose process ended: kthreadd, a process that always lives and has no memory to look at
/// (`damon_get_mm` finds none), since one that is gone makes the kernel refuse the whole commit.
pub(super) const NOBODY: u32 = 2;

/// One place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) process: Thread,
    pub(super) target: CgroupId,
    /// Watched for so long; `None` is from the start.
    pub(super) since: Option<Instant>,
}

/// All places.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Option<Slot>>,
    has_begun: bool,
}

impl Slots {
    /// Gives every process of `wanted` a place.
    pub(super) fn set(&mut self, wanted: &[(Thread, CgroupId)], now: Instant) {
        let since = self.has_begun.then_some(now);
        for slot in &mut self.slots {
            let still = slot.and_then(|slot| wanted.iter().find(|(process, _)| *process == slot.process));
            *slot = slot.zip(still).map(|(slot, (_, target))| Slot { target: *target, ..slot });
        }
        for (process, target) in wanted {
            if self.slots.iter().flatten().any(|slot| slot.process == *process) {
                continue;
            }
            let new = Some(Slot { process: *process, target: *target, since });
            match self.slots.iter_mut().find(|slot| slot.is_none()) {
                Some(free) => *free = new,
                None => self.slots.push(new),
            }
        }
        // The kernel drops the last ones by itself.
        let used = self.slots.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.slots.truncate(used);
        self.has_begun = true;
    }

    pub(super) fn processes(&self) -> Vec<Process> {
        let pid = |slot: &Option<Slot>| slot.map_or(NOBODY, |slot| slot.process.pid);
        self.slots.iter().map(|slot| Process::new(pid(slot))).collect()
    }

    /// Those that are taken, and their places.
    pub(super) fn taken(&self) -> impl Iterator<Item = (usize, Slot)> {
        self.slots.iter().enumerate().filter_map(|(place, slot)| Some((place, (*slot)?)))
    }

    pub(super) const fn count(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn process(pid: u32) -> (Thread, CgroupId) {
        (Thread { pid, started: u64::from(pid) }, CgroupId(1))
    }

    fn pids(slots: &Slots) -> Vec<u32> {
        slots.processes().iter().map(|process| process.pid).collect()
    }

    #[test]
    fn a_process_keeps_its_place_and_the_next_one_takes_a_free_one() {
        let mut slots = Slots::default();
        let now = Instant::now();
        slots.set(&[10, 11, 12].map(process), now);
        assert_eq!(pids(&slots), [10, 11, 12]);
        slots.set(&[12, 10].map(process), now);
        assert_eq!(pids(&slots), [10, NOBODY, 12]);
        let later = now + Duration::from_secs(9);
        slots.set(&[12, 10, 13, 14].map(process), later);
        assert_eq!(pids(&slots), [10, 13, 12, 14]);
        let since: Vec<_> = slots.taken().map(|(_, slot)| slot.since).collect();
        assert_eq!(since, [None, Some(later), None, Some(later)]);
        slots.set(&[10].map(process), later);
        assert_eq!(pids(&slots), [10]);
        slots.set(&[], later);
        assert_eq!(slots.count(), 0);
    }

    #[test]
    fn another_process_of_the_same_id_is_another_one() {
        let mut slots = Slots::default();
        let now = Instant::now();
        slots.set(&[process(10)], now);
        let again = Thread { pid: 10, started: 99 };
        slots.set(&[(again, CgroupId(2))], now);
        let slot = slots.taken().next().unwrap().1;
        assert_eq!((slot.process, slot.target, slot.since), (again, CgroupId(2), Some(now)));
    }
}
