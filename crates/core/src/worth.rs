//! Whether it is worth it: memory that comes back as fast as it leaves gains nothing, and costs stall and CPU.
//!
//! The price says from which age on a page is worth its returns, as far as ages are known. What came of it is known without any
//! ages: what left, what came back, and what that cost. While more than half of what leaves stays away, and what is away is
//! worth more than its returns cost, the pace doubles up to the policy's limit; otherwise it halves, down to a probe that
//! notices when the tenant has changed.

use std::time::Duration;

use crate::{
    decision::Gain,
    units::{Bytes, Ratio},
};

/// Half of what is known is forgotten in this time.
const MEMORY: Duration = Duration::from_mins(2);
/// What is away is forgotten in this time where nobody counts it: files are deleted without a word.
const AWAY_KEPT: Duration = Duration::from_mins(30);
/// This share of the cgroup is presumed to have left and stayed away before anything did: a single fault is no loss.
const PRIOR: Ratio = Ratio::percent(2.0);
/// At least so much of what leaves has to stay away.
const STAYS: Ratio = Ratio::percent(50.0);
/// Time in which the pace doubles while it is worth it, and halves while it is not.
const DOUBLING: Duration = Duration::from_secs(15);
/// A probe: low enough to cost nothing, high enough to notice that a tenant's memory has become cold.
const PROBE: f64 = 1.0 / 64.0;

const PAGE: Bytes = Bytes::pages(1);

/// The account of one type of memory of one cgroup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Worth {
    /// Bytes that left on request and bytes that came back, both fading.
    left: f64,
    back: f64,
    /// Seconds of stall and CPU that the returns cost, fading as they do.
    cost: f64,
    /// Bytes that are away.
    away: f64,
    pace: f64,
}

impl Default for Worth {
    fn default() -> Self {
        Self { left: 0.0, back: 0.0, cost: 0.0, away: 0.0, pace: 1.0 }
    }
}

/// What happened to one type of memory since the last turn.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Change {
    /// Left on request.
    pub(crate) left: Bytes,
    /// Came back.
    pub(crate) back: Bytes,
    /// Is away now, where that is counted: the kernel keeps no account of page cache that it dropped.
    pub(crate) away: Option<Bytes>,
    /// Stall and CPU for each page on its way there and back.
    pub(crate) per_page: Duration,
}

impl Worth {
    /// Takes in what happened.
    pub(crate) fn learn(&mut self, change: Change, elapsed: Duration) {
        let keep = kept(elapsed, MEMORY);
        let left = self.left * keep + change.left.as_f64();
        // What comes back although nothing left lately says nothing about the last choices.
        let back = (self.back * keep + change.back.as_f64()).min(left);
        let new = (back - self.back * keep).max(0.0);
        self.cost = self.cost * keep + new / PAGE.as_f64() * change.per_page.as_secs_f64();
        let rest = self.away * kept(elapsed, AWAY_KEPT) + change.left.as_f64() - change.back.as_f64();
        self.away = change.away.map_or_else(|| rest.max(0.0), Bytes::as_f64);
        (self.left, self.back) = (left, back);
    }

    /// Moves the pace. `per_byte` is what a byte that is away is worth, in seconds of stall a second.
    pub(crate) fn settle(&mut self, footprint: Bytes, per_byte: f64, elapsed: Duration) {
        let doublings = elapsed.as_secs_f64() / DOUBLING.as_secs_f64();
        let is_worth_it =
            self.stayed(footprint) >= STAYS && self.cost_of_worth(footprint, per_byte) <= Ratio::ONE;
        let sign = if is_worth_it { 1.0 } else { -1.0 };
        self.pace = (self.pace * (sign * doublings).exp2()).clamp(PROBE, 1.0);
    }

    /// Bytes that left on request and are away, as far as that is known.
    pub(crate) fn away(&self) -> Bytes {
        whole(self.away)
    }

    /// Of what left in the last minutes, the share that stayed away; one if nothing left.
    ///
    /// Katalyst's refault accuracy, 1 − Δworkingset_activate / Δpgsteal, over all that was faulted back, against a prior:
    /// with the evidence of one bad minute fading on both sides of the fraction, it would never recover.
    pub(crate) fn stayed(&self, footprint: Bytes) -> Ratio {
        let judged = self.left + footprint.scale(PRIOR).as_f64();
        if judged > 0.0 { Ratio::new(1.0 - self.back / judged) } else { Ratio::ONE }
    }

