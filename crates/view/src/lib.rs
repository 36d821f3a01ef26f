//! What the daemon knows at one moment, and how it is shown: the metrics page, `status`, `explain`, JSON.
//!
//! Nothing here looks at the host or decides. The [`View`] is made at the end of a turn; all else is drawn
//! from it.

pub mod json;
mod ledger;
pub mod metrics;
pub mod present;
mod promise;
#[cfg(any(test, feature = "samples"))]
pub mod samples;
mod shown;
mod stuck;
mod sums;
mod treatments;
mod view;

pub use ledger::{Account, Entry, Ledger, WorkingSet};
pub use promise::Promise;
pub use shown::{Shown, Sort, select};
pub use stuck::Stuck;
pub use sums::Sums;
pub use view::{CgroupView, Remembered, TierCost, View};
