use std::time::Duration;

use crate::{
    compression,
    cost::{Costs, FaultCost},
    observation::HostObservation,
    tier::{Tier, TierId, TierKind},
    units::{Bytes, Ratio},
};

/// With less than this in it, a tier's compression says little: its allocator has its own overhead, and the
/// first pages are not like the rest.
const TELLING: Bytes = Bytes::mib(8);

/// What a byte of a slower node is worth in DRAM: it is memory too, and what lies there keeps other memory
/// off it.
const NODE_WORTH: Ratio = Ratio::percent(50.0);

/// A tier as a page sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Offer {
    /// What kind of place it is.
    pub(crate) kind: TierKind,
    /// Its device.
    pub(crate) device: TierId,
    /// What a fault costs.
    pub(crate) fault: FaultCost,
    /// DRAM freed by a byte that is put there; on a slower node what that is worth less the node's own
    /// memory.
    pub(crate) freed: Ratio,
    /// The same as it is to be expected, for a forecast. It differs where `freed` is assumed.
    pub(crate) expected: Ratio,
    /// Whether anything more finds room there.
    pub(crate) has_room: bool,
    /// Nothing younger than this goes there.
    pub(crate) after: Duration,
}

/// Where a page that leaves DRAM can come to lie, the fastest first.
///
/// Stock kernels let nobody choose a swap device for a page: it goes to zswap or else to the device of the
/// highest priority that has room, and from there only to what lies below that: the disk behind zswap, zram's
/// backing device. A device of lower priority is not on the ladder, it takes what finds no room above. On a
/// host that demotes, slower nodes come before all swap.
pub(crate) fn offers(host: &HostObservation, costs: &Costs) -> Vec<Offer> {
    let nodes = host.tiers.iter().filter(|tier| !tier.kind.is_swap() && host.demotes);
    nodes.map(|tier| Offer::of(tier, costs)).chain(swap(&host.tiers, costs)).collect()
}

/// Where a page that is swapped out goes to first, and where it can go on to from there.
fn swap(tiers: &[Tier], costs: &Costs) -> Vec<Offer> {
    // What is in a full tier can still sink from it.
    let sinks = |tier: &Tier| tiers.iter().any(|below| below.above.as_ref() == Some(&tier.device));
    let takes = |tier: &Tier| tier.kind.is_swap() && tier.above.is_none();
    let enters = |tier: &&Tier| takes(tier) && (sinks(tier) || !tier.room().is_zero());
    let Some(entry) = tiers.iter().find(enters) else { return Vec::new() };
    let below = tiers.iter().find(|tier| lies_below(tier, entry)).map(|tier| Offer::of(tier, costs));
    let entry = Offer { has_room: true, ..Offer::of(entry, costs) };
    std::iter::once(entry).chain(below).collect()
}

fn lies_below(tier: &Tier, entry: &Tier) -> bool {
    match entry.kind {
        TierKind::Zswap => tier.kind == TierKind::Disk && tier.has_slots(),
        TierKind::Zram => tier.above.as_ref() == Some(&entry.device),
        TierKind::Disk | TierKind::Node => false,
    }
}

impl Offer {
    fn of(tier: &Tier, costs: &Costs) -> Self {
        let (taken, expected) = match tier.kind {
            TierKind::Disk => (Ratio::ZERO, Ratio::ZERO),
            TierKind::Node => (NODE_WORTH, NODE_WORTH),
            TierKind::Zram | TierKind::Zswap if tier.stored < TELLING => {
                (compression::ASSUMED, compression::EXPECTED)
            }
            TierKind::Zram | TierKind::Zswap => (tier.resident_share(), tier.resident_share()),
        };
        Self {
            kind: tier.kind,
            device: tier.device.clone(),
            fault: costs.of(tier),
            freed: taken.complement(),
            expected: expected.complement(),
            has_room: !tier.room().is_zero(),
            after: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(kind: TierKind, device: &str, above: Option<&str>) -> Tier {
        Tier {
            kind,
            device: device.into(),
            priority: None,
            capacity: Bytes::mib(100),
            used: Bytes::mib(10),
            stored: Bytes::mib(10),
            resident: if kind == TierKind::Disk { Bytes::ZERO } else { Bytes::mib(3) },
            resident_limit: None,
            above: above.map(TierId::from),
        }
    }

    fn on_offer(tiers: Vec<Tier>) -> Vec<String> {
        let offers = offers(&HostObservation { tiers, ..HostObservation::default() }, &Costs::default());
        offers.iter().map(|offer| format!("{} {}", offer.device, offer.freed)).collect()
    }

    #[test]
    fn what_the_kernel_fills_first_and_what_lies_below_it() {
        let (zram, below) = (tier(TierKind::Zram, "zram0", None), tier(TierKind::Disk, "b", Some("zram0")));
        let disk = tier(TierKind::Disk, "d", None);
        assert_eq!(on_offer(vec![zram.clone(), below.clone(), disk.clone()]), ["zram0 70%", "b 100%"]);
        assert_eq!(
            on_offer(vec![tier(TierKind::Zswap, "zswap", None), disk.clone()]),
            ["zswap 70%", "d 100%"]
        );
        assert_eq!(on_offer(vec![disk.clone(), zram.clone(), below.clone()]), ["d 100%"]);
        let full = Tier { used: Bytes::mib(100), ..zram };
        assert_eq!(on_offer(vec![full.clone(), below, disk.clone()]), ["zram0 70%", "b 100%"], "it can sink");
        assert_eq!(on_offer(vec![full, disk]), ["d 100%"]);
        assert!(on_offer(Vec::new()).is_empty());
    }

    #[test]
    fn slower_nodes_come_first_where_the_kernel_demotes() {
        let tiers = vec![tier(TierKind::Node, "node1", None), tier(TierKind::Zram, "zram0", None)];
        assert_eq!(on_offer(tiers.clone()), ["zram0 70%"]);
        let host = HostObservation { tiers, demotes: true, ..HostObservation::default() };
        let offers = offers(&host, &Costs::default());
        assert_eq!(offers.iter().map(|offer| offer.device.text()).collect::<Vec<_>>(), ["node1", "zram0"]);
        assert_eq!(offers[0].freed, Ratio::percent(50.0));
    }
}
