//! The swap balancer: what settles from a fast tier into the slower one below it, before the fast one is
//! full.
//!
//! [`Balancer::decide`] is a pure function of what it remembers, one fast tier with the device below it, the
//! settings, the strain on the host, the write budget that is left, and time. It is asked at every scan and
//! after every run; what a run did comes back through [`Balancer::ran`]. [`Endurance`] is the account of
//! bytes written, which outlives the process.

mod ages;
mod decide;
mod endurance;
mod inflow;
mod reason;
mod settings;
mod store;
mod track;

pub use ages::next_younger;
pub use decide::{Balancer, Figures, Now, Pages, Settle, Sinking};
pub use endurance::{Endurance, Moment};
pub use reason::Reason;
pub use settings::{DRIVE_WRITES_PER_DAY, Settings};
pub use store::{Below, End, Fill, Run, Store, Strain};
