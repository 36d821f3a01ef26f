use std::sync::Arc;

use lowtide_core::{CgroupId, Stall};
use lowtide_kernfs::{Dir, Fault, Files, Root, parse::keyed};
use lowtide_psi::Resource;

use crate::{Error, Result};

/// One cgroup, its directory held open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cgroup {
    id: CgroupId,
    path: Arc<str>,
    dir: Dir,
    /// How many stood directly below when it was opened, where the file system says so.
    children: Option<u64>,
    /// Of the root: where the files of the whole host are.
    host: Option<Root>,
}

impl Cgroup {
    pub(crate) fn new(dir: Dir, path: Arc<str>) -> Result<Self> {
        let (inode, children) = dir.inode_and_subdirs()?;
        Ok(Self { id: CgroupId(inode), path, dir, children, host: None })
    }

    /// The top of the hierarchy, with the files of the host that it is the top of.
    pub(crate) fn top(dir: Dir, host: Option<Root>) -> Result<Self> {
        Ok(Self { host, ..Self::new(dir, "/".into())? })
    }

    /// Where the files of the whole host are, if it is the top of the hierarchy.
    pub(crate) const fn host(&self) -> Option<&Root> {
        self.host.as_ref()
    }

    /// Whether there can be cgroups below: no only if the file system said, when it was opened, that there
    /// are none.
    #[must_use]
    pub fn may_have_children(&self) -> bool {
        self.children != Some(0)
    }

    /// Its inode.
    #[must_use]
    pub const fn id(&self) -> CgroupId {
        self.id
    }

    /// Where it was when it was opened, from the root of the hierarchy: `/web/api`.
    #[must_use]
    pub const fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// Its directory.
    #[must_use]
    pub const fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Whether any process lives in it or below; `None` if it is gone. The root always is.
    pub fn populated(&self) -> Result<Option<bool>> {
        match self.dir.parse_record("cgroup.events", parse_populated) {
            Ok(None) if self.exists()? => Ok(Some(true)),
            Ok(populated) => Ok(populated),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Its pressure; `None` where it is not measured, or the cgroup is gone.
    pub fn pressure(&self, resource: Resource) -> Result<Option<Stall>> {
        match lowtide_psi::read(&self.dir, resource.cgroup_file()) {
            Err(error) if error.is_gone() => Ok(None),
            other => Ok(other?),
        }
    }

    /// Whether it still exists: every cgroup, the root too, has a file `cgroup.controllers`, and a removed
    /// directory has no names in it.
    pub fn exists(&self) -> Result<bool> {
        match self.dir.exists("cgroup.controllers") {
            Err(error) if error.is_gone() => Ok(false),
            other => Ok(other?),
        }
    }

    /// The error for a memory file that is not there: the cgroup is gone, or it has none.
    pub(crate) fn no_memory_file(&self, missing: lowtide_kernfs::Error) -> Error {
        match self.exists() {
            Ok(true) => Error::NoMemoryController { path: self.dir.path().into() },
            Ok(false) => Error::File(missing),
            Err(error) => error,
        }
    }
}

/// Understands cgroup.events: whether `populated` is 1.
fn parse_populated(text: &str) -> Result<bool, Fault> {
    let line = keyed(text).find(|line| line.key == "populated");
    line.ok_or_else(|| Fault::whole(text, "a line `populated 0` or `populated 1`"))?.flag()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::populated("populated 1\nfrozen 0\n", Some(true))]
    #[case::other_order("frozen 0\npopulated 0\n", Some(false))]
    #[case::truncated("populated\n", None)]
    #[case::max("populated max\n", None)]
    #[case::huge("populated 99999999999999999999\n", None)]
    #[case::unknown_keys_only("frozen 0\n", None)]
    #[case::garbage("\u{1}\u{2}\n", None)]
    #[case::empty("", None)]
    fn cgroup_events(#[case] text: &str, #[case] expected: Option<bool>) {
        assert_eq!(parse_populated(text).ok(), expected);
    }
}
