//! The journal of knobs: what each kernel file held before lowtide wrote it.
//!
//! A record is on the disk before the knob is written, so that whatever ends the daemon, the next start or
//! `lowtide restore` finds the way back. The file is replaced as a whole, by rename: after a crash it is the
//! old one or the new one. Each record has a checksum, so that what a failing disk made of it is not written
//! into the kernel.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::Duration,
};

use lowtide_core::CgroupId;
use lowtide_kernfs::{Files, Root};

use crate::{
    aside::BeforeWrite,
    sealed::{SealedError, SealedFile},
    spelling::same,
    staged::Staged,
};

/// The journal's name in the state directory.
pub const FILE_NAME: &str = "journal";

const WHAT: &str = "the journal of knobs";
const REMEDY: &str =
    "the original value of a knob may be lost; look at the file, put the knobs back by hand and remove it";

/// A knob that lowtide set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// The kernel's boot id: after a reboot the kernel has its own values again, and there is nothing to
    /// restore.
    pub boot_id: String,
    /// The file, from the root directory.
    pub path: PathBuf,
    /// What it held.
    pub original: String,
    /// What lowtide wrote, or is about to.
    pub written: String,
    /// What lowtide had written before that, which a knob still holds if the daemon is ended between journal
    /// and knob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Whose file it is: the path may be another cgroup's by now. `None` for a file of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupId>,
}

impl Record {
    /// Whether what the knob holds is lowtide's.
    #[must_use]
    pub fn is_ours(&self, found: &str) -> bool {
        std::iter::once(&self.written).chain(&self.before).any(|written| same(written, found))
    }
}

/// A knob of a cgroup that is about to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupKnob {
    /// Its inode.
    pub cgroup: CgroupId,
    /// From the root directory.
    pub path: PathBuf,
    /// What it was found with.
    pub original: String,
    /// What is about to be written.
    pub written: String,
    /// What it holds, if lowtide wrote that.
    pub before: Option<String>,
}

