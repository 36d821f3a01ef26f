//! What lowtide holds beside its reclaim requests, each with its own knobs: cgroups in the tiers of their policies, the host's
//! kernel settings, what the balancer writes back from zram, and the host's watermarks.

mod balancer;
mod confine;
mod controller;
mod list;
mod settings;
mod watermarks;

pub use balancer::{Balance, Ended, StoreView};
pub use confine::{Confine, ways};
pub use controller::Turn;
pub use list::{Controllers, Shown};
pub use settings::{Settings, put_back};
pub use watermarks::{Reach, WatermarksView};
