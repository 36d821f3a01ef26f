//! The places that memory can lie in beside DRAM.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use crate::units::{Bytes, Ratio};

/// Declares the kinds with their names in one list, so that none is missing among all of them.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident = $name:literal,)*) => {
        /// What kind of place a tier is, the fastest first.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum TierKind {
            $($(#[doc = $doc])* #[serde(rename = $name)] $kind,)*
        }

        impl TierKind {
            /// Every kind, the fastest first.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            /// The name in the configuration, and the label in metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    /// A NUMA node of memory that is slower than DRAM, such as CXL.
    Node = "node",
    /// A compressed RAM disk used as swap.
    Zram = "zram",
    /// Compressed RAM in front of a swap device.
    Zswap = "zswap",
    /// A swap partition or file on a block device.
    Disk = "disk",
}

/// What the capacity of a tier is a size of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capacity {
    /// Memory, for pages as they are.
    Memory,
    /// DRAM, for compressed pages.
    Pool,
    /// A device: its slots, or its blocks.
    Device,
}

/// What can be said of every tier of a kind. Each answer names all kinds, so that a new one does not compile
/// before it has its own.
impl TierKind {
    /// Its place among the kinds, by what a fault costs: less is faster. zram and zswap are both compressed
    /// RAM.
    #[must_use]
    pub const fn speed(self) -> u8 {
        match self {
            Self::Node => 0,
            Self::Zram | Self::Zswap => 1,
            Self::Disk => 2,
        }
    }

    /// Whether memory gets there by swapping out; a node's pages stay mapped, and are demoted.
    #[must_use]
    pub const fn is_swap(self) -> bool {
        match self {
            Self::Node => false,
            Self::Zram | Self::Zswap | Self::Disk => true,
        }
    }

    /// Whether swapped-out pages lie on a device of this kind.
    #[must_use]
    pub const fn is_swap_device(self) -> bool {
        match self {
            Self::Node | Self::Zswap => false,
            Self::Zram | Self::Disk => true,
        }
    }

    /// Whether the balancer can write zram's pages there.
    #[must_use]
    pub const fn is_below_zram(self) -> bool {
        match self {
            Self::Node | Self::Zram | Self::Zswap => false,
            Self::Disk => true,
        }
    }

    /// What its capacity is a size of.
    #[must_use]
    pub const fn capacity(self) -> Capacity {
        match self {
            Self::Node => Capacity::Memory,
            Self::Zswap => Capacity::Pool,
            Self::Zram | Self::Disk => Capacity::Device,
        }
    }

    /// Whether what it stores is written to a drive, which wears.
    #[must_use]
    pub const fn wears(self) -> bool {
        match self {
            Self::Node | Self::Zram | Self::Zswap => false,
            Self::Disk => true,
        }
    }

    /// What a fault on a page there is taken to cost until it is measured: some ten microseconds for a
    /// compressed page (TMO gives 40 for zswap's 90th percentile), some hundred for a solid-state disk. A
    /// disk that is slower shows it with its first reads; one that was taken for slow would never be read
    /// from, and never be known.
    #[must_use]
    pub const fn usual_fault(self) -> Duration {
        match self {
            // No fault at all as long as the page stays there, a few hundred nanoseconds for each access that
            // misses the caches; moving it back is a fault and a copy. 125 ns more than DRAM for each of
            // eight lines.
            Self::Node => Duration::from_micros(1),
            Self::Zram | Self::Zswap => Duration::from_micros(20),
            Self::Disk => Duration::from_micros(100),
        }
    }

    /// Whether it keeps pages compressed in DRAM, so that what it saves depends on what they hold.
    #[must_use]
    pub const fn compresses(self) -> bool {
        match self {
            Self::Node | Self::Disk => false,
            Self::Zram | Self::Zswap => true,
        }
    }
}

impl TierKind {
    /// The kind of the tier that is so [named](TierId::name), by an earlier daemon too.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (kind, _) = name.split_once(' ')?;
        Self::ALL.into_iter().find(|known| known.name() == kind)
    }
}

