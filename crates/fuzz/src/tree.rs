//! Parsers that read whole files below a root: their files in memory, one of them written anew for each
//! input.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
};

use anyhow::{Context, Result};
use lowtide_kernfs::Root;
use tempfile::TempDir;

use crate::{Corpus, Driver, Slot, driver::seeds};

/// A directory in memory where there is such a place.
pub(crate) fn place() -> Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    place.context("cannot make a temporary directory")
}

/// A file of the tree: its path, and what it may hold beside what was captured there.
pub(crate) type Described<'a> = (&'a str, &'a [&'a str]);

/// The files of a tree that is written to.
pub(crate) struct Tree {
    place: TempDir,
    files: Vec<Written>,
    /// Which of them holds an input.
    odd: usize,
}

struct Written {
    file: File,
    as_captured: Vec<u8>,
}

impl Tree {
    /// With files that hold the first of their seeds.
    pub(crate) fn new(slots: &[Slot]) -> Result<Self> {
        let place = place()?;
        let files = slots.iter().map(|slot| Written::new(place.path(), slot)).collect::<Result<_>>()?;
        Ok(Self { place, files, odd: 0 })
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Puts an input in one of the files, and the one before back. A file that a parser has replaced is out
    /// of reach by then.
    pub(crate) fn put(&mut self, slot: usize, input: &[u8]) {
        if self.odd != slot {
            let before = &self.files[self.odd];
            before.hold(&before.as_captured);
        }
        self.files[slot].hold(input);
        self.odd = slot;
    }
}

impl Written {
    fn new(top: &Path, slot: &Slot) -> Result<Self> {
        let path = top.join(&slot.name);
        let as_captured = slot.seeds.first().cloned().unwrap_or_default();
        let directory = path.parent().context("a file has no directory")?;
        fs::create_dir_all(directory)?;
        fs::write(&path, &as_captured).with_context(|| format!("cannot write {}", path.display()))?;
        let file = OpenOptions::new().write(true).open(&path)?;
        Ok(Self { file, as_captured })
    }

    /// If that fails, the parser is given something else, and answers that.
    fn hold(&self, text: &[u8]) {
        let _ = self.file.set_len(0).and_then(|()| self.file.write_all_at(text, 0));
    }
}

/// A parser that reads some files below a root.
pub(crate) fn tree(
    corpus: &Corpus,
    files: &[Described<'_>],
    mut read: impl FnMut(&Root) -> bool + 'static,
) -> Result<Driver> {
    let slot = |(path, more): &Described<'_>| Slot {
        name: (*path).to_owned(),
        seeds: seeds(corpus, &format!("/{path}"), more),
    };
    let slots: Vec<_> = files.iter().map(slot).collect();
    let mut tree = Tree::new(&slots)?;
    let root = Root::open(tree.path())?;
    let read = move |slot: usize, input: &[u8]| {
        tree.put(slot, input);
        read(&root)
    };
    Ok(Driver { slots, read: Box::new(read) })
}
