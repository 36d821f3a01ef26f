//! Our one kdamond: reserved and recorded, at rest between two looks, torn down by its record.
//!
//! It has schemes only while a snapshot is taken. Access counts and ages are kept without any, and schemes
//! cost: one that filters by cgroup walks through all of the host's pages each time it is applied
//! (`damon_pa_stat`, mm/damon/paddr.c, 6.14 and later).

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use lowtide_damon::{Admin, Capabilities, Context, Error, IdleRegions, Owned, Process, Snapshot, Space};
use lowtide_journal::sealed::SealedError;
use lowtide_kernfs::Root;

use super::{records::Records, slots::NOBODY};

/// Processes may end while others are found to have ended.
const COMMITS: usize = 4;

/// What can go wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// DAMON refuses.
    #[error(transparent)]
    Damon(#[from] Error),
    /// It may not run unrecorded.
    #[error(transparent)]
    Records(#[from] SealedError),
}

impl Failure {
    /// Whether the kdamond is as good as before, and the next look may go well.
    pub(crate) const fn passes(&self) -> bool {
        matches!(self, Self::Damon(Error::Busy { .. } | Error::ProcessGone { .. } | Error::MemcgGone { .. }))
    }
}

/// A kdamond of ours.
#[derive(Debug)]
pub(crate) struct Kdamond {
    owned: Owned,
    /// Processor time that it had used when the last look ended, and when that was.
    rested: (Duration, Instant),
    is_running: bool,
}

/// A snapshot and what it cost.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) snapshot: Snapshot,
    /// When it was true.
    pub(crate) at: Instant,
    /// Processor time of the kdamond during the look.
    pub(crate) cpu: Duration,
    /// And since the last one, with the time that has passed.
    pub(crate) rest: (Duration, Duration),
}

/// Regions without accesses, and what seeing them cost.
#[derive(Debug)]
pub(crate) struct IdleSight {
    pub(crate) regions: IdleRegions,
    /// When it was true.
    pub(crate) at: Instant,
    /// As in [`Sight`].
    pub(crate) cpu: Duration,
    pub(crate) rest: (Duration, Duration),
}

impl Kdamond {
    /// Finds a place for it and what the kernel has. Each step is on the disk before it is taken.
    pub(crate) fn claim(admin: &Admin, records: &mut Records) -> Result<Self, Failure> {
        let reservation = admin.reserve(NonZeroU32::MIN)?;
        if let Some(creation) = reservation.record() {
            records.note(creation)?;
        }
        let Some(claimed) = reservation.claim()?.pop() else {
            return Err(Error::NoVacancy { wanted: 1, vacant: 0, running: vec![], configured: vec![] }.into());
        };
        records.note(claimed.record())?;
        let owned = claimed.probe()?;
        records.update(owned.record())?;
        Ok(Self { owned, rested: (Duration::ZERO, Instant::now()), is_running: false })
    }

    pub(crate) const fn capabilities(&self) -> &Capabilities {
        self.owned.capabilities()
    }

    /// Shows what the schemes of `looking` find. The first time it is started and there is nothing to see
    /// yet.
    pub(crate) fn look(
        &mut self,
        looking: &Context,
        records: &mut Records,
    ) -> Result<Option<Sight>, Failure> {
        let resting = Context { schemes: Vec::new(), ..looking.clone() };
        if !self.is_running {
            self.owned.start(&resting)?;
            self.is_running = true;
            records.update(self.owned.record())?;
            self.rested = (self.owned.cpu_time()?, Instant::now());
            return Ok(None);
        }
        let (before, begun) = (self.owned.cpu_time()?, Instant::now());
        let (used, since) = self.rested;
        let rest = (before.saturating_sub(used), begun.saturating_duration_since(since));
        self.commit(looking)?;
        let snapshot = self.owned.snapshot();
        let at = Instant::now();
        // At rest again, whatever came of it. If that cannot be for now, it is the next look's to bring
        // about, and what was seen is seen.
        match self.commit(&resting).map_err(Failure::from) {
            Err(failure) if failure.passes() => tracing::debug!("DAMON does not rest: {failure}"),
            other => other?,
        }
        let after = self.owned.cpu_time()?;
        self.rested = (after, Instant::now());
        Ok(Some(Sight { snapshot: snapshot?, at, cpu: after.saturating_sub(before), rest }))
    }

    /// Starts it with `context`, or commits that; it has these schemes from then on.
    pub(crate) fn keep(&mut self, context: &Context, records: &mut Records) -> Result<(), Failure> {
        if self.is_running {
            return self.commit(context).map_err(Into::into);
        }
        self.owned.start(context)?;
        self.is_running = true;
        records.update(self.owned.record())?;
        self.rested = (self.owned.cpu_time()?, Instant::now());
        Ok(())
    }

    /// Which of the regions that it keeps watching are idle.
    pub(crate) fn idle(&mut self) -> Result<IdleSight, Failure> {
        let (before, begun) = (self.owned.cpu_time()?, Instant::now());
        let (used, since) = self.rested;
        let rest = (before.saturating_sub(used), begun.saturating_duration_since(since));
        let regions = self.owned.idle_regions()?;
        let at = Instant::now();
        let after = self.owned.cpu_time()?;
        self.rested = (after, at);
        Ok(IdleSight { regions, at, cpu: after.saturating_sub(before), rest })
    }

    /// Commits, without the processes that have ended since they were found: one of them would make the
    /// kernel refuse all.
    fn commit(&mut self, context: &Context) -> Result<(), Error> {
        let mut living = context.clone();
        for _ in 0..COMMITS {
            match self.owned.commit(&living) {
                Err(Error::ProcessGone { pids }) => living = without(&living, &pids),
                other => return other,
            }
        }
        self.owned.commit(&living)
    }
}

/// `context` without processes that have ended.
fn without(context: &Context, pids: &[u32]) -> Context {
    let mut context = context.clone();
    if let Space::Processes(processes) | Space::FixedRanges(processes) = &mut context.space {
        for process in processes.iter_mut().filter(|process| pids.contains(&process.pid)) {
            *process = Process::new(NOBODY);
        }
    }
    context
}

/// Ends what is recorded: our kdamond, if one runs.
pub(crate) fn end(root: &Root, records: &mut Records) -> Result<(), Failure> {
    for result in records.clear(root)? {
        result?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_ended_leaves_its_place_to_nobody() {
        let context = Context::new(Space::Processes([10, 11, 12].map(Process::new).to_vec()));
        let living = without(&context, &[11, 99]);
        assert_eq!(living.space, Space::Processes([10, NOBODY, 12].map(Process::new).to_vec()));
    }
}
