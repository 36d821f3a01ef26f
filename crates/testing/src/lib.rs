//! What the tests of several crates share: a file that hangs, what a thread has logged, and what the
//! documentation tells people to type. No program is built with it.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

pub mod docs;
pub mod logged;
mod pipe;
mod slow_disk;

pub use pipe::full_pipe;
pub use slow_disk::SlowDisk;
