//! The benchmark of real servers on a host: groups of the same servers side by side, each with another agent.
//!
//! It is a program of its own that needs nothing but the directory it is in, so that an operator can take it
//! to any host.

pub mod forget;
pub mod group;
pub mod host;
pub mod make;
pub mod options;
pub mod pack;
pub mod record;
pub mod run;
pub mod supervise;

/// What the program of a pack is called.
pub const PROGRAM: &str = "lowtide-bench";
