//! A file that hangs.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::{fcntl::OFlag, sys::stat::Mode, unistd::mkfifo};

/// A pipe, made here, that takes no more: who writes to it waits until it is read or dropped.
#[must_use]
pub fn full_pipe(path: &Path) -> File {
    mkfifo(path, Mode::S_IRWXU).unwrap();
    let mut options = OpenOptions::new();
    let mut pipe = options.read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).unwrap();
    while pipe.write(&[0; 4096]).is_ok() {}
    pipe
}
