//! A tenant whose truth is known: a hot part it works on all the time, a warm part it sweeps now and then, a
//! part it scans at constant speed, and a cold part it never touches. It reports throughput, touch latency,
//! where its pages are, and how long they have been idle.

pub mod ages;
mod content;
mod disk;
mod entry;
pub(crate) mod file_map;
pub mod layout;
pub mod memory;
pub mod options;
pub mod pages;
pub mod report;
mod signals;
pub mod slow;
pub mod sunk;
pub mod sweep;
pub mod work;
