//! The decisions of lowtide: plain data in, decisions with their reasons out.
//!
//! [`tick`] is a pure function of state, observation, policy and time. It opens no file, reads no clock and
//! spawns no task, so the daemon, the simulator and the property tests all call the same function.
//!
//! ```text
//! kernel files → Observation → tick → Decision → kernel → Effect → (next) Observation
//! ```

pub mod balancer;
mod cgroup_state;
mod compression;
pub mod confine;
mod cost;
pub mod crowded;
pub mod decision;
pub mod escape;
mod forecast;
mod harm;
mod history;
mod holdout;
pub mod idle;
pub mod left_out;
pub mod lineage;
pub mod observation;
mod pace;
mod placement;
mod plausible;
pub mod policy;
mod reads;
mod reasons;
mod room;
pub mod savings;
pub mod scan_pressure;
pub mod share;
mod sinking;
mod slowdown;
mod state;
mod swapoff;
mod tick;
pub mod tier;
mod tier_rules;
pub mod units;
mod usual;
mod watch;
pub mod watermarks;
mod worth;

pub use compression::{Compressed, Stored};
pub use confine::{Confinement, PastZswap, SwapBound, ZswapBound};
pub use cost::{Basis, FaultCost};
pub use decision::{Action, Decision, Figures, Gain, Reason, Scope};
pub use escape::escaped;
pub use forecast::Forecast;
pub use holdout::Holdout;
pub use idle::{Cohort, Histogram, Hotness, Line, Lines, Reading};
pub use left_out::LeftOut;
pub use observation::{
    BlockReads, CgroupId, CgroupObservation, Effect, HostObservation, IoReads, Memory, MemoryStat,
    Observation, Pending, Stall,
};
pub use placement::{Ladder, Rung};
pub use policy::{Budgets, Limits, Mode, Policy, Slo};
pub use state::State;
pub use tick::tick;
pub use tier::{SwapRoom, Tier, TierKind};
pub use tier_rules::{AtMost, TierRule, TierRules};
pub use units::{ByteRate, ByteTime, Bytes, Limit, Ratio};
