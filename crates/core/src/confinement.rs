//! What a cgroup's tiers come to on a host, as settings of its knobs; `confine` finds it.

use crate::units::Bytes;

/// What swap the host has beside its devices, and what can be said of it for one cgroup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Ways {
    /// zswap takes new pages.
    pub zswap: bool,
    /// lowtide's balancer writes pages of a zram device on to the disk behind it, whosever they are.
    pub zram_sinks: bool,
}

/// What the kernel is told about one cgroup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Confinement {
    /// For all swap together.
    pub swap: Option<SwapBound>,
    /// For zswap.
    pub zswap: ZswapBound,
    /// For what goes from slower nodes to the disk behind zswap.
    pub past_zswap: PastZswap,
}

/// Whether `memory.zswap.max` is 0 for the moment, so that what is swapped out goes to the device behind
/// zswap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PastZswap {
    /// Nothing is to go there now.
    #[default]
    NotWanted,
    /// It is.
    Set,
    /// Pages of this cgroup may not go past zswap, or the kernel has no such knob.
    Refused,
}

/// `memory.swap.max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct SwapBound {
    /// Uncompressed bytes on all devices and in zswap; nothing at all where it is zero.
    pub limit: Bytes,
    /// Why no more.
    pub why: Why,
}

/// The two knobs of zswap. Both at once, a limit that is reached and no way on to a device, would make the
/// kernel try each page and put it back: seconds of CPU for nothing (KERNEL.md §5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "bytes")]
pub enum ZswapBound {
    /// Left alone.
    #[default]
    Free,
    /// `memory.zswap.max`: compressed bytes. What is more goes to the device.
    AtMost(Bytes),
    /// `memory.zswap.writeback` 0: what is in zswap never goes to a device, and what zswap does not take
    /// stays in DRAM.
    Stays,
}

/// Why a cgroup's swap is bounded as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Every swap tier of this host is forbidden.
    Forbidden,
    /// A device is forbidden, another one allowed.
    CannotChoose,
    /// A disk is forbidden, and the balancer writes zram's pages to one.
    ZramSinks,
    /// The device is forbidden, zswap in front of it allowed, and the kernel cannot keep pages there.
    CannotStay,
    /// zswap is forbidden, and the operator has forbidden the way past it.
    NoWayPastZswap,
    /// It is a pod's and has tmpfs, which lowtide is not to send to a disk.
    Tmpfs,
    /// `at_most` of a device.
    AtMost,
    /// A knob of the cgroup could not be set.
    NotSet,
    /// `at_most` of zswap, or the operator's memory.zswap.max, where pages have to stay in zswap.
    ZswapAtMost,
}

impl Why {
    /// One sentence for an operator.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Forbidden => "the policy allows none of the swap tiers that this host has",
            Self::CannotChoose => {
                "the policy forbids one of this host's swap devices and allows another, and the kernel cannot choose a \
                 device for a cgroup: it gets no swap at all"
            }
            Self::ZramSinks => {
                "the policy forbids disks, and the balancer writes zram's pages to its backing device, whosever they \
                 are: no swap at all"
            }
            Self::CannotStay => {
                "the policy allows zswap and forbids the device behind it, and this kernel has no \
                 memory.zswap.writeback (6.8): no swap at all"
            }
            Self::NoWayPastZswap => {
                "the policy forbids zswap, and memory.zswap.writeback is 0, so nothing gets past it: no swap at all"
            }
            Self::NotSet => {
                "memory.swap.max or a knob of zswap could not be set for this cgroup, see the log: until it is, lowtide \
                 swaps none of it out"
            }
            Self::Tmpfs => {
                "what is swapped out on this host may get to a disk, and the kernel cannot keep tmpfs apart \
                 (`tmpfs_to_disk` of the policy)"
            }
            Self::AtMost => {
                "at_most of a swap device: the kernel counts a cgroup's swap as a whole, so it holds for all devices \
                 and zswap together"
            }
            Self::ZswapAtMost => {
                "at_most of zswap: pages may not leave it, so it holds for their uncompressed bytes"
            }
        }
    }
}
