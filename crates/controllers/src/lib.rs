//! What lowtide holds beside its reclaim requests, each with its own knobs: cgroups in the tiers of their
//! policies, the host's kernel settings, what the balancer writes back from zram, the host's watermarks, and
//! treatments of what it loses to itself.

mod balancer;
mod confine;
mod controller;
mod list;
mod settings;
mod treatments;
mod watermarks;

pub use balancer::{Balance, Ended, StoreView};
pub use confine::{Confine, ways};
pub use controller::{Around, Turn};
pub use list::{Controllers, Shown};
pub use settings::{Settings, put_back};
pub use treatments::{
    CompactionRun, CompactionView, Counts, DyingView, End, KsmView, PageClusterView, ReleaseStep,
    ThpDefragView, TreatmentsView, lacking,
};
pub use watermarks::{Reach, WatermarksView};
