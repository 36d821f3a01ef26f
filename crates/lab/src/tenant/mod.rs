//! A tenant whose truth is known: a hot part it works on all the time, a warm part it sweeps now and then, and
//! a cold part it never touches. It reports throughput, touch latency, and where its pages are.

mod file_map;
pub mod layout;
pub mod memory;
pub mod options;
pub mod pages;
pub mod report;
pub mod work;
