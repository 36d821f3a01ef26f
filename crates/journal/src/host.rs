//! The host, whose kernel settings one lowtide changes at a time, whatever their state directories.

use std::{io, path::PathBuf};

use lowtide_cgroup::Mount;
use lowtide_kernfs::Root;

use crate::Lock;

const FILE: &str = "memory.reclaim";

/// Why the host cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The file that is locked cannot be opened.
    #[error("{path}: cannot find out whether another lowtide daemon runs on this host: {source}")]
    Io {
        /// The root cgroup's memory.reclaim.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Two of them would set the same knobs, and each forget what the other one found.
    #[error(
        "{path}: another lowtide daemon runs on this host, with another `state_dir`: stop it first (`systemctl stop lowtide`, or look \
         for a container that runs one)"
    )]
    Held {
        /// The root cgroup's memory.reclaim, which it has locked.
        path: PathBuf,
    },
}

/// A host that is ours until this is dropped, or the process ends, however it ends.
#[derive(Debug)]
pub struct HostLock {
    _lock: Option<Lock>,
}

impl HostLock {
    /// Locks the root cgroup's memory.reclaim, into which nothing is written. It is one inode for all
    /// containers that see the host's cgroups, which those that may run lowtide do; and its mode is 0200
    /// (mm/memcontrol.c), so nobody but root can keep the daemon from working by locking it first. On a host
    /// without it no daemon works, so there is nothing to be locked against.
    pub fn take(root: &Root) -> Result<Self, HostError> {
        let Ok(mount) = Mount::find_unchecked(root) else { return Ok(Self { _lock: None }) };
        let path = mount.path().join(FILE);
        match Lock::of_file(&path) {
            Ok(Some(lock)) => Ok(Self { _lock: Some(lock) }),
            Ok(None) => Err(HostError::Held { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { _lock: None }),
            Err(source) => Err(HostError::Io { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let tree = tempfile::tempdir().unwrap();
        let root = Root::open(tree.path()).unwrap();
        HostLock::take(&root).unwrap();
        let cgroups = tree.path().join("sys/fs/cgroup");
        std::fs::create_dir_all(&cgroups).unwrap();
        HostLock::take(&root).unwrap();
        std::fs::write(cgroups.join(FILE), "").unwrap();
        // What anybody can lock is not what is locked.
        let anybodys = Lock::of_directory(&cgroups).unwrap();
        assert!(anybodys.is_some());
        let held = HostLock::take(&root).unwrap();
        let error = HostLock::take(&root).unwrap_err().to_string();
        assert!(error.contains("another lowtide daemon runs on this host"), "{error}");
        drop(held);
        HostLock::take(&root).unwrap();
    }
}
