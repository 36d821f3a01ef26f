//! The state directory, held by one daemon at a time.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

/// Why the state directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// It cannot be made or written.
    #[error("{path}: cannot use the state directory: {source}{}", remedy(source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A daemon has it.
    #[error(
        "{path}: a lowtide daemon is running with this state directory: stop it first (`systemctl stop lowtide`)"
    )]
    Held {
        /// The lock.
        path: PathBuf,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; run as root",
        io::ErrorKind::ReadOnlyFilesystem => {
            "; under systemd `ReadWritePaths=` in a drop-in opens a directory that is not the default"
        }
        _ => "",
    }
}

/// A state directory that is ours until this is dropped, or the process ends, however it ends.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl StateDir {
    /// Takes the directory, which is created if it is missing.
    pub fn take(path: &Path) -> Result<Self, StateDirError> {
        fs::create_dir_all(path).map_err(|source| StateDirError::Io { path: path.to_owned(), source })?;
        Self::take_existing(path)
    }

    /// Takes the directory of an earlier run. One that is missing is the wrong one: it is not created.
    pub fn take_existing(path: &Path) -> Result<Self, StateDirError> {
        let lock_path = path.join("lock");
        let at = |source| StateDirError::Io { path: lock_path.clone(), source };
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).open(&lock_path).map_err(at)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err((_, Errno::EWOULDBLOCK)) => Err(StateDirError::Held { path: lock_path }),
            Err((_, errno)) => Err(at(errno.into())),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let first = StateDir::take(&path).unwrap();
        assert!(matches!(StateDir::take(&path), Err(StateDirError::Held { .. })));
        drop(first);
        let missing = StateDir::take_existing(&directory.path().join("typo"));
        assert!(matches!(missing, Err(StateDirError::Io { .. })));
        assert!(!directory.path().join("typo").exists());
        StateDir::take(&path).unwrap();
    }
}