    /// What the returns of the last minutes cost, over what was away in that time is worth.
    fn cost_of_worth(&self, footprint: Bytes, per_byte: f64) -> Ratio {
        let away = self.away + footprint.scale(PRIOR).as_f64();
        // A sum that halves in MEMORY stands for the last MEMORY / ln 2.
        let worth = away * per_byte * MEMORY.as_secs_f64() / std::f64::consts::LN_2;
        if worth > 0.0 { Ratio::new(self.cost / worth) } else { Ratio::ZERO }
    }

    /// For people.
    pub(crate) fn gain(&self, footprint: Bytes, per_byte: f64) -> Gain {
        Gain {
            left: whole(self.left),
            back: whole(self.back),
            stayed: self.stayed(footprint),
            cost: self.cost_of_worth(footprint, per_byte),
            pace: Ratio::new(self.pace),
        }
    }
}

fn kept(elapsed: Duration, half_life: Duration) -> f64 {
    (-elapsed.as_secs_f64() / half_life.as_secs_f64()).exp2()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative; saturates")]
fn whole(bytes: f64) -> Bytes {
    Bytes::new(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FOOTPRINT: Bytes = Bytes::mib(100);
    const TURN: Duration = Duration::from_secs(6);
    /// 36 s of stall an hour for a GiB.
    const PER_BYTE: f64 = 0.01 / (1024.0 * 1024.0 * 1024.0);

    fn turns(worth: &mut Worth, count: usize, left: Bytes, back: Bytes, micros: u64) {
        for _ in 0..count {
            let change = Change { left, back, away: None, per_page: Duration::from_micros(micros) };
            worth.learn(change, TURN);
            worth.settle(FOOTPRINT, PER_BYTE, TURN);
        }
    }

    #[test]
    fn what_stays_away_is_worth_the_fastest_pace() {
        let mut worth = Worth::default();
        turns(&mut worth, 30, Bytes::mib(1), Bytes::kib(64), 20);
        let gain = worth.gain(FOOTPRINT, PER_BYTE);
        assert_eq!(gain.pace, Ratio::ONE);
        assert!(gain.stayed > Ratio::percent(90.0), "{gain:?}");
    }

    #[test]
    fn what_comes_back_as_fast_as_it_leaves_is_only_probed_until_that_ends() {
        let mut worth = Worth::default();
        turns(&mut worth, 40, Bytes::mib(1), Bytes::mib(1), 20);
        assert_eq!(worth.gain(FOOTPRINT, PER_BYTE).pace, Ratio::new(PROBE));
        turns(&mut worth, 100, Bytes::kib(128), Bytes::ZERO, 20);
        assert_eq!(worth.gain(FOOTPRINT, PER_BYTE).pace, Ratio::ONE);
    }

    #[test]
    fn returns_that_cost_more_than_what_is_away_is_worth_end_it_though_most_stays() {
        let mut cheap = Worth::default();
        turns(&mut cheap, 40, Bytes::mib(1), Bytes::kib(256), 20);
        let mut dear = Worth::default();
        turns(&mut dear, 40, Bytes::mib(1), Bytes::kib(256), 8_000);
        assert_eq!(cheap.gain(FOOTPRINT, PER_BYTE).pace, Ratio::ONE);
        assert_eq!(dear.gain(FOOTPRINT, PER_BYTE).pace, Ratio::new(PROBE));
        assert_eq!(dear.stayed(FOOTPRINT), cheap.stayed(FOOTPRINT));
    }

    #[test]
    fn what_lowtide_did_not_take_is_not_held_against_it() {
        let mut worth = Worth::default();
        turns(&mut worth, 40, Bytes::ZERO, Bytes::mib(50), 8_000);
        assert_eq!(worth.gain(FOOTPRINT, PER_BYTE).pace, Ratio::ONE);
        assert_eq!(worth.stayed(FOOTPRINT), Ratio::ONE);
    }

    proptest! {
        #[test]
        fn stays_in_range(steps in prop::collection::vec((any::<u32>(), any::<u32>(), any::<bool>(), 0_u64..100_000), 0..200)) {
            let mut worth = Worth::default();
            for (left, back, counted, milliseconds) in steps {
                let (left, back) = (Bytes::new(left.into()), Bytes::new(back.into()));
                let away = counted.then_some(left);
                let elapsed = Duration::from_millis(milliseconds);
                worth.learn(Change { left, back, away, per_page: elapsed / 1000 }, elapsed);
                worth.settle(FOOTPRINT, PER_BYTE, elapsed);
                let gain = worth.gain(FOOTPRINT, PER_BYTE);
                prop_assert!(gain.pace >= Ratio::new(PROBE) && gain.pace <= Ratio::ONE);
                prop_assert!(gain.stayed <= Ratio::ONE && gain.back <= gain.left);
                prop_assert!(gain.cost.get().is_finite());
            }
        }
    }
}
