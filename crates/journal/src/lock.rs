//! A file or directory that one process has at a time.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg, OFlag},
};

/// Ours until this is dropped, or the process ends, however it ends. Nothing is written, so it can be had on
/// a disk that is full or read-only, and of a directory that a kernel makes.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// A directory; `None` if another process has it. Whoever may list it can lock it, so it has to be closed
    /// to others.
    pub fn of_directory(directory: &Path) -> io::Result<Option<Self>> {
        Self::take(OpenOptions::new().read(true), OFlag::O_DIRECTORY, directory)
    }

    /// A file that is there; `None` if another process has it. Only who may write it can lock it so.
    pub fn of_file(file: &Path) -> io::Result<Option<Self>> {
        Self::take(OpenOptions::new().write(true), OFlag::O_NOFOLLOW, file)
    }

    fn take(options: &mut OpenOptions, flags: OFlag, path: &Path) -> io::Result<Option<Self>> {
        let file = options.custom_flags((flags | OFlag::O_CLOEXEC).bits()).open(path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self { _file: lock })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }
}
