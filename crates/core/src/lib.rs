//! The decisions of lowtide: plain data in, decisions with their reasons out.
//!
//! [`tick`] is a pure function of state, observation, policy and time. It opens no file, reads no clock and
//! spawns no task, so the daemon, the simulator and the property tests all call the same function.
//!
//! ```text
//! kernel files → Observation → tick → Decision → kernel → Effect → (next) Observation
//! ```

pub mod balancer;
mod cgroup;
mod cgroup_state;
mod compression;
pub mod confine;
pub mod confinement;
mod cost;
pub mod crowded;
pub mod decision;
mod effect;
pub mod escape;
mod forecast;
mod harm;
mod history;
mod holdout;
pub mod idle;
pub mod left_out;
pub mod lineage;
mod mode;
pub mod observation;
mod pace;
mod placement;
mod plausible;
pub mod policy;
pub mod quota;
pub mod reading;
mod reads;
mod reasons;
mod room;
pub mod savings;
pub mod scan_pressure;
pub mod share;
mod shortage;
mod slowdown;
mod state;
mod stored;
mod swapoff;
pub mod table;
mod tick;
pub mod tier;
mod tier_rules;
pub mod treatments;
mod trend;
pub mod units;
mod usual;
mod watch;
pub mod watermarks;
mod worth;

pub use cgroup::{Above, ByType, CgroupId, IoReads, Memory, MemoryStat, Stall};
pub use compression::Compressed;
pub use confinement::{Confinement, PastZswap, SwapBound, ZswapBound};
pub use cost::{Basis, FaultCost};
pub use decision::{Action, Decision, Figures, Gain, Reason};
pub use effect::{Effect, Pending, Scope};
pub use escape::escaped;
pub use forecast::Forecast;
pub use holdout::Holdout;
pub use idle::Hotness;
pub use left_out::LeftOut;
pub use mode::Mode;
pub use observation::{BlockReads, CgroupObservation, HostObservation, Observation};
pub use placement::{Ladder, Rung};
pub use policy::{Budgets, Limits, Policy, Slo};
pub use reading::{Cohort, Histogram, Line, Lines, Reading};
pub use state::State;
pub use stored::Stored;
pub use tick::tick;
pub use tier::{NodeId, SwapRoom, Tier, TierId, TierKind};
pub use tier_rules::{AtMost, TierRule, TierRules};
pub use units::{ByteRate, ByteTime, Bytes, Limit, Ratio};