/// What went wrong with the journal itself.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file: nothing was written or restored.
    #[error(transparent)]
    File(#[from] SealedError),
    /// It could not be read when the daemon started, so nothing is written over it.
    #[error("no kernel setting is changed before that is mended and lowtide restarted: {0}")]
    Closed(String),
    /// Which boot this is cannot be told.
    #[error(transparent)]
    Boot(#[from] lowtide_kernfs::Error),
}

impl JournalError {
    /// Whether it may be on the disk by the next time that it is asked for.
    #[must_use]
    pub fn is_late(&self) -> bool {
        matches!(self, Self::File(SealedError::Late { .. }))
    }
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    boot_id: String,
    records: Staged<Record>,
    /// Why nothing may be recorded.
    closed: Option<String>,
}

impl Journal {
    /// Opens the journal in `state_dir`; a missing file is an empty journal. Records of earlier boots are
    /// dropped.
    pub fn open(state_dir: &Path, root: &Root) -> Result<Self, JournalError> {
        let file = SealedFile::new(state_dir, FILE_NAME, WHAT, REMEDY);
        let boot_id = boot_id(root)?;
        let mut records: Vec<Record> = file.read()?;
        records.retain(|record| record.boot_id == boot_id);
        Ok(Self { boot_id, records: Staged::new(file, records), closed: None })
    }

    /// As [`Journal::open`]. One that cannot be read is closed: it has no records, takes none, and what it
    /// holds is left for people.
    #[must_use]
    pub fn open_or_closed(state_dir: &Path, root: &Root) -> Self {
        Self::open(state_dir, root).unwrap_or_else(|error| Self {
            boot_id: String::new(),
            records: Staged::new(SealedFile::new(state_dir, FILE_NAME, WHAT, REMEDY), Vec::new()),
            closed: Some(error.to_string()),
        })
    }

    /// Why it is closed.
    #[must_use]
    pub fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    /// Waits for a disk no longer than `patience` at once from now on. What is not on the disk by then is an
    /// [error](JournalError::is_late), and is written all the same: to ask for the same again tells whether
    /// it is there.
    ///
    /// `before` is called before each write, on the thread that writes.
    pub fn wait_at_most(&mut self, patience: Duration, before: Option<BeforeWrite>) {
        self.records.wait_at_most(patience, before);
    }

    /// Allows the whole of `patience` again, as before the last settings are put back.
    pub fn grant(&mut self, patience: Duration) {
        self.records.grant(patience);
    }

    /// For how long a write has been under way.
    #[must_use]
    pub fn late_by(&mut self) -> Option<Duration> {
        self.records.late_by()
    }

    /// What is to be restored, oldest first. What is not known to be on the disk is not among it.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        self.records.on_disk()
    }

    /// The record of a knob, if lowtide has set it.
    #[must_use]
    pub fn record(&self, path: &Path) -> Option<&Record> {
        self.records().iter().find(|record| record.path == path)
    }

    /// Whether a knob's record is on the disk, and will be there whatever becomes of what is being written.
    #[must_use]
    pub fn is_kept(&self, path: &Path) -> bool {
        self.records.kept().iter().any(|record| record.path == path)
    }

    /// Puts a knob's original value on the disk. Call it before writing the knob.
    ///
    /// A knob that is already there keeps its first original: that is what the host was found with.
    pub fn note(&mut self, path: &Path, found: &str, written: &str) -> Result<(), JournalError> {
        self.usable()?;
        let known = self.record(path);
        // It holds what was written last, or, where a record came too late for its write, what was written
        // before that.
        let is_ours = known.is_some_and(|record| record.is_ours(found));
        let original = known.map_or(found, |record| &record.original).to_owned();
        let record = Record {
            boot_id: self.boot_id.clone(),
            path: path.to_owned(),
            original,
            written: written.to_owned(),
            before: (is_ours && found != written).then(|| found.to_owned()),
            cgroup: None,
        };
        self.add(vec![record])
    }

    /// Puts the original values of many cgroups' knobs on the disk at once. Call it before writing the knobs.
    ///
    /// What is recorded of the same paths is replaced: the caller knows what was found.
    pub fn note_cgroups(&mut self, knobs: &[CgroupKnob]) -> Result<(), JournalError> {
        if knobs.is_empty() {
            return Ok(());
        }
        self.usable()?;
        self.add(knobs.iter().map(|knob| self.record_of(knob)).collect())
    }

    fn record_of(&self, knob: &CgroupKnob) -> Record {
        Record {
            boot_id: self.boot_id.clone(),
            path: knob.path.clone(),
            original: knob.original.clone(),
            written: knob.written.clone(),
            before: knob.before.clone(),
            cgroup: Some(knob.cgroup),
        }
    }

    /// Which of these are on the disk, and will be there: they may be written.
    #[must_use]
    pub fn are_noted(&self, knobs: &[CgroupKnob]) -> HashSet<PathBuf> {
        let known = self.records.kept();
        let noted = knobs.iter().filter(|knob| known.contains(&self.record_of(knob)));
        noted.map(|knob| knob.path.clone()).collect()
    }

    /// Whether it can be written: what it holds is written again. Nothing is to be put back before that is
    /// known.
    pub fn check(&mut self) -> Result<(), JournalError> {
        if self.records().is_empty() {
            return Ok(());
        }
        self.usable()?;
        Ok(self.records.prove()?)
    }

    /// Forgets knobs that have their original value again.
    pub fn forget(&mut self, paths: &HashSet<PathBuf>) -> Result<(), JournalError> {
        if paths.is_empty() {
            return Ok(());
        }
        self.usable()?;
        Ok(self.records.change(|records| records.retain(|record| !paths.contains(&record.path)))?)
    }

    fn add(&mut self, records: Vec<Record>) -> Result<(), JournalError> {
        let (known, coming) = (self.records.kept(), self.records.coming());
        let missing: Vec<_> = records.into_iter().filter(|new| !known.contains(new)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let is_coming = |new: &Record| coming.contains(new);
        if missing.iter().all(is_coming) {
            return Err(self.records.late().into());
        }
        let new: Vec<_> = missing.into_iter().filter(|new| !is_coming(new)).collect();
        Ok(self.records.change(|records| {
            let paths: HashSet<&Path> = new.iter().map(|record| &*record.path).collect();
            records.retain(|known| !paths.contains(&*known.path));
            records.extend(new.iter().cloned());
        })?)
    }

    fn usable(&mut self) -> Result<(), JournalError> {
        self.records.settle();
        self.closed.as_ref().map_or(Ok(()), |why| Err(JournalError::Closed(why.clone())))
    }
}

/// Empty where there is none, which is in a fixture tree. One that cannot be read is an error: with another
/// id the records of this boot would count as those of an earlier one, and the originals be lost.
pub fn boot_id(root: &Root) -> Result<String, lowtide_kernfs::Error> {
    let text = root.read_optional("proc/sys/kernel/random/boot_id")?;
    Ok(text.unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(boot_id: &str) -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("proc/sys/kernel/random/boot_id");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, boot_id).unwrap();
        let root = Root::open(directory.path()).unwrap();
        (directory, root)
    }

    #[test]
    fn what_was_noted_is_found_again_and_forgotten_when_told() {
        let (_keep, root) = root("one\n");
        let state = tempfile::tempdir().unwrap();
        let knob = Path::new("sys/a knob");
        let mut journal = Journal::open(state.path(), &root).unwrap();
        journal.note(knob, "N", "Y").unwrap();
        journal.note(knob, "Y", "Z").unwrap();
        let mut again = Journal::open(state.path(), &root).unwrap();
        assert_eq!(again.records().len(), 1);
        assert_eq!(again.records()[0].original, "N", "the first original is the host's own");
        assert_eq!(again.records()[0].written, "Z");
        again.forget(&[knob.to_owned()].into()).unwrap();
        assert!(!state.path().join(FILE_NAME).exists());
    }

    #[test]
    fn knobs_of_cgroups_are_known_by_their_inode_and_those_of_older_journals_by_their_path() {
        let (_keep, root) = root("one\n");
        let state = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(state.path(), &root).unwrap();
        journal.note(Path::new("a"), "1", "2").unwrap();
        let knob = |id, path: &str| CgroupKnob {
            cgroup: CgroupId(id),
            path: path.into(),
            original: "max".into(),
            written: "0".into(),
            before: None,
        };
        journal.note_cgroups(&[knob(7, "b"), knob(8, "c")]).unwrap();
        journal.note_cgroups(&[knob(9, "c")]).unwrap();
        let text = std::fs::read_to_string(state.path().join(FILE_NAME)).unwrap();
        assert!(!text.lines().next().unwrap().contains("cgroup"), "as before there were any: {text}");
        let mut again = Journal::open(state.path(), &root).unwrap();
        let known: Vec<_> = again.records().iter().map(|record| record.cgroup.map(|id| id.0)).collect();
        assert_eq!(known, [None, Some(7), Some(9)]);
        again.forget(&["a", "b"].map(PathBuf::from).into()).unwrap();
        assert_eq!(Journal::open(state.path(), &root).unwrap().records().len(), 1);
    }

    #[test]
    fn another_boot_has_nothing_to_restore() {
        let state = tempfile::tempdir().unwrap();
        let (_keep, first) = root("one\n");
        Journal::open(state.path(), &first).unwrap().note(Path::new("k"), "1", "2").unwrap();
        let (_keep, second) = root("two\n");
        assert!(Journal::open(state.path(), &second).unwrap().records().is_empty());
    }

    /// Kind 8: a daemon that cannot read it goes on, and changes nothing.
    #[test]
    fn a_damaged_journal_is_closed_and_stays_as_it_is() {
        let (_keep, root) = root("one\n");
        let state = tempfile::tempdir().unwrap();
        Journal::open(state.path(), &root).unwrap().note(Path::new("a"), "1", "2").unwrap();
        assert_eq!(Journal::open_or_closed(state.path(), &root).closed(), None);
        let file = state.path().join(FILE_NAME);
        std::fs::write(&file, "damaged").unwrap();
        let mut journal = Journal::open_or_closed(state.path(), &root);
        assert!(journal.closed().unwrap().contains("is damaged"));
        assert!(matches!(journal.note(Path::new("b"), "1", "2"), Err(JournalError::Closed(_))));
        journal.forget(&HashSet::new()).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"damaged");
    }

    #[test]
    fn damage_is_named_and_nothing_is_lost() {
        let (_keep, root) = root("one\n");
        let state = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(state.path(), &root).unwrap();
        journal.note(Path::new("a"), "1", "2").unwrap();
        journal.note(Path::new("b"), "1", "2").unwrap();
        let file = state.path().join(FILE_NAME);
        let whole = std::fs::read(&file).unwrap();
        for (position, _) in whole.iter().enumerate().filter(|(_, byte)| **byte != b'\n') {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            std::fs::write(&file, &damaged).unwrap();
            let error = Journal::open(state.path(), &root).unwrap_err().to_string();
            assert!(error.contains("damaged"), "byte {position}: {error}");
        }
    }
}
