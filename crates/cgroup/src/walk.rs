use std::sync::Arc;

use lowtide_core::{LeftOut, left_out::Kind};
use lowtide_kernfs::{Dir, Error as FileError};

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walked {
    /// Cgroups visited, the root included.
    pub visited: usize,
    /// Cgroups that vanished while they were about to be visited or listed.
    pub vanished: usize,
    /// What was not visited: names that are no UTF-8, and [`failed`](Self::failed).
    pub left_out: LeftOut,
    /// Paths of those that could not be opened, and were not visited; or not listed, of which what is below was not visited.
    pub failed: Vec<Arc<str>>,
}

impl Walked {
    fn fails(&mut self, path: Arc<str>, error: &FileError) {
        if error.is_gone() {
            self.vanished += 1;
        } else {
            self.left_out.add(Kind::Cgroup, &error.to_string());
            self.failed.push(path);
        }
    }
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
    /// Visits this cgroup and every one below, parents first, each directory's children in the order of their names. One that
    /// cannot be opened or listed says nothing about the others: it is in [`Walked`], and the walk goes on.
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
        let path: Arc<str> = format!("{}/{name}", parent_path.trim_end_matches('/')).into();
        let dir = parent.subdir(&name);
        drop(parent);
        match dir {
            Ok(dir) => enter(dir, path, &mut visit, &mut waiting, &mut walked)?,
            Err(error) => walked.fails(path, &error),
        }
    }
    Ok(walked)
}

/// Visits one cgroup and queues its children. Without those of the first there is nothing to walk.
fn enter(
    dir: Dir,
    path: Arc<str>,
    visit: &mut impl FnMut(&Cgroup) -> Descend,
    waiting: &mut Vec<Waiting>,
    walked: &mut Walked,
) -> Result<()> {
    let cgroup = Cgroup::new(dir, path)?;
    walked.visited += 1;
    if visit(&cgroup) == Descend::No || !cgroup.may_have_children() {
        return Ok(());
    }
    let entries = match cgroup.dir().entries() {
        Ok(entries) => entries,
        Err(error) if walked.visited == 1 && !error.is_gone() => return Err(error.into()),
        Err(error) => {
            walked.fails(Arc::clone(cgroup.path()), &error);
            return Ok(());
        }
    };
    if let Some(example) = entries.example {
        let place = cgroup.path().trim_end_matches('/');
        walked.left_out.add(Kind::Cgroup, &format!("{place}/{example}: the name is no UTF-8"));
        let more = entries.unreadable.saturating_sub(1);
        walked.left_out.add_unnamed(Kind::Cgroup, more as u64);
    }
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
