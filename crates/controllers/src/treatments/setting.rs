//! Kernel settings of one treatment, held while it is on.
//!
//! What the host was found with is in the journal for as long as they hold something else. Whoever sets one
//! of them meanwhile gets it, and the others are put back.

use std::path::{Path, PathBuf};

use lowtide_journal::{
    Journal,
    knobs::{self, Knob, Outcome, same},
};
use lowtide_kernfs::Root;

use super::problem::Problem;
use crate::settings;

/// A file, and what it shall hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) path: &'static str,
    pub(super) value: &'static str,
    /// What the kernel shows in its place for a while.
    pub(super) passing: Option<&'static str>,
    /// What to do where the kernel has no such file.
    pub(super) remedy: &'static str,
}

impl Wanted {
    fn is_in(&self, found: &str) -> bool {
        std::iter::once(self.value).chain(self.passing).any(|value| same(found, value))
    }
}

#[derive(Debug)]
pub(super) struct Setting {
    root: Root,
    key: &'static str,
    wanted: &'static [Wanted],
    /// Recorded besides: what the kernel itself changes meanwhile.
    besides: Vec<&'static str>,
    written: Vec<Wanted>,
    left: bool,
    /// It was to be put back, and that is not recorded yet: what it holds is lowtide's doing, whatever it is.
    returning: bool,
}

/// What a setting is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// As asked for, by lowtide or as it was found.
    AsAsked,
    /// Somebody else has set it.
    Foreign,
}

impl Setting {
    pub(super) const fn new(root: Root, key: &'static str, wanted: &'static [Wanted]) -> Self {
        Self { root, key, wanted, besides: Vec::new(), written: Vec::new(), left: false, returning: false }
    }

    /// Whether lowtide has written any of it.
    pub(super) const fn is_held(&self) -> bool {
        !self.written.is_empty()
    }

    /// What somebody else has set is no longer left to them.
    pub(super) const fn take_over(&mut self) {
        self.left = false;
    }

    /// The knobs that are this daemon's to put back.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let besides = self.besides.iter().copied();
        self.written.iter().map(|one| one.path).chain(besides).map(PathBuf::from)
    }

    /// What a file holds.
    pub(super) fn read(&self, wanted: &Wanted) -> Result<String, Problem> {
        let missing = Problem::Missing { path: wanted.path, remedy: wanted.remedy };
        knobs::read(&self.root, Path::new(wanted.path)).map_err(Problem::Knob)?.ok_or(missing)
    }

    /// Whether somebody else has set one that lowtide wrote. From then on it is left to them.
    pub(super) fn is_foreign(&mut self, journal: &mut Journal) -> Result<bool, Problem> {
        for one in &self.written {
            if !self.left && !self.returning && !one.is_in(&self.read(one)?) {
                tracing::warn!(
                    "/{}: somebody else has set it: it is theirs until `treatments` is changed or lowtide restarted",
                    one.path
                );
                self.left = true;
                break;
            }
        }
        if self.left {
            self.put_back(journal)?;
        }
        Ok(self.left)
    }

    /// Has every file hold what it shall, journalled first. On an error what was written so far stays, and is
    /// tried again or put back.
    pub(super) fn hold(&mut self, journal: &mut Journal) -> Result<Held, Problem> {
        if self.is_foreign(journal)? {
            return Ok(Held::Foreign);
        }
        for one in self.wanted {
            if one.is_in(&self.read(one)?) {
                continue;
            }
            let knob = Knob { path: one.path.into(), value: one.value.to_owned(), key: self.key };
            for outcome in knobs::apply(&self.root, journal, &[knob])? {
                settings::report(Path::new(one.path), &outcome, self.key);
                match outcome {
                    Outcome::Written { .. } => self.wrote(*one),
                    Outcome::Refused(why) => return Err(Problem::Knob(why)),
                    Outcome::Unchanged | Outcome::Missing | Outcome::Gone | Outcome::Drifted { .. } => {}
                }
            }
        }
        self.returning = false;
        Ok(Held::AsAsked)
    }

    fn wrote(&mut self, one: Wanted) {
        if !self.written.iter().any(|known| known.path == one.path) {
            self.written.push(one);
        }
    }

    /// Records what the kernel itself changes as soon as the others are set. `becomes` is what it holds once
    /// they are put back.
    pub(super) fn record(
        &mut self,
        journal: &mut Journal,
        path: &'static str,
        becomes: &str,
    ) -> Result<(), Problem> {
        let found = knobs::read(&self.root, Path::new(path)).map_err(Problem::Knob)?;
        if let Some(found) = found.filter(|found| !same(found, becomes) && !self.besides.contains(&path)) {
            journal.note(Path::new(path), &found, becomes)?;
            self.besides.push(path);
        }
        Ok(())
    }

    /// Puts back what the host was found with, but for what somebody else has set.
    pub(super) fn put_back(&mut self, journal: &mut Journal) -> Result<(), Problem> {
        let paths: Vec<_> = self.paths().collect();
        if paths.is_empty() {
            return Ok(());
        }
        self.returning = true;
        for (path, outcome) in
            knobs::restore_some(&self.root, journal, |record| paths.contains(&record.path))?
        {
            settings::report(&path, &outcome, "put back");
            if let Outcome::Refused(why) = outcome {
                return Err(Problem::Knob(why));
            }
        }
        self.returning = false;
        self.written.clear();
        self.besides.clear();
        Ok(())
    }
}
