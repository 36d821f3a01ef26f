//! Requests to the kernel that move a cgroup's memory: which is written when, on which thread and near which
//! memory, how it is stopped between two chunks, and what came of it.

mod actuator;
mod error;
mod eviction;
mod measure;
mod near;
mod pulse;
mod short;
mod slots;

pub use actuator::{Actuator, Ended, Hanging, Job};
pub use error::Error;
pub use eviction::{Eviction, Nodes};
pub use short::AtTurn;
