//! Records that are on the disk, and those that are on their way there.
//!
//! While a write is under way the disk has what it had or what is written. A record counts as kept where it
//! is in both: a knob may be written then, whatever ends the host. What is changed meanwhile goes with the
//! next write, all of it together, so that whoever asks often holds up nobody who asks once.

use std::{collections::HashSet, hash::Hash, time::Duration};

use serde::Serialize;

use crate::{
    aside::{Aside, BeforeWrite},
    sealed::{SealedError, SealedFile},
};

/// The records of one file.
#[derive(Debug)]
pub(crate) struct Staged<R> {
    file: SealedFile,
    on_disk: Vec<R>,
    /// Being written.
    on_its_way: Option<Vec<R>>,
    /// To be written after that.
    next: Option<Vec<R>>,
    /// `None` where a write is waited for as long as it takes.
    aside: Option<Aside>,
    proof: Proof,
    /// The last write failed, perhaps after it had changed the file: what is on the disk is not known.
    doubtful: bool,
}

/// Whether the file could be written since somebody asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    NotAsked,
    Asked,
    Written,
}

impl<R: Clone + Eq + Hash + Serialize + Send + 'static> Staged<R> {
    pub(crate) fn new(file: SealedFile, on_disk: Vec<R>) -> Self {
        Self {
            file,
            on_disk,
            on_its_way: None,
            next: None,
            aside: None,
            proof: Proof::NotAsked,
            doubtful: false,
        }
    }

    pub(crate) fn wait_at_most(&mut self, patience: Duration, before: Option<BeforeWrite>) {
        self.aside = Some(Aside::new(patience, before));
    }

    pub(crate) fn grant(&mut self, patience: Duration) {
        if let Some(aside) = &mut self.aside {
            aside.grant(patience);
        }
    }

    pub(crate) fn late_by(&mut self) -> Option<Duration> {
        self.settle();
        self.aside.as_ref()?.late_by()
    }

    pub(crate) fn on_disk(&self) -> &[R] {
        &self.on_disk
    }

    /// Those that are on the disk, whatever becomes of the writes that are to come.
    pub(crate) fn kept(&self) -> HashSet<&R> {
        if self.doubtful {
            return HashSet::new();
        }
        let mut kept: HashSet<_> = self.on_disk.iter().collect();
        for coming in [&self.on_its_way, &self.next].into_iter().flatten() {
            let coming: HashSet<_> = coming.iter().collect();
            kept.retain(|record| coming.contains(record));
        }
        kept
    }

    /// Those that will be there once everything is written that is asked for; none where nothing is being
    /// written.
    pub(crate) fn coming(&self) -> HashSet<&R> {
        self.next.as_ref().or(self.on_its_way.as_ref()).into_iter().flatten().collect()
    }

    pub(crate) fn late(&self) -> SealedError {
        self.file.late()
    }

    /// Changes what is on the disk. An error says that it may not be so yet.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Vec<R>)) -> Result<(), SealedError> {
        let mut records = self.latest().clone();
        change(&mut records);
        self.write(records)
    }

    /// Writes what is there again.
    pub(crate) fn prove(&mut self) -> Result<(), SealedError> {
        if self.proof == Proof::Written {
            self.proof = Proof::NotAsked;
            return Ok(());
        }
        self.proof = Proof::Asked;
        self.change(|_| {})?;
        self.proof = Proof::NotAsked;
        Ok(())
    }

    /// Takes in what came of a write that has ended. What was asked for after one that failed will be asked
    /// for again.
    pub(crate) fn settle(&mut self) {
        let ended = self.aside.as_mut().and_then(|aside| aside.look(&self.file));
        if let Some(ended) = ended
            && self.take(ended).is_ok()
            && let Some(next) = self.next.take()
        {
            // What cannot be started is asked for again too.
            let _ = self.start(next);
        }
    }

    fn latest(&self) -> &Vec<R> {
        self.next.as_ref().or(self.on_its_way.as_ref()).unwrap_or(&self.on_disk)
    }

    fn write(&mut self, records: Vec<R>) -> Result<(), SealedError> {
        if self.aside.is_none() {
            self.on_its_way = Some(records);
            let ended = self.file.write(self.on_its_way.as_deref().unwrap_or_default());
            return self.take(ended);
        }
        if self.on_its_way.is_some() {
            self.next = Some(records);
            return Err(self.file.late());
        }
        self.start(records)?;
        match self.aside.as_mut().and_then(|aside| aside.wait(&self.file)) {
            Some(ended) => self.take(ended),
            None => Err(self.file.late()),
        }
    }

    fn start(&mut self, records: Vec<R>) -> Result<(), SealedError> {
        if let Some(aside) = &mut self.aside {
            aside.start(&self.file, records.clone())?;
            self.on_its_way = Some(records);
        }
        Ok(())
    }

    fn take(&mut self, ended: Result<(), SealedError>) -> Result<(), SealedError> {
        let records = self.on_its_way.take();
        self.doubtful = ended.is_err();
        if let Err(error) = ended {
            self.next = None;
            return Err(error);
        }
        self.on_disk = records.unwrap_or_default();
        if self.proof == Proof::Asked {
            self.proof = Proof::Written;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "staged_tests.rs"]
mod tests;
