//! Writes to `memory.reclaim` that hang: on a stock kernel, without a broken one.
//!
//! Reclaim only starts to write to a swap device, and goes on; but where all places of the device's queue are
//! taken it waits for one, and hears no signal (`blk_mq_get_tag`, block/blk-mq-tag.c; 6.12). All swap here is
//! one disk behind zswap. Whoever forbids itself zswap (`memory.zswap.max` 0, which a tenant may write) goes
//! to the disk, which takes one page a place and [`HANGS_FOR`] for each: its reclaim hangs. All others stay
//! in zswap, and never meet the disk.
//!
//! The disk answers at last, so that the processes can end: a thread that hangs there outlives even SIGKILL.

use crate::guest::mapper::Behaviour;
use crate::guest::{Mapped, NullBlock, block, knobs, swap};
use anyhow::Result;

/// Longer than anybody waits: the end's ten seconds, the watchdog's twenty.
const HANGS_FOR: u64 = 40_000_000_000;

/// The disk, while it is quick, and what it is going to be.
pub(super) struct Hang {
    disk: Mapped,
    slow: NullBlock,
}

impl Hang {
    /// Swap on a disk that answers at once, behind zswap.
    pub(super) fn prepare(bytes: u64) -> Result<Self> {
        let quick = NullBlock::create(0, bytes, block::SSD_NANOSECONDS)?;
        let slow = NullBlock::create(1, bytes, HANGS_FOR)?;
        slow.take_single_pages()?;
        let disk = Mapped::create("swap", quick.device(), Behaviour::Linear)?;
        knobs::set_zswap("compressor", "lz4")?;
        swap::on(&disk.device(), 100)?;
        Ok(Self { disk, slow })
    }

    /// From now on whoever goes to the disk hangs. What was on it is lost, its header too, which the kernel
    /// has read: nobody may have anything there.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.disk.move_to(self.slow.device())
    }
}
