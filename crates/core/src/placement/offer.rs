use std::{sync::Arc, time::Duration};

use crate::{
    cost::{Costs, FaultCost},
    observation::{HostObservation, Tier, TierKind},
    units::Ratio,
};

/// What is assumed to be left of a page by compression, before anything is stored.
const ASSUMED_COMPRESSION: Ratio = Ratio::percent(40.0);

/// A tier as a page sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// What kind of place it is.
    pub kind: TierKind,
    /// Its device.
    pub device: Arc<str>,
    /// What a fault costs.
    pub fault: FaultCost,
    /// DRAM freed by a byte that is put there.
    pub freed: Ratio,
    /// Whether anything more finds room there.
    pub has_room: bool,
    /// The policy wants nothing younger than this there.
    pub after: Option<Duration>,
}

/// Where a page that leaves DRAM can come to lie, the fastest first.
///
/// Stock kernels let nobody choose a swap device for a page: it goes to zswap or else to the device of the highest priority
/// that has room, and from there only to what lies below that: the disk behind zswap, zram's backing device. A device of
/// lower priority is not on the ladder, it takes what finds no room above.
pub(crate) fn offers(host: &HostObservation, costs: &Costs) -> Vec<Offer> {
    let Some(entry) = host.tiers.iter().find(|tier| !tier.room().is_zero()) else { return Vec::new() };
    let first = Offer::of(entry, costs);
    let below = match entry.kind {
        TierKind::Zswap => {
            host.tiers.iter().find(|tier| tier.kind == TierKind::Disk).map(|tier| Offer::of(tier, costs))
        }
        TierKind::Zram => entry.below.as_ref().map(|below| Offer {
            kind: TierKind::Disk,
            device: Arc::clone(&below.device),
            fault: costs.of_device(&below.device, TierKind::Disk),
            freed: Ratio::ONE,
            has_room: !below.room.is_zero(),
            after: None,
        }),
        TierKind::Disk => None,
    };
    std::iter::once(first).chain(below).collect()
}

impl Offer {
    fn of(tier: &Tier, costs: &Costs) -> Self {
        let taken = if tier.kind == TierKind::Disk {
            Ratio::ZERO
        } else if tier.stored.is_zero() {
            ASSUMED_COMPRESSION
        } else {
            tier.resident_share()
        };
        Self {
            kind: tier.kind,
            device: Arc::clone(&tier.device),
            fault: costs.of(tier),
            freed: taken.complement(),
            has_room: !tier.room().is_zero(),
            after: None,
        }
    }
}
