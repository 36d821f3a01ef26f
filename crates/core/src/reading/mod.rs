//! One look at idle ages, whatever the source: cohorts, how far they can be off, and how they are shown to
//! people.

mod cohort;
mod histogram;
mod lines;
mod resolution;

pub use cohort::{Cohort, Left, Reading, Source, Touched};
pub use histogram::{BOUNDARIES, Histogram};
pub(crate) use histogram::{CLASSES, class_of, class_start, reached};
pub use lines::{Line, LineUse, Lines};
pub use resolution::{Resolution, Sample};
