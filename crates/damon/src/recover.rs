use std::sync::Arc;

use lowtide_kernfs::{Errno, Root};

use crate::{
    Admin, Claim, Creation, Error, KdamondState, Record, Result, Thread,
    directory::Directory,
    record::boot_id,
    slot::{Command, Slot},
};

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// It ran, and was ended; its directory was emptied.
    Ended,
    /// It did not run; its directory was emptied.
    Emptied,
    /// `nr_kdamonds` holds what it did before.
    Removed,
    /// Nothing of it is left: another boot, or directories that somebody made anew since.
    Gone,
    /// `nr_kdamonds` was left alone, since somebody uses one of the directories now.
    InUse,
}

/// Removes what an earlier process left, or this one at its end: ends its kdamonds, empties their
/// directories, and puts `nr_kdamonds` back. Touches nothing that is not proven to be of a record. Safe to
/// run twice.
///
/// One result for each record, in the same order; those with `Ok` can be forgotten. `NotThere` for all if
/// the tree is gone, which does not happen within one boot.
pub fn teardown_recorded(root: &Root, records: &[Record]) -> Result<Vec<Result<Recovered>>> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let admin = Admin::open(root)?;
    Ok(teardown_with(&admin, records))
}

pub(crate) fn teardown_with(admin: &Admin, records: &[Record]) -> Vec<Result<Recovered>> {
    let mut results: Vec<Option<Result<Recovered>>> = vec![None; records.len()];
    // The number can go back only when the directories are empty.
    for (record, result) in records.iter().zip(&mut results) {
        if let Record::Claim(claim) = record {
            *result = Some(claim.teardown(admin));
        }
    }
    for (record, result) in records.iter().zip(&mut results) {
        if let Record::Creation(creation) = record {
            *result = Some(creation.undo(admin));
        }
    }
    results.into_iter().flatten().collect()
}

impl Claim {
    fn teardown(&self, admin: &Admin) -> Result<Recovered> {
        let Some(slot) = self.find_slot(admin)? else { return Ok(Recovered::Gone) };
        let running = slot.running()?;
        if self.find_context(&slot)?.is_some() {
            stop(&slot)?;
            slot.set_contexts(0)?;
            return Ok(if running.is_some() { Recovered::Ended } else { Recovered::Emptied });
        }
        // Somebody made its context anew while our thread ran on: end the thread, leave the context.
        let thread = running.map(|pid| Thread::find(&admin.root, pid)).transpose()?.flatten();
        if thread.is_none() || thread != self.thread {
            return Ok(Recovered::Gone);
        }
        stop(&slot)?;
        Ok(Recovered::Ended)
    }

    /// Its directory, if it is still the one that was claimed.
    pub(crate) fn find_slot(&self, admin: &Admin) -> Result<Option<Slot>> {
        if self.boot_id != boot_id(&admin.root)? {
            return Ok(None);
        }
        let found = admin.slot(self.index).and_then(|slot| Ok((slot.directory.inode()?, slot)));
        match found {
            Ok((inode, slot)) => Ok((inode == self.kdamond).then_some(slot)),
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Its context, if it is still the one that was claimed.
    pub(crate) fn find_context(&self, slot: &Slot) -> Result<Option<Arc<dyn Directory>>> {
        match slot.context().and_then(|context| Ok((context.inode()?, context))) {
            Ok((inode, context)) => Ok((inode == self.context).then_some(context)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Creation {
    fn undo(&self, admin: &Admin) -> Result<Recovered> {
        if self.boot_id != boot_id(&admin.root)? {
            return Ok(Recovered::Gone);
        }
        let kdamonds = admin.kdamonds()?;
        if u32::try_from(kdamonds.len()) != Ok(self.count) || self.was == self.count {
            return Ok(Recovered::Gone);
        }
        if kdamonds.iter().any(|kdamond| kdamond.state != KdamondState::Vacant) {
            return Ok(Recovered::InUse);
        }
        match admin.set_count(self.was) {
            // Started since we looked.
            Err(Error::NoVacancy { .. }) => Ok(Recovered::InUse),
            other => other.map(|()| Recovered::Removed),
        }
    }
}

/// Ends a kdamond; fine if it does not run.
pub(crate) fn stop(slot: &Slot) -> Result<()> {
    if slot.running()?.is_none() {
        return Ok(());
    }
    match slot.command(Command::Off)? {
        // It ended by itself meanwhile: EPERM up to 6.13 and later a success (`damon_stop`).
        Err(error) if error.errno() == Some(Errno::EPERM) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) => match slot.running()? {
            None => Ok(()),
            // Somebody started it again at once.
            Some(pid) => Err(Error::AlreadyRunning { index: slot.index, pid }),
        },
    }
}
