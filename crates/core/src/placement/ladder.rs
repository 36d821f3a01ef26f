use std::{ops::Range, time::Duration};

use super::{Offer, Rates};
use crate::{
    cost::FaultCost,
    tier::{TierId, TierKind},
    units::{Bytes, Ratio},
};

/// From which idle age on each tier is worth it for one cgroup, at today's price.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Ladder {
    /// What a freed page is worth: seconds of stall a second, for each GiB.
    pub price_per_gib: f64,
    /// One for each tier that is on offer, the fastest first.
    pub rungs: Vec<Rung>,
}

/// One tier on the ladder.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Rung {
    /// What kind of place it is.
    pub kind: TierKind,
    /// Its device.
    pub device: TierId,
    /// What a fault costs.
    pub fault: FaultCost,
    /// DRAM freed by a byte that is put there.
    pub freed: Ratio,
    /// From this idle age on memory belongs there; `None` if not at today's price, whatever its age.
    pub from: Option<Duration>,
    /// How often memory of that age is touched again: share of it a second. Of the oldest class for a tier
    /// that is not worth it.
    pub touched: Ratio,
}

impl Ladder {
    /// Leans a ladder on what is on offer.
    ///
    /// In each class of age the tier with the greatest gain wins; the fastest among equals.
    pub(crate) fn lean(offers: &[Offer], rates: &Rates, price: Price) -> Self {
        let mut rungs: Vec<Rung> = offers.iter().map(|offer| offer.rung(rates)).collect();
        let per_page = price.per_page();
        for (ages, touched) in rates.by_age() {
            let Some(best) = best(offers, &ages, touched, per_page) else { continue };
            if rungs[best].from.is_none() {
                rungs[best].from = Some(ages.start.max(offers[best].after));
                rungs[best].touched = Ratio::new(touched);
            }
        }
        Self { price_per_gib: per_page * Bytes::mib(1024).share_of(Bytes::pages(1)).get(), rungs }
    }

    /// The rung of a device.
    #[must_use]
    pub fn rung(&self, device: &TierId) -> Option<&Rung> {
        self.rungs.iter().find(|rung| rung.device == *device)
    }
}

impl Offer {
    fn rung(&self, rates: &Rates) -> Rung {
        let oldest = rates.by_age().last().map_or(0.0, |(_, rate)| rate);
        Rung {
            kind: self.kind,
            device: self.device.clone(),
            fault: self.fault,
            freed: self.freed,
            from: None,
            touched: Ratio::new(oldest),
        }
    }

    /// Seconds of stall a second that a page is worth there, more than in DRAM.
    fn gain(&self, touched: f64, per_page: f64) -> f64 {
        per_page * self.freed.get() - touched * self.fault.time.as_secs_f64()
    }
}

fn best(offers: &[Offer], ages: &Range<Duration>, touched: f64, per_page: f64) -> Option<usize> {
    let mut best = None;
    let mut most = 0.0;
    for (index, offer) in offers.iter().enumerate() {
        let gain = offer.gain(touched, per_page);
        if offer.has_room && offer.after < ages.end && gain > most {
            (best, most) = (Some(index), gain);
        }
    }
    best
}

/// What the stall of one page is weighed against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Price {
    /// The feedback loop's: zero to one.
    pub(crate) share: Ratio,
    /// Stall on memory that the SLO accepts.
    pub(crate) pressure: Ratio,
    /// The cgroup's memory, in DRAM and away.
    pub(crate) footprint: Bytes,
    /// The host is about to run short.
    pub(crate) scarce: bool,
}

/// What a GiB is worth at the full price, in multiples of the stall that the SLO accepts: with 0.1 % that is
/// 32 s of stall an hour.
const WORTH_OF_A_GIB: f64 = 9.0;
/// Where memory runs short it is worth so many times as much.
pub(crate) const SCARCE: Ratio = Ratio::new(4.0);
/// What all of a cgroup is worth at the least.
const WORTH_OF_ALL: f64 = 0.4;
const GIB: Bytes = Bytes::mib(1024);

impl Price {
    /// What a page is worth, in seconds of stall a second.
    ///
    /// All of a small cgroup is worth two fifths of the stall that its SLO accepts; a GiB is worth the same
    /// in every cgroup above 46 MiB. (What it comes to in all is bounded by the SLO itself, through the
    /// share.)
    pub(crate) fn per_page(self) -> f64 {
        let of_all = WORTH_OF_ALL * Bytes::pages(1).share_of(self.footprint).clamped().get();
        let of_a_gib = WORTH_OF_A_GIB * Bytes::pages(1).share_of(GIB).get();
        let scarcity = if self.scarce { SCARCE } else { Ratio::ONE };
        self.share.of(scarcity).get() * self.pressure.get() * of_all.max(of_a_gib)
    }
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
