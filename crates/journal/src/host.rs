//! The host, whose kernel settings one lowtide changes at a time, whatever their state directories.

use std::{io, path::PathBuf};

use lowtide_cgroup::Mount;
use lowtide_kernfs::Root;

use crate::Lock;

/// Why the host cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The lock of the cgroup hierarchy cannot be asked for.
    #[error("{path}: cannot find out whether another lowtide daemon runs on this host: {source}")]
    Io {
        /// The root of the hierarchy.
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
        /// The root of the hierarchy, which it has locked.
        path: PathBuf,
    },
}

/// A host that is ours until this is dropped, or the process ends, however it ends.
#[derive(Debug)]
pub struct HostLock {
    _lock: Option<Lock>,
}

impl HostLock {
    /// Locks the root of the cgroup v2 hierarchy. It is one inode for all containers that see the host's cgroups, which those that may
    /// run lowtide do. On a host without a hierarchy no daemon works, so there is nothing to be locked against.
    pub fn take(root: &Root) -> Result<Self, HostError> {
        let Ok(mount) = Mount::find_unchecked(root) else { return Ok(Self { _lock: None }) };
        let path = || mount.path().to_owned();
        match Lock::take(mount.path()).map_err(|source| HostError::Io { path: path(), source })? {
            Some(lock) => Ok(Self { _lock: Some(lock) }),
            None => Err(HostError::Held { path: path() }),
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
        std::fs::create_dir_all(tree.path().join("sys/fs/cgroup")).unwrap();
        let held = HostLock::take(&root).unwrap();
        let error = HostLock::take(&root).unwrap_err().to_string();
        assert!(error.contains("another lowtide daemon runs on this host"), "{error}");
        drop(held);
        HostLock::take(&root).unwrap();
    }
}
