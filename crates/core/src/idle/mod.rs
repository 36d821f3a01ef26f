//! How long memory has been idle: what a source read, kept as one histogram per cgroup whatever the source.
//!
//! ```text
//! Reading (cohorts) → Ages (propagated over many readings) → Histogram for people
//!                       │                                  → bytes beyond the cut, for the loop
//!                       └→ Returns: what was touched after a long idle time → Cut
//! ```

mod ages;
mod cut;
mod precision;
mod returns;
mod seen;
mod slow;
mod taken;
mod tracker;

pub use precision::{Measured, Precision};
pub use tracker::{Hotness, WhatIf};

pub(crate) use tracker::{Since, Tracker, sinks_at_least};
