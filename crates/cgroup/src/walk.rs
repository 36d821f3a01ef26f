use std::sync::Arc;

use lowtide_core::{LeftOut, left_out::Kind, share::shares};
use lowtide_kernfs::{Dir, Error as FileError, Fault, Files, parse::keyed};

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
    /// Paths of those that could not be opened, and were not visited; or not listed, of which what is below
    /// was not visited.
    pub failed: Vec<Arc<str>>,
    /// Cgroups that were there when the walk began and were beyond what it was to visit.
    pub beyond: usize,
    /// Paths of those that have children which were beyond.
    pub cut: Vec<Arc<str>>,
}

impl Walked {
    /// At least one below `path` is not visited.
    fn misses(&mut self, path: &Arc<str>) {
        self.beyond = self.beyond.max(1);
        if self.cut.last() != Some(path) {
            self.cut.push(Arc::clone(path));
        }
    }

    fn fails(&mut self, path: Arc<str>, error: &FileError) {
        if error.is_gone() {
            self.vanished += 1;
        } else {
            self.left_out.add_of(&path, Kind::Cgroup, &error.to_string());
            self.failed.push(path);
        }
    }
}

/// A directory that waits for its turn: its parent, held open, and its name.
struct Waiting {
    parent: Dir,
    parent_path: Arc<str>,
    name: String,
    /// How many cgroups may be visited in it and below.
    share: usize,
    /// The walk of its parent is over when so many were visited.
    until: usize,
}

impl Mount {
    /// Visits the root and every cgroup below: see [`Cgroup::walk`].
    pub fn walk(&self, visit: impl FnMut(&Cgroup) -> Descend) -> Result<Walked> {
        self.walk_within(usize::MAX, visit)
    }

    /// Visits no more than `most`, the root included: see [`Cgroup::walk_within`].
    pub fn walk_within(&self, most: usize, visit: impl FnMut(&Cgroup) -> Descend) -> Result<Walked> {
        let (dir, path) = self.top();
        walk_from(dir, path, most, visit)
    }
}

impl Cgroup {
    /// Visits this cgroup and every one below, parents first, each directory's children in the order of their
    /// names. One that cannot be opened or listed says nothing about the others: it is in [`Walked`], and the
    /// walk goes on.
    ///
    /// A cgroup without children costs three system calls (openat2, fstat, close): the link count says that
    /// there is nothing to list. Memory is bounded by the names of siblings that still wait, and so are
    /// descriptors: only directories with waiting children are held open, so depth alone costs neither, nor
    /// stack.
    pub fn walk(&self, visit: impl FnMut(&Cgroup) -> Descend) -> Result<Walked> {
        self.walk_within(usize::MAX, visit)
    }

    /// The same, but no more than `most` are visited. Where there are more, they are shared among the
    /// subtrees at each level, by what `cgroup.stat` says of each: one who makes many takes no place from the
    /// others. Which children of a directory have a place there is decided by the order in which the kernel
    /// lists them, which is by a hash of the name and stays.
    pub fn walk_within(&self, most: usize, visit: impl FnMut(&Cgroup) -> Descend) -> Result<Walked> {
        walk_from(self.dir().clone(), Arc::clone(self.path()), most, visit)
    }

    /// How many cgroups there are below it, empty ones too (`cgroup.stat`, since 4.14); `None` where that is
    /// not told.
    fn descendants(&self) -> Option<usize> {
        let told = self.dir().parse_record("cgroup.stat", parse_descendants).ok().flatten()?;
        usize::try_from(told).ok()
    }
}

/// Understands cgroup.stat: `nr_descendants`.
fn parse_descendants(text: &str) -> Result<u64, Fault> {
    let line = keyed(text).find(|line| line.key == "nr_descendants");
    line.ok_or_else(|| Fault::whole(text, "a line `nr_descendants 4`"))?.number()
}

