use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use lowtide_kernfs::{Errno, Error as FileError};

use crate::{ExclusiveUser, Part};

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with DAMON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A kernel file could not be read or written, or holds something unexpected.
    #[error(transparent)]
    File(FileError),
    /// The kernel has no DAMON, or DAMON without its sysfs interface (`CONFIG_DAMON_SYSFS`).
    #[error("{}: this kernel has no DAMON sysfs interface", path.display())]
    NotThere {
        /// The directory that was looked for.
        path: PathBuf,
    },
    /// This process may not use the tree: it takes root, and no lockdown of sysfs.
    #[error("{}: not permitted", path.display())]
    NotPermitted {
        /// The file.
        path: PathBuf,
    },
    /// The description asks for what this kernel does not have. Nothing was written.
    #[error("this kernel's DAMON has no {}", list(parts))]
    Missing {
        /// What is missing, in the order of the description.
        parts: Vec<Part>,
    },
    /// The description cannot be, on any kernel. Nothing was written.
    #[error("{field}: {why}")]
    Invalid {
        /// Where in the tree it would stand.
        field: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No directory is free, and more cannot be made without removing those of others.
    #[error(
        "no free kdamond: {wanted} wanted, {vacant} vacant; running: {running:?}, set up by others: {configured:?}"
    )]
    NoVacancy {
        /// How many were asked for.
        wanted: u32,
        /// How many are free.
        vacant: u32,
        /// Those that run.
        running: Vec<u32>,
        /// Those that are off, with targets or schemes.
        configured: Vec<u32>,
    },
    /// Someone else held the lock of the tree for as long as we were willing to wait. A snapshot holds it for
    /// an aggregation or apply interval (6.14 and later).
    #[error("{}: busy for {waited:?}", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// For how long it was tried.
        waited: Duration,
    },
    /// A user of DAMON inside the kernel runs, which tolerates no other.
    #[error("DAMON is taken by {}", list(users))]
    Exclusive {
        /// Who.
        users: Vec<ExclusiveUser>,
    },
    /// It runs already: use [`Owned::commit`](crate::Owned::commit).
    #[error("kdamond {index} runs already, as process {pid}")]
    AlreadyRunning {
        /// Its number.
        index: u32,
        /// Its process id.
        pid: u32,
    },
    /// It was never started, or stopped.
    #[error("kdamond {index} does not run")]
    NotRunning {
        /// Its number.
        index: u32,
    },
    /// It ended by itself, as a kdamond does when all of its processes have, and up to 6.13 also when a
    /// commit was wrong, which the kernel does not report (`damon_sysfs_cmd_request_callback`).
    #[error("kdamond {index} ended by itself{}", because(gone))]
    Ended {
        /// Its number.
        index: u32,
        /// Which of its processes are gone.
        gone: Vec<u32>,
    },
    /// Processes to be watched do not live; the kernel says EINVAL.
    #[error("no such processes: {pids:?}")]
    ProcessGone {
        /// Which.
        pids: Vec<u32>,
    },
    /// Memory cgroups of filters or goals do not exist, or exist without the memory controller; the kernel
    /// says ENOMEM.
    #[error("no such memory cgroups: {}", paths.join(", "))]
    MemcgGone {
        /// Which, from the root of the hierarchy.
        paths: Vec<String>,
    },
    /// The kernel had no memory for it, or refused a scheme, which it says with the same ENOMEM
    /// (`damon_sysfs_add_schemes`).
    #[error("{}: no memory, or a scheme was refused", path.display())]
    OutOfMemory {
        /// The file.
        path: PathBuf,
    },
    /// The kernel refused a command, and none of the known reasons holds.
    #[error("{}: `{command}` was refused: {} ({errno:?})", path.display(), errno.desc())]
    Rejected {
        /// The file.
        path: PathBuf,
        /// What was written.
        command: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// There are no regions to see: it is paused, asleep by its watermarks, or has no schemes (ECANCELED,
    /// 6.14 and later).
    #[error("kdamond {index} tries no regions: it is paused, kept asleep by watermarks, or has no schemes")]
    NothingTried {
        /// Its number.
        index: u32,
    },
    /// Another program made the directories anew: what is there now is not ours and was not touched.
    #[error(
        "the directory of kdamond {index} is not the one that was claimed: another program wrote nr_kdamonds or nr_contexts"
    )]
    Lost {
        /// Its number.
        index: u32,
    },
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error.errno() {
            Some(Errno::EPERM | Errno::EACCES | Errno::EROFS) => {
                Self::NotPermitted { path: error.path().into() }
            }
            _ => Self::File(error),
        }
    }
}

impl Error {
    /// The kernel's answer, where it is kept as it was.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::File(error) => error.errno(),
            Self::Rejected { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    pub(crate) fn not_there(path: &Path) -> Self {
        Self::NotThere { path: path.into() }
    }
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn because(gone: &[u32]) -> String {
    if gone.is_empty() { String::new() } else { format!(" (processes gone: {gone:?})") }
}