impl fmt::Display for TierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A NUMA node, by its number. Told as `node1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// Which tier it is. Told in one word or path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TierId {
    /// A node of slower memory: `node1`.
    Node(NodeId),
    /// zswap, of which a host has one: `zswap`.
    Zswap,
    /// A swap device or file as /proc/swaps names it (`/dev/zram0`), or the path of a backing device.
    Device(Arc<str>),
}

impl TierId {
    /// Its path, if it is a device or a file.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Device(path) => Some(path),
            Self::Node(_) | Self::Zswap => None,
        }
    }

    /// Kind and tier, as it is called on the disk and in reports: `zram /dev/zram0`.
    #[must_use]
    pub fn name(&self, kind: TierKind) -> String {
        format!("{} {self}", kind.name())
    }

    /// The text of it, for a label.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Node(node) => Cow::Owned(node.to_string()),
            Self::Zswap => Cow::Borrowed("zswap"),
            Self::Device(path) => Cow::Borrowed(path),
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("node{}", self.0))
    }
}

impl fmt::Display for TierId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl From<&str> for TierId {
    /// Understands its [text](Self::text). The path of a device begins with `/`.
    fn from(text: &str) -> Self {
        let node = text.strip_prefix("node").and_then(|number| number.parse().ok());
        match (node, text) {
            (Some(number), _) => Self::Node(NodeId(number)),
            (None, "zswap") => Self::Zswap,
            (None, path) => Self::Device(path.into()),
        }
    }
}

impl serde::Serialize for NodeId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl serde::Serialize for TierId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for TierId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*String::deserialize(deserializer)?))
    }
}

/// One tier as it is now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Tier {
    /// What kind of place it is.
    pub kind: TierKind,
    /// Which one it is.
    pub device: TierId,
    /// Swap priority; higher is used first. `None` for zswap and nodes, which are in front of all devices,
    /// and for a backing device.
    pub priority: Option<i32>,
    /// What it holds when full, uncompressed: swap slots, or a backing device's size. For zswap the DRAM that
    /// its pool may take, for a node its memory.
    pub capacity: Bytes,
    /// Swap slots taken. For zswap the DRAM that its pool takes: a tier's fill is what runs out first. For a
    /// node what is not free.
    pub used: Bytes,
    /// Uncompressed bytes whose data this tier holds now: for zram less than `used` after writeback to a
    /// backing device, for a disk under zswap less than `used` by what zswap still holds where that is known,
    /// for a node anonymous memory and page cache.
    pub stored: Bytes,
    /// DRAM that it takes for what it stores; zero for a disk and a node.
    pub resident: Bytes,
    /// zram's mem_limit, if one is set.
    pub resident_limit: Option<Bytes>,
    /// The tier that it takes pages from and that has the swap slots for them: the zram device of a backing
    /// device.
    pub above: Option<TierId>,
}

/// Room in swap, or on slower nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct SwapRoom {
    /// What the devices hold when full.
    pub total: Bytes,
    /// What they can still take.
    pub free: Bytes,
}

impl Tier {
    /// Share of its DRAM cost in what it stores: 0 for a disk, the compressed share for zram and zswap.
    #[must_use]
    pub fn resident_share(&self) -> Ratio {
        self.resident.share_of(self.stored).clamped()
    }

    /// Whether it is a swap device. zswap needs a slot on one for each page it stores, a backing device one
    /// on its zram.
    #[must_use]
    pub fn has_slots(&self) -> bool {
        self.kind.is_swap_device() && self.above.is_none()
    }

    /// Uncompressed bytes that it can still take: free slots, or what fits below the memory limit at today's
    /// compression, if that is less.
    #[must_use]
    pub fn room(&self) -> Bytes {
        let slots = self.capacity - self.used;
        let Some(limit) = self.resident_limit else { return slots };
        self.compressed_into(limit - self.resident).map_or(slots, |below_limit| slots.min(below_limit))
    }

    /// As [`room`](Self::room), for zswap too, whose capacity is the DRAM of its pool.
    #[must_use]
    pub fn uncompressed_room(&self) -> Bytes {
        match self.kind.capacity() {
            Capacity::Pool => self.compressed_into(self.room()).unwrap_or(Bytes::MAX),
            Capacity::Memory | Capacity::Device => self.room(),
        }
    }

    /// Uncompressed bytes that fit into so much DRAM at today's compression; all there are if it takes none.
    #[must_use]
    pub fn uncompressed(&self, dram: Bytes) -> Bytes {
        self.compressed_into(dram).unwrap_or(Bytes::MAX)
    }

    /// Uncompressed bytes that fit into so much DRAM at today's compression; `None` if it takes none.
    fn compressed_into(&self, dram: Bytes) -> Option<Bytes> {
        let share = if self.stored.is_zero() { Ratio::ONE } else { self.resident_share() };
        (share != Ratio::ZERO).then(|| dram.scale(Ratio::ONE.over(share)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_told_and_understood() {
        let told = [
            (TierId::Node(NodeId(1)), "node1"),
            (TierId::Zswap, "zswap"),
            (TierId::Device("/dev/zram0".into()), "/dev/zram0"),
            // No path, and no number either.
            (TierId::Device("nodes".into()), "nodes"),
        ];
        for (tier, text) in told {
            assert_eq!((tier.to_string().as_str(), TierId::from(text)), (text, tier));
        }
        assert_eq!(format!("{:<6}|", TierId::Node(NodeId(1))), "node1 |");
    }

    #[test]
    fn a_name_tells_the_kind() {
        for kind in TierKind::ALL {
            assert_eq!(TierKind::of_name(&TierId::Zswap.name(kind)), Some(kind));
        }
        assert_eq!(TierKind::of_name("tape /dev/st0"), None);
    }
}
