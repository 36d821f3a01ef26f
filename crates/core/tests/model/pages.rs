//! A tenant's memory as lots: pages that are touched together.

use std::time::Duration;

use lowtide_core::{Bytes, Ratio};

/// How often a lot is touched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Class {
    /// In every step.
    Hot,
    /// Once in this time.
    Warm(Duration),
    /// At random, once in this time on average.
    Random(Duration),
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
    /// Page cache that is read through descriptors: the kernel knows it by when it came to be there, whatever
    /// was read since.
    pub(crate) entered: Option<Duration>,
    /// A warm lot's first touch.
    pub(crate) next: Duration,
    /// What a lot that is touched at random has drawn last.
    pub(crate) random: u64,
}

impl Lot {
    pub(crate) fn new(class: Class, size: Bytes) -> Self {
        Self {
            class,
            file: false,
            resident: size,
            offloaded: Bytes::ZERO,
            touched: Duration::ZERO,
            entered: None,
            next: Duration::ZERO,
            random: 0,
        }
    }

    /// Touched at random; no two seeds give the same touches.
    pub(crate) fn at_random(every: Duration, size: Bytes, seed: u64) -> Self {
        let mut lot = Self { random: seed, ..Self::new(Class::Random(every), size) };
        lot.next = lot.draw(every);
        lot
    }

    /// The time until the next touch, of which none knows how long ago the last was.
    fn draw(&mut self, every: Duration) -> Duration {
        self.random = scramble(self.random);
        // Even between 0 and 1, never 1.
        let even =
            f64::from(u32::try_from(self.random >> 32).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0);
        every.mul_f64(-(1.0 - even).ln())
    }

    pub(crate) fn is_due(&self, now: Duration) -> bool {
        match self.class {
            Class::Hot => true,
            Class::Warm(_) | Class::Random(_) => now >= self.next,
            Class::Cold => false,
        }
    }

    /// Returns what had to be faulted back.
    pub(crate) fn touch(&mut self, now: Duration) -> Bytes {
        if now >= self.next {
            match self.class {
                Class::Warm(period) => self.next = now + period,
                Class::Random(every) => self.next = now + self.draw(every),
                Class::Hot | Class::Cold => {}
            }
        }
        let faulted = std::mem::take(&mut self.offloaded);
        self.resident += faulted;
        self.touched = now;
        if !faulted.is_zero() {
            self.entered = self.entered.map(|_| now);
        }
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
    /// Of what looks the same, in which order it goes.
    pub(crate) order: Order,
}

/// In which order lots go that look equally old.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Order {
    /// A part of each.
    Even,
    /// The first first, as from an MGLRU generation that came to be in the order of their first touch.
    First,
}

impl Reclaim {
    /// Takes `amount` of the lots that `may` go: a share of it anywhere, the rest from the oldest generation
    /// on.
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
            taken += match self.order {
                Order::Even => take_evenly(generation, amount - taken),
                Order::First => take_in_order(generation, amount - taken),
            };
        }
        taken
    }

    fn generation_of(self, lot: &Lot, now: Duration) -> u128 {
        now.saturating_sub(lot.entered.unwrap_or(lot.touched)).as_millis()
            / self.generation.as_millis().max(1)
    }
}

/// From each lot in proportion to its size, whole pages.
fn take_evenly(lots: &mut [&mut Lot], amount: Bytes) -> Bytes {
    let all: Bytes = lots.iter().map(|lot| lot.resident).sum();
    let share = amount.share_of(all).clamped();
    let mut due = Bytes::ZERO;
    let mut taken = Bytes::ZERO;
    for lot in lots {
        due += lot.resident.scale(share);
        let part = lot.take(due.whole_pages());
        due = due - part;
        taken += part;
    }
    taken
}

fn take_in_order(lots: &mut [&mut Lot], amount: Bytes) -> Bytes {
    lots.iter_mut().fold(Bytes::ZERO, |taken, lot| taken + lot.take((amount - taken).whole_pages()))
}

/// A number that looks as if it had nothing to do with `state` (the step of SplitMix64).
pub(crate) fn scramble(state: u64) -> u64 {
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
