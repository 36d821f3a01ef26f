//! What a cgroup has that seldom changes is not read in every turn: its limits, which only people change, and
//! whether any process lives in it, which cannot change while none of its tasks runs.

use std::{collections::HashMap, time::Duration};

use lowtide_cgroup::{Cgroup, Error};
use lowtide_core::{CgroupId, lineage::Limits};
use lowtide_kernfs::{Files, Root, Told, WatchedDir, Writes, parse::integer};

/// Limits are read again after so long at the latest, and so is whether a process lives there: one that
/// sleeps can be moved away. Each cgroup somewhere in the second half of it, so that it is not all of them in
/// one turn.
const AGAIN: Duration = Duration::from_mins(1);
/// So many cgroups are watched, and no more than a quarter of what a user may watch: the rest of root's is
/// for others.
const WATCHED: usize = 8192;
const PART_OF_ALLOWED: usize = 4;
const ALLOWED: &str = "proc/sys/fs/inotify/max_user_watches";
/// The files that limits are in.
const FILES: [&str; 6] = [
    "memory.min",
    "memory.low",
    "memory.swap.max",
    "memory.swap.high",
    "memory.zswap.max",
    "memory.zswap.writeback",
];
/// Told by the kernel too, where somebody has it in the cache of inodes.
const EVENTS: &str = "cgroup.events";

/// What is known of the cgroups that were asked about in this turn and the one before.
#[derive(Debug)]
pub(crate) struct Unchanged {
    /// `None` where the host has no inotify left: limits are read in every turn then.
    writes: Option<Writes>,
    watched: HashMap<WatchedDir, CgroupId>,
    known: HashMap<CgroupId, Known>,
    now: Duration,
    with_zswap: bool,
    /// How many may be watched.
    allowed: usize,
    /// The kernel has refused one in this turn: no more are tried.
    refused: bool,
}

#[derive(Debug, Default)]
struct Known {
    dir: Option<WatchedDir>,
    /// With when they were read.
    limits: Option<(Limits, Duration)>,
    /// When a process was seen to live there; only as long as nothing has run since.
    populated: Option<Duration>,
    /// Processor time of its tasks, when it was seen last; `None` where that is not told.
    processor_time: Option<Duration>,
    /// Asked about in this turn.
    asked: bool,
}

impl Unchanged {
    /// Nothing is known.
    pub(crate) fn new(root: &Root) -> Self {
        let allowed = root.parse_optional(ALLOWED, integer).ok().flatten();
        let allowed = allowed.and_then(|allowed| usize::try_from(allowed).ok()).unwrap_or(usize::MAX);
        let writes = Writes::new()
            .inspect_err(|error| tracing::info!(%error, "no inotify: limits are read in every turn, which costs twice as much"));
        Self {
            writes: writes.ok(),
            watched: HashMap::new(),
            known: HashMap::new(),
            now: Duration::ZERO,
            with_zswap: false,
            allowed: WATCHED.min(allowed / PART_OF_ALLOWED),
            refused: false,
        }
    }

    /// Another turn begins: what somebody has written since the last one is to be read again. Limits of zswap
    /// are read only if `with_zswap`.
    pub(crate) fn begin(&mut self, now: Duration, with_zswap: bool) {
        self.refused = false;
        let told = self.writes.as_ref().and_then(Writes::take);
        if told.is_none() || self.with_zswap != with_zswap {
            self.known.values_mut().for_each(|known| known.limits = None);
        }
        (self.now, self.with_zswap) = (now, with_zswap);
        for told in told.unwrap_or_default() {
            match told {
                Told::Written(dir, file) => {
                    let Some(known) = self.at(dir) else { continue };
                    if FILES.iter().any(|name| **name == *file) {
                        known.limits = None;
                    } else if *file == *EVENTS {
                        known.populated = None;
                    }
                }
                Told::Gone(dir) => {
                    if let Some(known) = self.at(dir) {
                        known.dir = None;
                    }
                    self.watched.remove(&dir);
                }
            }
        }
        self.known.values_mut().for_each(|known| known.asked = false);
    }

    /// What somebody has set of it.
    pub(crate) fn limits(&mut self, cgroup: &Cgroup) -> Result<Limits, Error> {
        let (now, with_zswap) = (self.now, self.with_zswap);
        self.watch(cgroup);
        let known = self.ask(cgroup.id());
        if let Some((limits, at)) = known.limits.filter(|_| known.dir.is_some())
            && !is_old(at, cgroup, now)
        {
            return Ok(limits);
        }
        known.limits = None;
        let limits = cgroup.limits(with_zswap)?;
        known.limits = Some((limits, now));
        Ok(limits)
    }

    /// Whether any process lives in it or below; `None` if it is gone, where that is looked for. An empty one
    /// is asked every time: who enters it may be for another policy than what its parent is asked for.
    pub(crate) fn populated(&mut self, cgroup: &Cgroup) -> Result<Option<bool>, Error> {
        let now = self.now;
        let known = self.ask(cgroup.id());
        if known.populated.is_some_and(|at| !is_old(at, cgroup, now)) {
            return Ok(Some(true));
        }
        known.populated = None;
        let populated = cgroup.populated()?;
        known.populated = (populated == Some(true)).then_some(now);
        Ok(populated)
    }

    /// Takes in the processor time of a cgroup's tasks. Who ends there runs, so as long as nobody does it
    /// stays as it is; where it is not told, nothing is known.
    pub(crate) fn ran(&mut self, id: CgroupId, processor_time: Option<Duration>) {
        let Some(known) = self.known.get_mut(&id) else { return };
        if processor_time.is_none() || known.processor_time != processor_time {
            known.populated = None;
        }
        known.processor_time = processor_time;
    }

    /// The turn has asked all it wants to know: the others are forgotten.
    pub(crate) fn end(&mut self) {
        let Self { writes, watched, known, .. } = self;
        known.retain(|_, known| {
            if let (false, Some(dir), Some(writes)) = (known.asked, known.dir, &writes) {
                writes.forget(dir);
                watched.remove(&dir);
            }
            known.asked
        });
    }

    fn ask(&mut self, id: CgroupId) -> &mut Known {
        let known = self.known.entry(id).or_default();
        known.asked = true;
        known
    }

    fn at(&mut self, dir: WatchedDir) -> Option<&mut Known> {
        self.known.get_mut(self.watched.get(&dir)?)
    }

    /// Before anything is read, so that what is written meanwhile is told. One that cannot be watched is read
    /// in every turn.
    fn watch(&mut self, cgroup: &Cgroup) {
        let is_watched = self.known.get(&cgroup.id()).is_some_and(|known| known.dir.is_some());
        if is_watched || self.refused || self.watched.len() >= self.allowed {
            return;
        }
        let watched = self.writes.as_ref().and_then(|writes| writes.watch(cgroup.dir()).ok());
        let Some(dir) = watched else {
            self.refused = true;
            return;
        };
        self.watched.insert(dir, cgroup.id());
        self.ask(cgroup.id()).dir = Some(dir);
    }
}

/// Whether what was read of the cgroup at a time is to be read again.
pub(crate) fn is_old(at: Duration, cgroup: &Cgroup, now: Duration) -> bool {
    let half = AGAIN / 2;
    let seconds = half.as_secs().max(1);
    now.saturating_sub(at) >= half + Duration::from_secs(cgroup.id().0 % seconds)
}

#[cfg(test)]
#[path = "unchanged_tests.rs"]
mod tests;
