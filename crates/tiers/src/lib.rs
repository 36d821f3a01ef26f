//! Tiers: which devices there are, their room, and the DRAM they take.

mod backing;
mod block;
mod content;
mod device;
mod header;
mod inventory;
mod slow_node;
mod stored;
mod swaps;
mod writeback;
mod zram;
mod zswap;

pub use backing::Backing;
pub use block::{Traffic, parse_stat, reads, reads_of_number, traffic};
pub use content::{Content, MARK, START, content};
pub use device::{ZramDevice, add_zram, remove_zram, zram_devices, zram_is_there, zram_names};
pub use header::swap_header;
pub use inventory::read;
pub use slow_node::{SlowNode, added_latency, demotes, demotion_nodes, slow_nodes};
pub use stored::stored;
pub use swaps::{SwapDevice, SwapKind, swaps};
pub use writeback::{Selection, Writeback, WritebackError, Written};
pub use zram::Zram;
pub use zswap::Zswap;
