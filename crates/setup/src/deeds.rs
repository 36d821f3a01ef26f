//! What was set up on the host: on the disk before it is done, so that whatever ends the process, `lowtide
//! restore` finds it.

use std::path::{Path, PathBuf};

use lowtide_core::Bytes;
use lowtide_journal::{
    boot_id,
    sealed::{SealedError, SealedFile},
};
use lowtide_kernfs::Root;
use serde::{Deserialize, Serialize};

/// The file's name in the state directory.
const FILE_NAME: &str = "tiers";

const REMEDY: &str = "see in /proc/swaps and /sys/block/zram* what there is, undo by hand what is not wanted, and remove the file";

/// One thing that was done, or is about to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "snake_case")]
pub enum Deed {
    /// A kernel file was written.
    Setting {
        /// From the root directory.
        path: PathBuf,
        /// What it held.
        original: String,
        /// What was written.
        written: String,
    },
    /// A zram device was made.
    Zram {
        /// `zram0`.
        name: String,
        /// Its diskseq. Not known before it is made.
        sequence: Option<u64>,
        /// The disksize that was meant for it.
        size: Bytes,
    },
    /// A swap device or file was switched on.
    Swap {
        /// Its path, as the configuration has it.
        device: PathBuf,
        /// Its priority, as far as it was chosen.
        priority: Option<u16>,
    },
}

impl Deed {
    fn is_same_setting(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Setting { path: one, .. }, Self::Setting { path: other, .. }) if one == other)
    }
}

/// What went wrong with the records: nothing was set up or undone.
#[derive(Debug, thiserror::Error)]
pub enum DeedsError {
    /// The file.
    #[error(transparent)]
    File(#[from] SealedError),
    /// Which boot this is cannot be told.
    #[error(transparent)]
    Boot(#[from] lowtide_kernfs::Error),
}

/// The records of this boot. What was set up before is gone with that boot.
#[derive(Debug)]
pub(crate) struct Deeds {
    file: SealedFile,
    boot_id: String,
    list: Vec<Deed>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    boot_id: String,
    #[serde(flatten)]
    deed: Deed,
}

impl Deeds {
    /// Those in a state directory; none if there is no file, or no directory.
    pub(crate) fn open(state_dir: &Path, root: &Root) -> Result<Self, DeedsError> {
        let file = SealedFile::new(state_dir, FILE_NAME, "the record of the tiers that were set up", REMEDY);
        let boot_id = boot_id(root)?;
        let lines: Vec<Line> = file.read()?;
        let list = lines.into_iter().filter(|line| line.boot_id == boot_id).map(|line| line.deed).collect();
        Ok(Self { file, boot_id, list })
    }

    /// All of them, oldest first.
    pub(crate) fn all(&self) -> &[Deed] {
        &self.list
    }

    /// Adds one. Call it before it is done.
    ///
    /// A setting that is there already keeps its first original: that is what the host was found with.
    pub(crate) fn note(&mut self, deed: Deed) -> Result<(), DeedsError> {
        let index = self.list.iter().position(|known| *known == deed || known.is_same_setting(&deed));
        match (index.map(|index| &mut self.list[index]), deed) {
            (Some(Deed::Setting { written: known, .. }), Deed::Setting { written, .. }) => *known = written,
            (Some(_), _) => {}
            (None, deed) => self.list.push(deed),
        }
        self.save()
    }

    /// More is known of one.
    pub(crate) fn replace(&mut self, old: &Deed, new: Deed) -> Result<(), DeedsError> {
        if let Some(known) = self.list.iter_mut().find(|known| *known == old) {
            *known = new;
        }
        self.save()
    }

    /// Forgets one that is undone.
    pub(crate) fn forget(&mut self, deed: &Deed) -> Result<(), DeedsError> {
        self.list.retain(|known| known != deed);
        self.save()
    }

    /// Leaves no file behind if nothing is recorded, not even one that a process was writing when it was
    /// killed.
    pub(crate) fn tidy(&self) -> Result<(), DeedsError> {
        if self.list.is_empty() { self.save() } else { Ok(()) }
    }

    fn save(&self) -> Result<(), DeedsError> {
        let line = |deed: &Deed| Line { boot_id: self.boot_id.clone(), deed: deed.clone() };
        Ok(self.file.write(&self.list.iter().map(line).collect::<Vec<_>>())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(boot_id: &str) -> (tempfile::TempDir, Root) {
        let tree = tempfile::tempdir().unwrap();
        let file = tree.path().join("proc/sys/kernel/random/boot_id");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, boot_id).unwrap();
        let root = Root::open(tree.path()).unwrap();
        (tree, root)
    }

    fn zram(sequence: Option<u64>) -> Deed {
        Deed::Zram { name: "zram0".into(), sequence, size: Bytes::mib(1) }
    }

    fn setting(original: &str, written: &str) -> Deed {
        Deed::Setting { path: "sys/a".into(), original: original.into(), written: written.into() }
    }

    #[test]
    fn noted_found_again_completed_forgotten() {
        let (_tree, root) = root("one");
        let state = tempfile::tempdir().unwrap();
        let open = || Deeds::open(state.path(), &root).unwrap();
        open().note(zram(None)).unwrap();
        open().replace(&zram(None), zram(Some(7))).unwrap();
        open().note(setting("N", "Y")).unwrap();
        open().note(setting("Y", "N")).unwrap();
        let swap = Deed::Swap { device: "/swap file".into(), priority: None };
        open().note(swap.clone()).unwrap();
        open().note(swap.clone()).unwrap();
        assert_eq!(open().all(), [zram(Some(7)), setting("N", "N"), swap.clone()]);
        for deed in [zram(Some(7)), setting("N", "N"), swap] {
            open().forget(&deed).unwrap();
        }
        assert!(!state.path().join(FILE_NAME).exists());
    }

    #[test]
    fn another_boot_has_nothing_and_damage_is_named() {
        let (_tree, first) = root("one");
        let state = tempfile::tempdir().unwrap();
        Deeds::open(state.path(), &first).unwrap().note(zram(Some(7))).unwrap();
        let (_tree, second) = root("two");
        assert_eq!(Deeds::open(state.path(), &second).unwrap().all(), []);
        let file = state.path().join(FILE_NAME);
        let text = std::fs::read_to_string(&file).unwrap().replace("zram0", "zram1");
        std::fs::write(&file, text).unwrap();
        assert!(matches!(
            Deeds::open(state.path(), &first),
            Err(DeedsError::File(SealedError::Damaged { line: 2, .. }))
        ));
    }

    #[test]
    fn no_state_directory_is_no_deed() {
        let (tree, root) = root("one");
        assert_eq!(Deeds::open(&tree.path().join("missing"), &root).unwrap().all(), []);
    }
}
