use std::path::PathBuf;

use lowtide_kernfs::{Error as FileError, shown};

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a cgroup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A kernel file could not be read or written, or holds something unexpected.
    #[error(transparent)]
    File(#[from] FileError),
    /// No cgroup v2 hierarchy is mounted.
    #[error("no cgroup v2 hierarchy in {} nor at {}", shown(mountinfo), shown(fallback))]
    NotMounted {
        /// The list of mounts that was looked into.
        mountinfo: PathBuf,
        /// The directory that was tried last.
        fallback: PathBuf,
    },
    /// The mount point holds another file system.
    #[error("{} is not a cgroup v2 hierarchy", shown(path))]
    NotCgroup2 {
        /// The mount point.
        path: PathBuf,
    },
    /// The process is in none of the cgroups that are mounted, or in one that cannot be told.
    #[error(
        "{} does not say where this process is in {}, and it is in none of the cgroups there: it could act on itself; run it in the \
         host's cgroup namespace, or mount only what is below its own",
        shown(told),
        shown(mount)
    )]
    OwnUnknown {
        /// The mount point.
        mount: PathBuf,
        /// Where it should have been told.
        told: PathBuf,
    },
    /// The cgroup exists and has no memory files: it is the root, or the memory controller is not enabled for
    /// it.
    #[error(
        "{}: no memory controller here (it is the root, or the parent's cgroup.subtree_control lacks it)",
        shown(path)
    )]
    NoMemoryController {
        /// The cgroup's directory.
        path: PathBuf,
    },
    /// The cgroup has memory files but no `memory.reclaim` (5.19 and later).
    #[error("{}: this kernel has no memory.reclaim", shown(path))]
    NoReclaim {
        /// The cgroup's directory.
        path: PathBuf,
    },
    /// This kernel's `memory.reclaim` does not take `swappiness=` (6.12 and later), or not this value.
    #[error("{}: this kernel's memory.reclaim does not take swappiness={swappiness}", shown(path))]
    SwappinessUnsupported {
        /// The cgroup's directory.
        path: PathBuf,
        /// The value asked for.
        swappiness: u8,
    },
    /// The path leads to another cgroup than the one that was decided on.
    #[error("{}: another cgroup has taken this path (inode {found}, not {expected})", shown(path))]
    Replaced {
        /// The cgroup's directory.
        path: PathBuf,
        /// The inode there now.
        found: u64,
        /// The inode decided on.
        expected: u64,
    },
}

impl Error {
    /// The cgroup vanished between two system calls, or its path belongs to another one by now: no error at
    /// all.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        match self {
            Self::File(error) => error.is_gone(),
            Self::Replaced { .. } => true,
            _ => false,
        }
    }
}