fn walk_from(
    dir: Dir,
    path: Arc<str>,
    most: usize,
    mut visit: impl FnMut(&Cgroup) -> Descend,
) -> Result<Walked> {
    let mut walked = Walked::default();
    let mut waiting = Vec::new();
    enter(dir, path, most, &mut visit, &mut waiting, &mut walked)?;
    while let Some(Waiting { parent, parent_path, name, share, until }) = waiting.pop() {
        let until = until.min(walked.visited.saturating_add(share));
        if walked.visited >= until {
            // More have come since they were counted, or nobody counts them.
            walked.misses(&parent_path);
            continue;
        }
        let path = below(&parent_path, &name);
        let dir = parent.subdir(&name);
        drop(parent);
        match dir {
            Ok(dir) => enter(dir, path, until, &mut visit, &mut waiting, &mut walked)?,
            Err(error) => walked.fails(path, &error),
        }
    }
    if walked.cut.is_empty() {
        // Some have gone since they were counted.
        walked.beyond = 0;
    }
    Ok(walked)
}

/// Visits one cgroup and queues its children, for a walk of it that is over when `until` were visited.
/// Without the children of the first there is nothing to walk.
fn enter(
    dir: Dir,
    path: Arc<str>,
    until: usize,
    visit: &mut impl FnMut(&Cgroup) -> Descend,
    waiting: &mut Vec<Waiting>,
    walked: &mut Walked,
) -> Result<()> {
    let cgroup = Cgroup::new(dir, path)?;
    walked.visited += 1;
    if visit(&cgroup) == Descend::No || !cgroup.may_have_children() {
        return Ok(());
    }
    let left = until.saturating_sub(walked.visited);
    let names = match names(&cgroup, left, walked) {
        Ok(names) => names,
        Err(error) if walked.visited == 1 && !error.is_gone() => return Err(error.into()),
        Err(error) => {
            walked.fails(Arc::clone(cgroup.path()), &error);
            return Ok(());
        }
    };
    // One walk of a host that has no more than it may visit asks this once.
    let is_bounded = left != usize::MAX && (walked.visited == 1 || walked.beyond > 0);
    let there = is_bounded.then(|| cgroup.descendants()).flatten().unwrap_or_default();
    let shares = if there > left {
        if walked.visited == 1 {
            walked.beyond = there - left;
        }
        let wants: Vec<_> = names.iter().map(|name| size(&cgroup, name)).collect();
        shares(left, &wants)
    } else {
        vec![left; names.len()]
    };
    // The last one is taken first.
    waiting.extend(names.into_iter().zip(shares).rev().map(|(name, share)| Waiting {
        parent: cgroup.dir().clone(),
        parent_path: cgroup.path().clone(),
        name,
        share,
        until,
    }));
    Ok(())
}

/// The names of its children, at most so many.
fn names(cgroup: &Cgroup, most: usize, walked: &mut Walked) -> Result<Vec<String>, FileError> {
    let entries = cgroup.dir().entries_within(most)?;
    if entries.more {
        walked.misses(cgroup.path());
    }
    if let Some(example) = entries.example {
        let place = cgroup.path().trim_end_matches('/');
        let why = format!("{place}/{example}: the name is no UTF-8");
        walked.left_out.add_of(cgroup.path(), Kind::Cgroup, &why);
        let more = entries.unreadable.saturating_sub(1);
        walked.left_out.add_unnamed(Kind::Cgroup, more as u64);
    }
    Ok(entries.directories)
}

/// How many cgroups a walk of a child visits. One that cannot be asked may have any number: it has the same
/// share as the others.
fn size(parent: &Cgroup, name: &str) -> usize {
    let open = || Cgroup::new(parent.dir().subdir(name).ok()?, below(parent.path(), name)).ok();
    let child = open();
    let without_children = child.as_ref().is_some_and(|child| !child.may_have_children());
    let told = if without_children { Some(0) } else { child.and_then(|child| child.descendants()) };
    told.map_or(usize::MAX, |told| told.saturating_add(1))
}

fn below(path: &str, name: &str) -> Arc<str> {
    format!("{}/{name}", path.trim_end_matches('/')).into()
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
