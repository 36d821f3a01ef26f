//! A tenant's memory as lots: pages that are touched together.

use std::time::Duration;

use lowtide_core::{Bytes, Ratio};

/// How often a lot is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// In every step.
    Hot,
    /// Once in this time.
    Warm(Duration),
    /// Never.
    Cold,
}

/// Pages that are touched together.
#[derive(Debug, Clone)]
pub(crate) struct Lot {
    pub(crate) class: Class,
    pub(crate) file: bool,
    pub(crate) resident: Bytes,
    pub(crate) offloaded: Bytes,
    pub(crate) touched: Duration,
    /// A warm lot's first touch.
    pub(crate) next: Duration,
}

impl Lot {
    pub(crate) fn new(class: Class, size: Bytes) -> Self {
        Self {
            class,
            file: false,
            resident: size,
            offloaded: Bytes::ZERO,
            touched: Duration::ZERO,
            next: Duration::ZERO,
        }
    }

    pub(crate) fn is_due(&self, now: Duration) -> bool {
        match self.class {
            Class::Hot => true,
            Class::Warm(_) => now >= self.next,
            Class::Cold => false,
        }
    }

    /// Returns what had to be faulted back.
    pub(crate) fn touch(&mut self, now: Duration) -> Bytes {
        if let Class::Warm(period) = self.class
            && now >= self.next
        {
            self.next = now + period;
        }
        let faulted = std::mem::take(&mut self.offloaded);
        self.resident += faulted;
        self.touched = now;
        faulted
    }

    pub(crate) fn take(&mut self, at_most: Bytes) -> Bytes {
        let taken = self.resident.min(at_most);
        self.resident = self.resident - taken;
        self.offloaded += taken;
        taken
    }
}

/// How well the kernel tells old pages from young ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reclaim {
    /// Ages within the same multiple of this look the same: the length of an MGLRU generation.
    pub(crate) generation: Duration,
    /// Share of each request that is taken without regard to age.
    pub(crate) error: Ratio,
}

impl Reclaim {
    /// Takes `amount` of the lots that `may` go: a share of it anywhere, the rest from the oldest generation on.
    pub(crate) fn run(
        self,
        lots: &mut [Lot],
        amount: Bytes,
        now: Duration,
        may: impl Fn(&Lot) -> bool,
    ) -> Bytes {
        let mut lots: Vec<_> = lots.iter_mut().filter(|lot| may(lot)).collect();
        let blind = take_evenly(&mut lots, amount.scale(self.error));
        lots.sort_by_key(|lot| std::cmp::Reverse(self.generation_of(lot, now)));
        let mut taken = blind;
        let same_age = |a: &&mut Lot, b: &&mut Lot| self.generation_of(a, now) == self.generation_of(b, now);
        for generation in lots.chunk_by_mut(same_age) {
            taken += take_evenly(generation, amount - taken);
        }
        taken
    }

    fn generation_of(self, lot: &Lot, now: Duration) -> u128 {
        now.saturating_sub(lot.touched).as_millis() / self.generation.as_millis().max(1)
    }
}

/// From each lot in proportion to its size.
fn take_evenly(lots: &mut [&mut Lot], amount: Bytes) -> Bytes {
    let all: Bytes = lots.iter().map(|lot| lot.resident).sum();
    let share = amount.share_of(all).clamped();
    lots.iter_mut().map(|lot| lot.take(lot.resident.scale(share))).sum()
}
