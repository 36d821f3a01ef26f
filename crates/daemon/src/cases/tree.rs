use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lowtide_observe::ATTRIBUTE;
use rustix::fs::XattrFlags;
use tempfile::TempDir;

/// A copy of a captured tree that may be changed.
#[derive(Debug)]
pub(super) struct Tree(TempDir);

impl Tree {
    /// Of the kernel that the captured trees are best known of.
    pub(super) fn of_6_12() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/6.12/.");
        copy(&fixture, tree.0.path());
        tree
    }

    /// A copy that may be changed without this one.
    pub(super) fn again(&self) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        copy(&self.0.path().join("."), tree.0.path());
        tree
    }

    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn file(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.file(path)).unwrap()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let file = self.file(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("{text}\n")).unwrap();
    }

    pub(super) fn copy(&self, from: &str, to: &str) {
        copy(&self.file(from), &self.file(to));
    }

    /// What its owner writes.
    pub(super) fn choose(&self, cgroup: &str, value: &[u8]) {
        let place = self.file(&format!("sys/fs/cgroup{cgroup}"));
        rustix::fs::setxattr(place, ATTRIBUTE, value, XattrFlags::empty()).unwrap();
    }

    /// A directory in its place: opened it can be, read it cannot.
    pub(super) fn make_unreadable(&self, path: &str) {
        fs::remove_file(self.file(path)).unwrap();
        fs::create_dir(self.file(path)).unwrap();
    }
}

pub(super) fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}
