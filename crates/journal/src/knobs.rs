//! Kernel settings that the configuration asks for: written once, journalled first, put back at the end.

use std::path::{Path, PathBuf};

use lowtide_core::CgroupId;
use lowtide_kernfs::{Dir, Files, Root, shown};

pub use crate::spelling::same;

use crate::{
    journal::{Journal, JournalError, Record},
    restorable, spelling,
};

/// zram's limit and its switch begin with this.
const WRITEBACK_LIMIT: &str = "writeback_limit";

/// A kernel file and what it shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knob {
    /// From the root directory.
    pub path: PathBuf,
    /// What to write.
    pub value: String,
    /// The key of the configuration that asks for it.
    pub key: &'static str,
}

/// What a knob's way was.
#[derive(Debug)]
pub enum Outcome {
    /// It held the value already: nothing was written.
    Unchanged,
    /// It was written, and holds the value now.
    Written {
        /// What it held before.
        from: String,
    },
    /// This kernel has no such file.
    Missing,
    /// The cgroup is gone, and its knobs with it.
    Gone,
    /// Somebody else changed it since lowtide wrote it: left as it is.
    Drifted {
        /// What it holds.
        found: String,
        /// What lowtide had written.
        written: String,
    },
    /// The kernel refused, or took the write and kept another value.
    Refused(String),
}

/// Sets every knob that does not hold its value yet. Returns one outcome each.
pub fn apply(root: &Root, journal: &mut Journal, knobs: &[Knob]) -> Result<Vec<Outcome>, JournalError> {
    // Each is asked for before one that is not recorded yet is said: those that are late are recorded
    // together.
    let outcomes: Vec<_> = knobs.iter().map(|knob| set(root, journal, knob)).collect();
    outcomes.into_iter().collect()
}

fn set(root: &Root, journal: &mut Journal, knob: &Knob) -> Result<Outcome, JournalError> {
    let found = match read(root, &knob.path) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Outcome::Missing),
        Err(refusal) => return Ok(Outcome::Refused(refusal)),
    };
    if same(&found, &knob.value) {
        return Ok(Outcome::Unchanged);
    }
    journal.note(&knob.path, &found, &knob.value)?;
    Ok(write(root, &knob.path, &knob.value)
        .map_or_else(Outcome::Refused, |()| Outcome::Written { from: found }))
}

/// Sets a knob that is going to be changed again and again: it is journalled even if it holds the value
/// already.
pub fn hold(root: &Root, journal: &mut Journal, knob: &Knob) -> Result<Outcome, JournalError> {
    if let Ok(Some(found)) = read(root, &knob.path) {
        journal.note(&knob.path, &found, &knob.value)?;
    }
    set(root, journal, knob)
}

/// Whether `path` is the limit of what zram may write back, or the switch of that limit.
#[must_use]
pub fn is_counted(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(WRITEBACK_LIMIT))
}

/// Puts every journalled knob back, the last one first, and forgets those that are done with.
///
/// A knob that could not be written stays in the journal for the next attempt. Where the journal cannot be
/// written, every knob is put back all the same before that is said.
pub fn restore(root: &Root, journal: &mut Journal) -> Result<Vec<(PathBuf, Outcome)>, JournalError> {
    restore_some(root, journal, |_| true)
}

/// As [`restore`], of those knobs that `which` says.
pub fn restore_some(
    root: &Root,
    journal: &mut Journal,
    which: impl Fn(&Record) -> bool,
) -> Result<Vec<(PathBuf, Outcome)>, JournalError> {
    let wanted = journal.records().iter().rev().filter(|record| which(record));
    let back = wanted.map(|record| (record.path.clone(), put_record_back(root, record)));
    let outcomes: Vec<_> = back.collect();
    let done = outcomes.iter().filter(|(_, outcome)| !matches!(outcome, Outcome::Refused(_)));
    journal.forget(&done.map(|(path, _)| path.clone()).collect())?;
    Ok(outcomes)
}

fn put_record_back(root: &Root, record: &Record) -> Outcome {
    let Record { path, cgroup, .. } = record;
    let is_known = if cgroup.is_some() { restorable::is_of_a_cgroup } else { restorable::is_of_the_host };
    if !is_known(path) {
        return Outcome::Refused(format!(
            "/{}: the journal names it, and lowtide never writes such a file: left as it is, still recorded; see who wrote the \
             journal, and remove it",
            shown(path)
        ));
    }
    let Some(id) = cgroup else { return put_back(root, path, record) };
    match cgroup_of(root, path, *id) {
        Ok(Some((dir, file))) => match put_back(&dir, file, record) {
            Outcome::Missing => Outcome::Gone,
            outcome => outcome,
        },
        Ok(None) => Outcome::Gone,
        Err(refusal) => Outcome::Refused(refusal),
    }
}

/// The directory of a cgroup's knob, if it is still the same cgroup, and the knob's name in it.
fn cgroup_of<'a>(root: &Root, path: &'a Path, id: CgroupId) -> Result<Option<(Dir, &'a Path)>, String> {
    let (Some(directory), Some(file)) = (path.parent(), path.file_name()) else { return Ok(None) };
    match root.dir(directory).and_then(|dir| Ok((dir.inode()?, dir))) {
        Ok((inode, dir)) => Ok((inode == id.0).then(|| (dir, Path::new(file)))),
        Err(error) if error.is_gone() => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn put_back(files: &impl Files, path: &Path, record: &Record) -> Outcome {
    let original = &record.original;
    match read(files, path) {
        Err(refusal) => Outcome::Refused(refusal),
        Ok(None) => Outcome::Missing,
        // The daemon was ended between the journal and the knob, or somebody put it back.
        Ok(Some(found)) if same(&found, original) => Outcome::Unchanged,
        // The kernel counts the limit down, so after a kill in the middle of a run it holds what nobody
        // wrote.
        Ok(Some(found)) if !record.is_ours(&found) && !is_limit(path) => {
            Outcome::Drifted { found, written: record.written.clone() }
        }
        Ok(Some(found)) => {
            write(files, path, original).map_or_else(Outcome::Refused, |()| Outcome::Written { from: found })
        }
    }
}

fn is_limit(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == WRITEBACK_LIMIT)
}

/// What it holds, of choices the one that is chosen; `None` where there is no such file, or its cgroup is
/// gone.
pub fn read(files: &impl Files, path: &Path) -> Result<Option<String>, String> {
    match files.read(path) {
        Ok(text) => Ok(Some(spelling::held(&text).to_owned())),
        Err(error) if error.is_gone() => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Writes and reads back: a write that succeeded is no evidence.
pub fn write(files: &impl Files, path: &Path, value: &str) -> Result<(), String> {
    files.write(path, value.as_bytes()).map_err(|error| error.to_string())?;
    match read(files, path)? {
        Some(found) if same(&found, value) => Ok(()),
        found => Err(format!(
            "{}: the kernel took `{value}` and holds `{}`",
            shown(&files.shown(path)),
            found.unwrap_or_default()
        )),
    }
}

#[cfg(test)]
#[path = "knobs_tests.rs"]
mod tests;
