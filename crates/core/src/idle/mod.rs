//! How long memory has been idle: what a source read, kept as one histogram per cgroup whatever the source.
//!
//! ```text
//! Reading (cohorts) → Ages (propagated over many readings) → Histogram for people
//!                       │                                  → bytes beyond the cut, for the loop
//!                       └→ Returns: what was touched after a long idle time → Cut
//! ```

mod ages;
mod cohort;
mod cut;
mod histogram;
mod lines;
mod precision;
mod resolution;
mod returns;
mod seen;
mod slow;
mod taken;
mod tracker;

pub use cohort::{ByType, Cohort, Reading, Source};
pub use histogram::{BOUNDARIES, Histogram};
pub(crate) use histogram::{CLASSES, class_of, class_start};
pub use lines::{Line, LineUse, Lines};
pub use precision::{Left, Measured, Precision};
pub use resolution::{Resolution, Sample};
pub use seen::Touched;
pub use tracker::{Hotness, WhatIf};

pub(crate) use tracker::{Since, Tracker, sinks_at_least};
