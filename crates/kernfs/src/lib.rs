//! The only door to the kernel: files under one root directory, opened and never created.
//!
//! [`Root`] is the directory that stands for `/`: the real one, or a tree of fixtures. [`Dir`] is one
//! directory below it, held open, so that what is read and written there is in that directory and no other
//! that took its name since. [`Files`] is what both can do.
//!
//! [`Writes`] tells which files of a directory others have written.
//!
//! [`swap_on`] and [`swap_off`] are the two system calls that take a path and no descriptor. [`thread_cpu`]
//! and [`bind_thread`] are about the calling thread: what it cost, and where it runs.
//!
//! Nothing here creates a file, follows a magic link, leaves the root through a symbolic link, or reads more
//! than [`READ_LIMIT`] bytes ([`LIST_LIMIT`] of a list, line by line; a [`Reader`] has its own limit). Every
//! error names the file as the operator would type it.

mod affinity;
mod cpu;
mod device;
mod dir;
mod error;
mod files;
mod kernel;
pub mod parse;
mod reader;
mod root;
mod swap;
mod writes;

pub use affinity::{Bound, bind_thread};
pub use cpu::{process_cpu, thread_cpu};
pub use device::{DeviceNumber, FileId, Node, page_size};
pub use dir::{Attribute, Dir, Entries};
pub use error::{Error, Fault, Operation, Result, shown};
pub use files::{Files, LINE_LIMIT, LIST_LIMIT, READ_LIMIT};
pub use kernel::{HowRead, Kernel};
pub use nix::errno::Errno;
pub use reader::Reader;
pub use root::Root;
pub use swap::{swap_off, swap_on};
pub use writes::{Told, WatchedDir, Writes};

#[cfg(test)]
mod tests;
