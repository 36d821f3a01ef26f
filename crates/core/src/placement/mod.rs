//! Placement: from which idle age on which tier is worth it, at one price for each cgroup.
//!
//! A page idle for `a` in a tier `t` is expected to cost λ(a)·f(t) seconds of stall a second and frees σ(t)
//! of its size. At a price `p`, in seconds of stall a second that a freed page is worth, it belongs where
//! p·σ(t) − λ(a)·f(t) is greatest, DRAM being nothing. λ falls with age, so the answer is a ladder of ages.
//!
//! The price follows from the SLO: p = share × memory_pressure × 9 for each GiB (2/5 for all of a cgroup
//! below 46 MiB), four times as much while the host is about to run short. The share is the price that the
//! feedback loop sets.

mod ladder;
mod offer;
mod touches;

pub use ladder::{Ladder, Rung};
pub(crate) use ladder::{Price, SCARCE};
pub(crate) use offer::{Offer, offers};
pub(crate) use touches::{Rates, Touches};
