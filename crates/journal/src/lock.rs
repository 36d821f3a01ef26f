//! A directory that one process has at a time.

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

/// Ours until this is dropped, or the process ends, however it ends. Nothing is written, so it can be had on a disk that is full or
/// read-only, and of a directory that a kernel makes.
#[derive(Debug)]
pub struct Lock {
    _directory: Flock<File>,
}

impl Lock {
    /// `None` if another process has it.
    pub fn take(directory: &Path) -> io::Result<Option<Self>> {
        let flags = (OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).bits();
        let directory = OpenOptions::new().read(true).custom_flags(flags).open(directory)?;
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self { _directory: lock })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }
}
