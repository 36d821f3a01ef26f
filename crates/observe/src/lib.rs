//! Kernel files become an observation: the host, its tiers, and every cgroup that a policy names, with the
//! handle to act on it.

mod choices;
mod complaints;
mod descriptors;
mod late;
mod lineage;
mod observer;
mod pods;
mod process;
mod targets;
mod unchanged;

pub use choices::{ATTRIBUTE, Chosen, Outcome, Written};
pub use observer::{Observer, Sight, Stalls};
pub use pods::is_in_a_pod;
pub use process::Process;
