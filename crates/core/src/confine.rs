//! What the kernel is told about a cgroup so that its pages stay out of the tiers that its policy forbids or
//! bounds.
//!
//! A stock kernel has three knobs for that, and none of them names a swap device: `memory.swap.max` counts a
//! cgroup's slots on all devices and in zswap together, `memory.zswap.max` its compressed bytes in zswap, and
//! `memory.zswap.writeback` (6.8) says whether its pages may go on from zswap to a device. Where they cannot
//! say exactly what the policy asks, they are set so that not one byte goes where it must not, though less
//! goes where it may.

use crate::{
    confinement::{Confinement, PastZswap, SwapBound, Why, ZswapBound},
    observation::HostObservation,
    tier::TierKind,
    tier_rules::TierRules,
    units::{Bytes, Limit},
};

/// What bears on one cgroup: its size, and what its operator has set for it or above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own {
    /// Its memory, in DRAM and offloaded: what shares are of.
    pub footprint: Bytes,
    /// The operator's memory.zswap.max, the smallest up to the root.
    pub zswap_max: Limit,
    /// The operator lets its pages go on from zswap to a device; `None` where the kernel has no
    /// memory.zswap.writeback.
    pub writeback: Option<bool>,
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

/// Whether a page that the kernel swaps out of a cgroup may come to lie on a disk, with `rules` held to.
#[must_use]
pub fn may_reach_disk(rules: &TierRules, host: &HostObservation) -> bool {
    rules.allows(TierKind::Disk) && devices(host).any(|kind| kind == TierKind::Disk)
}

/// Whether the kernel swaps to such a device.
fn has(host: &HostObservation, kind: TierKind) -> bool {
    host.tiers.iter().any(|tier| tier.kind == kind && tier.has_slots())
}

/// The tiers in which a page may come to lie that the kernel gives a slot.
fn devices(host: &HostObservation) -> impl Iterator<Item = TierKind> {
    let sinks = has(host, TierKind::Zram) && host.ways.zram_sinks;
    let devices = TierKind::ALL.into_iter().filter(|kind| kind.is_swap_device());
    devices.filter(move |kind| has(host, *kind) || (sinks && kind.is_below_zram()))
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
    fn allows_no_swap(&self) -> bool {
        TierKind::ALL.into_iter().filter(|kind| kind.is_swap()).all(|kind| !self.rules.allows(kind))
    }

    /// Without any device too where no swap is allowed: one that is switched on later finds the knob set.
    fn forbids_a_device(&self) -> bool {
        self.allows_no_swap() || devices(self.host).any(|tier| !self.rules.allows(tier))
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
        if devices(self.host).all(|tier| !self.rules.allows(tier)) {
            return Why::Forbidden;
        }
        if has(self.host, TierKind::Disk) { Why::CannotChoose } else { Why::ZramSinks }
    }

    /// Every device is allowed. The smallest bound of any of them is the only one that holds for each.
    fn bounded(&self) -> Confinement {
        let least = devices(self.host).filter_map(|tier| self.at_most(tier)).min();
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
