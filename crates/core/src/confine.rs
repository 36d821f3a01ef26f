//! What the kernel is told about a cgroup so that its pages stay out of the tiers that its policy forbids or bounds.
//!
//! A stock kernel has three knobs for that, and none of them names a swap device: `memory.swap.max` counts a cgroup's
//! slots on all devices and in zswap together, `memory.zswap.max` its compressed bytes in zswap, and
//! `memory.zswap.writeback` (6.8) says whether its pages may go on from zswap to a device. Where they cannot say
//! exactly what the policy asks, they are set so that not one byte goes where it must not, though less goes where it may.

use crate::{
    observation::HostObservation,
    tier::TierKind,
    tier_rules::TierRules,
    units::{Bytes, Limit},
};

/// What swap the host has beside its devices, and what can be said of it for one cgroup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Ways {
    /// zswap takes new pages.
    pub zswap: bool,
    /// lowtide's balancer writes pages of a zram device on to the disk behind it, whosever they are.
    pub zram_sinks: bool,
}

/// What bears on one cgroup: its size, and what its operator has set for it or above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own {
    /// Its memory, in DRAM and offloaded: what shares are of.
    pub footprint: Bytes,
    /// The operator's memory.zswap.max, the smallest up to the root.
    pub zswap_max: Limit,
    /// The operator lets its pages go on from zswap to a device; `None` where the kernel has no memory.zswap.writeback.
    pub writeback: Option<bool>,
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

/// Whether `memory.zswap.max` is 0 for the moment, so that what is swapped out goes to the device behind zswap.
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

/// The two knobs of zswap. Both at once, a limit that is reached and no way on to a device, would make the kernel try
/// each page and put it back: seconds of CPU for nothing (KERNEL.md §5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "bytes")]
pub enum ZswapBound {
    /// Left alone.
    #[default]
    Free,
    /// `memory.zswap.max`: compressed bytes. What is more goes to the device.
    AtMost(Bytes),
    /// `memory.zswap.writeback` 0: what is in zswap never goes to a device, and what zswap does not take stays in DRAM.
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

/// What the kernel has to be told about a cgroup, so that `rules` hold on this host as it is now.
#[must_use]
pub fn confine(rules: &TierRules, host: &HostObservation, own: &Own) -> Confinement {
    if *rules == TierRules::Any {
        return Confinement::default();
    }
    let case = Case { rules, host, own };
    if case.forbids_a_device() { case.kept_off_devices() } else { case.bounded() }
}

impl Confinement {
    /// The same, with everything that is swapped out going past zswap for the moment.
    #[must_use]
    pub fn past_zswap(self, own: &Own) -> Self {
        // With memory.zswap.writeback 0 what zswap does not take stays in DRAM.
        if self.zswap == ZswapBound::Stays || own.writeback == Some(false) {
            return Self { past_zswap: PastZswap::Refused, ..self };
        }
        Self { zswap: ZswapBound::AtMost(Bytes::ZERO), past_zswap: PastZswap::Set, ..self }
    }
}

struct Case<'a> {
    rules: &'a TierRules,
    host: &'a HostObservation,
    own: &'a Own,
}

impl Case<'_> {
    /// Whether the kernel swaps to such a device.
    fn has(&self, kind: TierKind) -> bool {
        self.host.tiers.iter().any(|tier| tier.kind == kind && tier.has_slots())
    }

    /// The tiers in which a page may come to lie that the kernel gives a slot.
    fn devices(&self) -> impl Iterator<Item = TierKind> {
        let sinks = self.has(TierKind::Zram) && self.host.ways.zram_sinks;
        let disk = self.has(TierKind::Disk) || sinks;
        let zram = self.has(TierKind::Zram).then_some(TierKind::Zram);
        zram.into_iter().chain(disk.then_some(TierKind::Disk))
    }

    fn allows_no_swap(&self) -> bool {
        [TierKind::Zram, TierKind::Zswap, TierKind::Disk].into_iter().all(|tier| !self.rules.allows(tier))
    }

    /// Without any device too where no swap is allowed: one that is switched on later finds the knob set.
    fn forbids_a_device(&self) -> bool {
        self.allows_no_swap() || self.devices().any(|tier| !self.rules.allows(tier))
    }

    fn at_most(&self, tier: TierKind) -> Option<Bytes> {
        Some(self.rules.rule(tier)?.at_most?.of(self.own.footprint))
    }

    /// A device is forbidden: pages may be in zswap, if they can be kept there, or nowhere.
    fn kept_off_devices(&self) -> Confinement {
        let can_stay = self.own.writeback.is_some() && self.own.zswap_max != Limit::At(Bytes::ZERO);
        // Without zswap for what it had stored before.
        let zswap = if can_stay { ZswapBound::Stays } else { ZswapBound::Free };
        let in_zswap = self.host.ways.zswap && self.rules.allows(TierKind::Zswap);
        let swap = if in_zswap && can_stay {
            let operators = Some(self.own.zswap_max.bytes()).filter(|limit| *limit != Bytes::MAX);
            let least = self.at_most(TierKind::Zswap).into_iter().chain(operators).min();
            least.map(|limit| SwapBound { limit, why: Why::ZswapAtMost })
        } else {
            Some(SwapBound { limit: Bytes::ZERO, why: self.why_nowhere(in_zswap) })
        };
        Confinement { swap, zswap, ..Confinement::default() }
    }

    fn why_nowhere(&self, in_zswap: bool) -> Why {
        if in_zswap {
            return Why::CannotStay;
        }
        if self.devices().all(|tier| !self.rules.allows(tier)) {
            return Why::Forbidden;
        }
        if self.has(TierKind::Disk) { Why::CannotChoose } else { Why::ZramSinks }
    }

    /// Every device is allowed. The smallest bound of any of them is the only one that holds for each.
    fn bounded(&self) -> Confinement {
        let least = self.devices().filter_map(|tier| self.at_most(tier)).min();
        let swap = least.map(|limit| SwapBound { limit, why: Why::AtMost });
        let most = match self.rules.rule(TierKind::Zswap) {
            None => Some(Bytes::ZERO),
            Some(_) => self.at_most(TierKind::Zswap),
        };
        match most {
            None => Confinement { swap, ..Confinement::default() },
            Some(most) if self.own.writeback != Some(false) => {
                Confinement { swap, zswap: ZswapBound::AtMost(most), ..Confinement::default() }
            }
            Some(most) => {
                let why = if most.is_zero() { Why::NoWayPastZswap } else { Why::ZswapAtMost };
                let within = SwapBound { limit: most, why };
                let least = swap.into_iter().chain([within]).min_by_key(|bound| bound.limit);
                Confinement { swap: least, ..Confinement::default() }
            }
        }
    }
}

#[cfg(test)]
#[path = "confine_tests.rs"]
mod tests;
