use std::sync::Arc;

use lowtide_kernfs::Dir;

use crate::{Cgroup, Mount, Result};

/// Whether the cgroups below one are to be visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Descend {
    /// Visit them.
    Yes,
    /// Leave them out.
    No,
}

/// How a walk went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walked {
    /// Cgroups visited, the root included.
    pub visited: usize,
    /// Cgroups that vanished while they were about to be visited or listed.
    pub vanished: usize,
    /// Names that are no UTF-8; they and all below were left out.
    pub unreadable: usize,
}

/// A directory that waits for its turn: its parent, held open, and its name.
struct Waiting {
    parent: Dir,
    parent_path: Arc<str>,
    name: String,
}

impl Mount {
    /// Visits the root and every cgroup below: see [`Cgroup::walk`].
    pub fn walk(&self, visit: impl FnMut(&Cgroup) -> Descend) -> Result<Walked> {
        let (dir, path) = self.top();
        walk_from(dir, path, visit)
    }
}

impl Cgroup {
    /// Visits this cgroup and every one below, parents first, each directory's children in the order of their names.
    ///
    /// A cgroup without children costs three system calls (openat2, fstat, close): the link count says that there is
    /// nothing to list. Memory is bounded by the names of siblings that still wait, and so are descriptors: only
    /// directories with waiting children are held open, so depth alone costs neither, nor stack.
    pub fn walk(&self, visit: impl FnMut(&Cgroup) -> Descend) -> Result<Walked> {
        walk_from(self.dir().clone(), Arc::clone(self.path()), visit)
    }
}

fn walk_from(dir: Dir, path: Arc<str>, mut visit: impl FnMut(&Cgroup) -> Descend) -> Result<Walked> {
    let mut walked = Walked::default();
    let mut waiting = Vec::new();
    enter(dir, path, &mut visit, &mut waiting, &mut walked)?;
    while let Some(Waiting { parent, parent_path, name }) = waiting.pop() {
        let dir = match parent.subdir(&name) {
            Ok(dir) => dir,
            Err(error) if error.is_gone() => {
                walked.vanished += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        drop(parent);
        let path = format!("{}/{name}", parent_path.trim_end_matches('/'));
        enter(dir, path.into(), &mut visit, &mut waiting, &mut walked)?;
    }
    Ok(walked)
}

/// Visits one cgroup and queues its children.
fn enter(
    dir: Dir,
    path: Arc<str>,
    visit: &mut impl FnMut(&Cgroup) -> Descend,
    waiting: &mut Vec<Waiting>,
    walked: &mut Walked,
) -> Result<()> {
    let (cgroup, subdirs) = Cgroup::new(dir, path)?;
    walked.visited += 1;
    if visit(&cgroup) == Descend::No || subdirs == Some(0) {
        return Ok(());
    }
    let entries = match cgroup.dir().entries() {
        Ok(entries) => entries,
        Err(error) if error.is_gone() => {
            walked.vanished += 1;
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    walked.unreadable += entries.unreadable;
    // The last one is taken first.
    waiting.extend(entries.directories.into_iter().rev().map(|name| Waiting {
        parent: cgroup.dir().clone(),
        parent_path: cgroup.path().clone(),
        name,
    }));
    Ok(())
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
