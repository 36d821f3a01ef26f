use std::time::Duration;

use lowtide_core::{Bytes, Ratio, TierKind};
use lowtide_tiers::Traffic;
use serde::Serialize;

use super::rate::per_second;
use crate::sample::{Status, Store, TierSample};

/// A place where offloaded pages can live.
#[derive(Debug, Clone, Serialize)]
pub struct Tier {
    /// What kind of place.
    pub kind: TierKind,
    /// The device, `zswap`, or a node's name.
    pub device: String,
    /// The tier whose pages sink here.
    pub above: Option<String>,
    /// Full when this is one: the greater share of its slots and of the DRAM that it may take.
    pub fill: Ratio,
    /// Taken, of `capacity`: swap slots; for zswap DRAM, for a node what is not free.
    pub used: Bytes,
    /// What it holds when full.
    pub capacity: Bytes,
    /// Uncompressed bytes whose data is here.
    pub stored: Bytes,
    /// DRAM that it takes for them.
    pub resident: Bytes,
    /// What a fault on a page costs; only the daemon knows.
    pub cost: Option<Cost>,
    /// Bytes a second that went in. Of a disk everything that is written to it, swap or not.
    pub written_per_second: Option<f64>,
    /// Bytes a second that came back.
    pub read_per_second: Option<f64>,
    /// What the balancer wrote here; only for a device that pages sink to, and only the daemon knows.
    pub sunk: Option<Sunk>,
}

/// What a fault costs.
#[derive(Debug, Clone, Serialize)]
pub struct Cost {
    /// On one page.
    pub fault: Duration,
    /// `measured`, `told` by firmware, or `assumed`.
    pub basis: String,
}

/// The account of a device that pages sink to.
#[derive(Debug, Clone, Serialize)]
pub struct Sunk {
    /// Moved since the daemon's start.
    pub moved: Bytes,
    /// Written in the last 24 hours.
    pub written: Bytes,
    /// What may be written in 24 hours.
    pub budget: Bytes,
}

impl Tier {
    pub(super) fn all(
        now: &[TierSample],
        before: Option<&[TierSample]>,
        over: Option<Duration>,
        status: Option<&Status>,
    ) -> Vec<Self> {
        let each = now.iter().map(|sample| {
            let is_same = |other: &&TierSample| {
                (other.tier.kind, &other.tier.device, &other.tier.above)
                    == (sample.tier.kind, &sample.tier.device, &sample.tier.above)
            };
            let earlier = before.and_then(|before| before.iter().find(is_same));
            Self::new(sample, earlier, over, status)
        });
        each.collect()
    }

    fn new(
        now: &TierSample,
        before: Option<&TierSample>,
        over: Option<Duration>,
        status: Option<&Status>,
    ) -> Self {
        let TierSample { tier, traffic } = now;
        let earlier = before.and_then(|before| before.traffic);
        let rate = |of: fn(Traffic) -> Bytes| {
            per_second(
                traffic.map(|traffic| of(traffic).get()),
                earlier.map(|traffic| of(traffic).get()),
                over,
            )
        };
        let of_limit = tier.resident_limit.map_or(Ratio::ZERO, |limit| tier.resident.share_of(limit));
        let of_slots = tier.used.share_of(tier.capacity);
        let cost = status.and_then(|status| status.fault_cost(&tier.device));
        let store = tier.above.as_ref().and_then(|_| status?.store_above(&tier.device));
        Self {
            kind: tier.kind,
            device: tier.device.to_string(),
            above: tier.above.as_ref().map(ToString::to_string),
            fill: if of_limit > of_slots { of_limit } else { of_slots },
            used: tier.used,
            capacity: tier.capacity,
            stored: tier.stored,
            resident: tier.resident,
            cost: cost.map(|(fault, basis)| Cost { fault, basis: basis.to_owned() }),
            written_per_second: rate(|traffic| traffic.written),
            read_per_second: rate(|traffic| traffic.read),
            sunk: store.map(|Store { moved, written, budget, .. }| Sunk {
                moved: *moved,
                written: *written,
                budget: *budget,
            }),
        }
    }
}
