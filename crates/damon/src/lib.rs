//! DAMON, the kernel's data access monitor, through its sysfs tree `/sys/kernel/mm/damon/admin` (5.18 and
//! later).
//!
//! A [`Context`] describes what a kdamond (a monitoring thread of the kernel) shall watch and do: plain data
//! with sensible defaults. [`Admin::reserve`] finds a place for it, [`Reservation::claim`] takes it,
//! [`Claimed::probe`] finds out what the kernel has, [`Owned::start`] writes the description and starts it,
//! [`Owned::commit`] retunes it while it runs, [`Owned::snapshot`] reads regions with their access rates and
//! ages, [`Owned::teardown`] ends it and empties its place.
//!
//! What the running kernel has is probed, not guessed from its version ([`Capabilities`]); a description that
//! asks for more is refused with [`Error::Missing`] before anything is written.
//!
//! ```no_run
//! use std::{num::NonZeroU32, thread::sleep, time::Duration};
//!
//! use lowtide_damon::{Admin, Context, Intervals, Space, system_ram};
//! use lowtide_kernfs::Root;
//!
//! # fn main() -> Result<(), lowtide_damon::Error> {
//! let root = Root::open("/")?;
//! let admin = Admin::open(&root)?;
//! let reservation = admin.reserve(NonZeroU32::MIN)?;
//! // Keep `reservation.record()` on disk here, and the records of what follows at each step.
//! for claimed in reservation.claim()? {
//!     let mut owned = claimed.probe()?;
//!     let mut context = Context::new(Space::Physical(system_ram(&root)?));
//!     context.monitoring.intervals = Intervals::new(Duration::from_secs(1), 5);
//!     owned.start(&context)?;
//!     sleep(Duration::from_secs(60));
//!     for cohort in owned.snapshot()?.cohorts(0) {
//!         println!("{} idle for {:?} or more", cohort.bytes, cohort.youngest);
//!     }
//!     owned.teardown()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Whose kdamond is it?
//!
//! The kernel knows no owners, and `nr_kdamonds` is one number for all: whoever writes it removes every
//! kdamond's directory, which is refused with EBUSY while one runs and silently loses the settings of those
//! that do not (`damon_sysfs_kdamonds_add_dirs`, mm/damon/sysfs.c, 5.18 to 7.3). There is no way from one to
//! two that keeps the first. So this crate
//!
//! - writes `nr_kdamonds` only if no directory holds anything, and otherwise takes a *vacant* directory (off,
//!   and without targets and schemes) that is there; where there is none, [`Error::NoVacancy`] names who is
//!   in the way;
//! - holds the directories that it made open: a sysfs inode is never used again, so that a directory which
//!   somebody made anew under the same name is not mistaken for its own ([`Error::Lost`]);
//! - hands out [`Record`]s to be kept on disk, the first before anything is written, from which
//!   [`teardown_recorded`] finds and removes what a killed process left, and [`Owned::adopt`] takes it over
//!   running.
//!
//! Other programs (damo) are assumed to leave directories alone that they did not fill, and to run in the
//! same mount namespace's sysfs; one that writes `nr_kdamonds` or `nr_contexts` over ours takes the
//! directories away, which is noticed, and leaves a running kdamond behind, which is still stopped: it is
//! known by process id and start time. Nothing protects against two programs that write into one directory at
//! the same moment.
//!
//! # Blocking
//!
//! Commands wait for the kdamond: up to an aggregation interval, for a snapshot up to the longest apply
//! interval of its schemes, and from 6.14 they hold the lock of the whole tree meanwhile, so that everybody
//! else reads EBUSY. Call from a thread that may block, with apply intervals of seconds at most. EBUSY is
//! retried for [`Admin::with_patience`].
//!
//! Process ids are looked up by the kdamond when a change is committed (6.14 and later), so the caller has to
//! live in the initial pid namespace.

mod admin;
mod capabilities;
mod check;
mod describe;
mod directory;
mod error;
mod exclusive;
mod intervals;
mod missing;
mod owned;
mod patience;
mod plan;
mod probe;
mod record;
mod recover;
mod regions;
mod slot;
mod stats;
mod system_ram;
mod thread;

pub use admin::{Admin, Kdamond, KdamondState, Reservation};
pub use capabilities::{Capabilities, Part};
pub use describe::{
    AccessPattern, Action, AddressRange, Context, Destination, Filter, FilterKind, Goal, GoalTuner,
    Intervals, IntervalsGoal, Layer, Monitoring, Operations, Probe, ProbeFilter, ProbeKind, Process, Quota,
    RegionCount, Scheme, Space, Span, Verdict, Watermarks, Weights,
};
pub use error::{Error, Result};
pub use exclusive::ExclusiveUser;
pub use owned::{Claimed, Owned};
pub use record::{Claim, Creation, Record};
pub use recover::{Recovered, teardown_recorded};
pub use regions::{Cohort, IdleRegions, Region, Snapshot, Tried};
pub use stats::Stats;
pub use system_ram::{parse_system_ram, system_ram};
pub use thread::Thread;

#[cfg(test)]
mod tests;
