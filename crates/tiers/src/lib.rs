//! Swap tiers: which devices there are, their room, and the DRAM they take.

mod backing;
mod block;
mod inventory;
mod swaps;
mod writeback;
mod zram;
mod zswap;

pub use backing::Backing;
pub use block::{parse_stat, reads};
pub use inventory::read;
pub use swaps::{SwapDevice, parse_swaps, swaps};
pub use writeback::{Selection, Writeback, WritebackError, Written};
pub use zram::Zram;
pub use zswap::Zswap;
