//! The state directory, held by one daemon at a time, and changed by nobody else.

use std::{
    fs::{self, DirBuilder, Metadata},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use crate::Lock;

/// Who may write, other than the owner.
const OTHERS_WRITE: u32 = 0o022;
/// Only the owner of a name may remove or replace it.
const STICKY: u32 = 0o1000;
/// What a daemon of before directories were locked has locked.
const OLDER_LOCK: &str = "lock";

/// Why the state directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// It cannot be made or read.
    #[error("{path}: cannot use the state directory: {source}{}", remedy(source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What it says is written into the kernel as root, and somebody else can change it.
    #[error(
        "{path}: {why}, so others could say what `lowtide restore` writes as root: `chown root {path}` and `chmod go-w {path}` after a \
         look at what is in it, or take another `state_dir`"
    )]
    Unsafe {
        /// The directory or link, of the state directory's path.
        path: PathBuf,
        /// Who can.
        why: String,
    },
    /// A daemon has it.
    #[error(
        "{path}: a lowtide daemon is running with this state directory: stop it first (`systemctl stop lowtide`)"
    )]
    Held {
        /// The directory.
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
    _lock: Lock,
    /// Of a daemon of before directories were locked.
    _older: Option<Lock>,
}

impl StateDir {
    /// Takes the directory, which is created if it is missing.
    pub fn take(path: &Path) -> Result<Self, StateDirError> {
        let at = |source| StateDirError::Io { path: path.to_owned(), source };
        if !path.try_exists().map_err(at)? {
            path.parent().map_or(Ok(()), fs::create_dir_all).map_err(at)?;
            DirBuilder::new().mode(0o700).create(path).map_err(at)?;
        }
        Self::take_existing(path)
    }

    /// Takes the directory of an earlier run. One that is missing is the wrong one: it is not created.
    pub fn take_existing(path: &Path) -> Result<Self, StateDirError> {
        let at = |source| StateDirError::Io { path: path.to_owned(), source };
        let real = path.canonicalize().map_err(at)?;
        // On the way there may be links, each of which leads elsewhere once it is replaced.
        let given = std::path::absolute(path).map_err(at)?;
        for path in [&given, &real] {
            path.ancestors().skip(1).try_for_each(|above| check(above, STICKY))?;
        }
        check(&real, 0)?;
        let held = || StateDirError::Held { path: path.to_owned() };
        let lock = Lock::of_directory(&real).map_err(at)?.ok_or_else(held)?;
        let older = match Lock::of_file(&real.join(OLDER_LOCK)) {
            Ok(lock) => Some(lock.ok_or_else(held)?),
            // There is none, or a disk that is read-only keeps it from being opened to write.
            Err(_) => None,
        };
        Ok(Self { path: real, _lock: lock, _older: older })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Refuses what somebody else may change; `excused` is the mode by which it is safe all the same.
fn check(path: &Path, excused: u32) -> Result<(), StateDirError> {
    let metadata =
        fs::symlink_metadata(path).map_err(|source| StateDirError::Io { path: path.to_owned(), source })?;
    match unsafe_because(&metadata, nix::unistd::geteuid().as_raw(), excused) {
        Some(why) => Err(StateDirError::Unsafe { path: path.to_owned(), why }),
        None => Ok(()),
    }
}

fn unsafe_because(metadata: &Metadata, own: u32, excused: u32) -> Option<String> {
    let (owner, mode) = (metadata.uid(), metadata.mode());
    if owner != 0 && owner != own {
        return Some(format!("it belongs to user {owner}"));
    }
    // A link's mode says nothing.
    let is_open = !metadata.is_symlink() && mode & OTHERS_WRITE != 0 && mode & excused == 0;
    is_open.then(|| format!("its mode is {:o}", mode & 0o7777))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

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
        assert_eq!(
            fs::read_dir(&path).unwrap().count(),
            0,
            "nothing is written, so a full disk is no matter"
        );
    }

    #[test]
    fn a_daemon_that_locks_a_file_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        drop(StateDir::take(&path).unwrap());
        fs::write(path.join(OLDER_LOCK), "").unwrap();
        let older = Lock::of_file(&path.join(OLDER_LOCK)).unwrap().unwrap();
        assert!(matches!(StateDir::take(&path), Err(StateDirError::Held { .. })));
        drop(older);
        StateDir::take(&path).unwrap();
    }

    /// Kind 8.
    #[test]
    fn what_others_may_write_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        drop(StateDir::take(&path).unwrap());
        for mode in [0o777, 0o770, 0o1777, 0o702] {
            set_mode(&path, mode);
            let error = StateDir::take(&path).unwrap_err();
            assert!(matches!(error, StateDirError::Unsafe { .. }), "{mode:o}");
            assert!(error.to_string().contains("chmod go-w"), "{error}");
        }
        set_mode(&path, 0o755);
        StateDir::take(&path).unwrap();
    }

    /// Its sibling: whoever may rename a directory above puts his own in its place.
    #[test]
    fn what_others_may_replace_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let above = directory.path().join("above");
        let path = above.join("state");
        drop(StateDir::take(&path).unwrap());
        set_mode(&above, 0o777);
        let error = StateDir::take(&path).unwrap_err();
        assert!(
            matches!(&error, StateDirError::Unsafe { path, .. } if *path == above.canonicalize().unwrap()),
            "{error}"
        );
        set_mode(&above, 0o1777);
        StateDir::take(&path).unwrap();
    }

    #[test]
    fn a_link_is_as_good_as_the_way_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let (real, open) = (directory.path().join("real"), directory.path().join("open"));
        drop(StateDir::take(&real).unwrap());
        fs::create_dir(&open).unwrap();
        symlink(&real, directory.path().join("link")).unwrap();
        symlink(&real, open.join("link")).unwrap();
        let held = StateDir::take(&directory.path().join("link")).unwrap();
        assert!(matches!(StateDir::take(&real), Err(StateDirError::Held { .. })), "it is the same one");
        drop(held);
        set_mode(&open, 0o777);
        assert!(matches!(StateDir::take(&open.join("link")), Err(StateDirError::Unsafe { .. })));
    }

    #[test]
    fn somebody_elses_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let metadata = fs::metadata(directory.path()).unwrap();
        assert_eq!(unsafe_because(&metadata, metadata.uid(), 0), None);
        let why = unsafe_because(&metadata, metadata.uid() + 1, 0);
        // Root's is nobody else's.
        assert_eq!(why.is_some(), metadata.uid() != 0);
        let link = directory.path().join("link");
        symlink("elsewhere", &link).unwrap();
        assert_eq!(unsafe_because(&fs::symlink_metadata(&link).unwrap(), metadata.uid(), 0), None);
    }
}
