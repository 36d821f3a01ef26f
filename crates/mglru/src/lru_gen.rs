use std::{collections::HashMap, path::Path, time::Instant};

use lowtide_kernfs::{Error as FileError, Files, Operation, Root};
use nix::fcntl::OFlag;

use crate::{
    Error, Memcg, Result, Support, Switches,
    stream::{Failure, Passed, pass},
    support::{ENABLED, LRU_GEN},
};

/// How long the first piece of each pass over the file may be, in bytes: where all later ones begin depends
/// on it.
const FIRST_PIECES: [usize; 4] = [usize::MAX, 1, 700, 1400];

/// /sys/kernel/debug/lru_gen. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LruGen {
    root: Root,
}

/// All memcgs at one moment, or nearly: the kernel locks only a few of them at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When it was done.
    pub at: Instant,
    /// Parents before children, siblings in the order of their births (`mem_cgroup_iter`, mm/memcontrol.c),
    /// removed ones that still have pages among them.
    pub memcgs: Vec<Memcg>,
    /// So many were left out because their path is no UTF-8.
    pub unreadable: usize,
    /// So many were left out because their nodes were never read in one piece.
    pub torn: usize,
}

impl LruGen {
    /// The file below `root`; [`Support::probe`] says whether it is there.
    #[must_use]
    pub const fn new(root: Root) -> Self {
        Self { root }
    }

    /// Reads it. The text is never held as a whole: a host with ten thousand cgroups has megabytes of it.
    ///
    /// Takes CPU by the square of the number of memcgs: for each page of text the kernel counts from the
    /// first one.
    pub fn read(&self) -> Result<Reading> {
        self.check_on()?;
        let (mut found, mut torn) = (Vec::new(), HashMap::new());
        let mut passed = self.pass(FIRST_PIECES[0], &mut |memcg, is_torn| {
            if is_torn {
                torn.insert(memcg.id, found.len());
            }
            found.push((memcg, is_torn));
        })?;
        for first in &FIRST_PIECES[1..] {
            if torn.is_empty() {
                break;
            }
            let again = self.pass(*first, &mut |memcg, is_torn| {
                if !is_torn && let Some(index) = torn.remove(&memcg.id) {
                    mend(&mut found[index], memcg);
                }
            })?;
            passed.unreadable = passed.unreadable.max(again.unreadable);
        }
        let count = found.len();
        let memcgs: Vec<Memcg> =
            found.into_iter().filter_map(|(memcg, torn)| (!torn).then_some(memcg)).collect();
        let torn = count - memcgs.len();
        Ok(Reading { at: Instant::now(), memcgs, unreadable: passed.unreadable, torn })
    }

    pub(crate) const fn root(&self) -> &Root {
        &self.root
    }

    /// What an error of opening the file means.
    pub(crate) fn unavailable(&self, error: FileError) -> Error {
        match Support::closed(&self.root, &error) {
            Ok(Some(support)) => Error::Unavailable(support),
            _ => Error::File(error),
        }
    }

    fn pass(&self, first: usize, visit: &mut dyn FnMut(Memcg, bool)) -> Result<Passed> {
        let path = Path::new(LRU_GEN);
        let file = self.root.open(path, OFlag::O_RDONLY).map_err(|error| self.unavailable(error))?;
        pass(file, first, visit).map_err(|failure| {
            Error::File(match failure {
                Failure::Malformed(fault) => self.root.malformed(path, fault),
                Failure::Read(errno) => FileError::System {
                    operation: Operation::Read,
                    path: self.root.shown(path).into(),
                    errno,
                },
            })
        })
    }

    /// Switched off, the file is there, its generations empty, and commands are done without effect (tried on
    /// 6.1).
    fn check_on(&self) -> Result<()> {
        match self.root.parse_record(ENABLED, Switches::parse)? {
            None => Err(Error::Unavailable(Support::NotBuilt)),
            Some(switches) if !switches.core() => Err(Error::Unavailable(Support::Off { switches })),
            Some(_) => Ok(()),
        }
    }
}

/// What is left of removed cgroups may share a number.
fn mend(place: &mut (Memcg, bool), whole: Memcg) {
    if place.0.path == whole.path {
        *place = (whole, false);
    }
}

#[cfg(test)]
#[path = "lru_gen_tests.rs"]
mod tests;
