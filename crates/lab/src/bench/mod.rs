//! The benchmark of real servers on a host: groups of the same servers side by side, each with another agent.
//!
//! It is a program of its own that needs nothing but the directory it is in, so that an operator can take it to any host.

pub mod record;

/// What the program of a pack is called.
pub const PROGRAM: &str = "lowtide-bench";
