use std::{sync::Arc, time::Duration};

use super::Reason;
use crate::{
    tier::{TierId, TierKind},
    units::{Bytes, Ratio},
};

/// A fast tier at one moment, and what lies below it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Store {
    /// What it is: [`TierKind::Zram`].
    pub kind: TierKind,
    /// Its name, such as `zram0`.
    pub device: Arc<str>,
    /// Swap slots that it has.
    pub slots: Bytes,
    /// Swap slots that are taken, by pages in DRAM and by pages that have sunk.
    pub slots_used: Bytes,
    /// Uncompressed bytes whose data is in DRAM.
    pub stored: Bytes,
    /// DRAM that they take.
    pub resident: Bytes,
    /// Of that, pages that did not compress and are kept whole (`huge_pages`).
    pub incompressible: Bytes,
    /// DRAM that they may take (mem_limit).
    pub resident_limit: Option<Bytes>,
    /// The slower device; `None` if nothing can sink.
    pub below: Option<Below>,
}

/// The slower device below a store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Below {
    /// Its path, such as `/dev/nvme0n1p3`.
    pub device: Arc<str>,
    /// Its size.
    pub capacity: Bytes,
    /// What lies on it.
    pub used: Bytes,
    /// Written to it for the store since that was set up.
    pub written: Bytes,
    /// What it takes at least, and in multiples of which: a page of the host.
    #[serde(skip)]
    pub page: Bytes,
}

impl Below {
    /// Which tier it is.
    #[must_use]
    pub fn tier(&self) -> TierId {
        TierId::Device(Arc::clone(&self.device))
    }

    /// What still finds room on it, in whole pages.
    ///
    /// Its first page does not count: zram leaves that one out, as block 0 means none (`alloc_block_bdev`,
    /// drivers/block/zram/zram_drv.c, up to 6.18).
    pub(super) fn room(&self) -> Bytes {
        self.capacity.whole(self.page) - self.page - self.used
    }
}

/// How full a store is.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Fill {
    /// Of its DRAM: `resident` of `resident_limit`. Without a limit, the uncompressed bytes in DRAM as a
    /// share of the slots: then that is all the DRAM that it could come to hold. Sinking lowers it.
    pub memory: Ratio,
    /// Of its slots. Sinking leaves it as it is: a page that has sunk keeps its slot.
    pub slots: Ratio,
}

impl Store {
    /// What sinks at least, and in multiples of which.
    pub(super) fn page(&self) -> Bytes {
        self.below.as_ref().map_or(Bytes::pages(1), |below| below.page)
    }

    /// How full it is.
    #[must_use]
    pub fn fill(&self) -> Fill {
        let (part, whole) = self.measure();
        Fill { memory: part.share_of(whole), slots: self.slots_used.share_of(self.slots) }
    }

    /// What its fill is measured in, and when it is full: DRAM, or uncompressed bytes without a limit.
    pub(super) fn measure(&self) -> (Bytes, Bytes) {
        match self.resident_limit {
            Some(limit) => (self.resident, limit),
            None => (self.stored, self.slots),
        }
    }

    /// By how much the measure falls when one uncompressed byte sinks. At least a hundredth: a store of pages
    /// that take next to nothing has no need to sink, and a division by nothing no answer.
    pub(super) fn density(&self) -> Ratio {
        match self.resident_limit {
            Some(_) => Ratio::new(self.resident.share_of(self.stored).clamped().get().max(0.01)),
            None => Ratio::ONE,
        }
    }
}

/// What speaks against moving anything now, worst first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strain {
    /// Nothing.
    #[default]
    None,
    /// Tasks stall on memory.
    Memory,
    /// Tasks stall on I/O.
    Io,
    /// A pressure trigger fired.
    Trigger,
}

impl Strain {
    /// Why nothing may be moved from a store that is urgent or not, be it begun or not.
    #[must_use]
    pub const fn forbids(self, is_urgent: bool) -> Option<Reason> {
        match self {
            Self::Trigger => Some(Reason::Trigger),
            Self::Io if !is_urgent => Some(Reason::IoPressure),
            Self::Memory if !is_urgent => Some(Reason::MemoryPressure),
            Self::Io | Self::Memory | Self::None => None,
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Run {
    /// Uncompressed bytes that sank.
    pub moved: Bytes,
    /// Time that it took.
    pub took: Duration,
    /// The youngest age at which all that was older had sunk when the run ended; `None` if it ended before
    /// one was reached.
    pub emptied: Option<Duration>,
    /// How it ended.
    pub end: End,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It had its amount or its time, or nothing that may sink is left.
    #[default]
    Done,
    /// It was cut short.
    Stopped,
    /// The slower device is full.
    Full,
    /// The kernel cannot tell ages: all is to be marked, and the age waited for.
    Ageless,
    /// Somebody else was moving pages of the device.
    Busy,
    /// The kernel answered with an error.
    Failed,
}
