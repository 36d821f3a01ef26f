//! Whether it is worth it: memory that comes back as fast as it leaves gains nothing, and costs stall and
//! CPU.
//!
//! The price says from which age on a page is worth its returns, as far as ages are known. What came of it is
//! known without any ages: what left, what came back, and what that cost. While it is worth it the pace
//! doubles up to the policy's limit; otherwise it halves, down to a probe that notices when the tenant has
//! changed.
//!
//! Of anonymous memory more than half of what leaves has to stay away. Page cache is judged by what its
//! returns cost, less what finding out may cost: the kernel evicts what is read through descriptors in the
//! order of its first read (a read does not move it in MGLRU's lists, `folio_mark_accessed`, mm/swap.c).
//! Files that were hot from the start go first then, and all of them come back. Each does so once, to the
//! young end; behind them are the cold ones, which nobody reaches who gives up at the first.

use std::time::Duration;

use crate::{
    decision::Gain,
    units::{Bytes, Ratio},
};

/// Half of what is known is forgotten in this time.
const MEMORY: Duration = Duration::from_mins(2);
/// What is away is forgotten in this time where nobody counts it: files are deleted without a word.
const AWAY_KEPT: Duration = Duration::from_mins(30);
/// This share of the cgroup is presumed to have left and stayed away before anything did: a single fault is
/// no loss.
const PRIOR: Ratio = Ratio::percent(2.0);
/// At least so much of what leaves has to stay away.
const STAYS: Ratio = Ratio::percent(50.0);
/// Finding out what page cache is cold may cost this share of the stall on memory that the SLO accepts.
const FINDING_OUT: Ratio = Ratio::percent(10.0);
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

/// What the returns of one type of memory are weighed against, in seconds of stall a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value {
    /// What a byte that is away is worth.
    pub(crate) per_byte: f64,
    /// What may be paid for finding out, whatever is away.
    pub(crate) finding_out: f64,
}

impl Value {
    /// Of page cache: `pressure` is the stall on memory that the SLO accepts, `price` the feedback loop's
    /// share.
    pub(crate) fn of_file(per_byte: f64, pressure: Ratio, price: Ratio) -> Self {
        Self { per_byte, finding_out: pressure.of(FINDING_OUT).of(price).get() }
    }

    /// Of anonymous memory, whose ages tell what is cold.
    pub(crate) const fn of_anon(per_byte: f64) -> Self {
        Self { per_byte, finding_out: 0.0 }
    }
}

impl Worth {
    /// Takes in what happened.
    pub(crate) fn learn(&mut self, change: Change, elapsed: Duration) {
        let keep = kept(elapsed, MEMORY);
        let left = self.left * keep + change.left.as_f64();
        // What comes back although nothing left lately says nothing about the last choices.
        let back = (self.back * keep + change.back.as_f64()).min(left);
        // However long ago it left: what lowtide did not take is the tenant's own doing, and no more than
        // that.
        let paid = change.back.as_f64().min(self.away + change.left.as_f64());
        self.cost = self.cost * keep + paid / PAGE.as_f64() * change.per_page.as_secs_f64();
        let rest = self.away * kept(elapsed, AWAY_KEPT) + change.left.as_f64() - change.back.as_f64();
        self.away = change.away.map_or_else(|| rest.max(0.0), Bytes::as_f64);
        (self.left, self.back) = (left, back);
    }

    /// Moves the pace by how much of what left stays away.
    pub(crate) fn settle_by_staying(&mut self, footprint: Bytes, elapsed: Duration) {
        self.settle(self.stayed(footprint) >= STAYS, elapsed);
    }

    /// Moves the pace by what the returns cost.
    pub(crate) fn settle_by_cost(&mut self, footprint: Bytes, value: Value, elapsed: Duration) {
        self.settle(self.cost_of_worth(footprint, value) <= Ratio::ONE, elapsed);
    }

    fn settle(&mut self, is_worth_it: bool, elapsed: Duration) {
        let doublings = elapsed.as_secs_f64() / DOUBLING.as_secs_f64();
        let sign = if is_worth_it { 1.0 } else { -1.0 };
        self.pace = (self.pace * (sign * doublings).exp2()).clamp(PROBE, 1.0);
    }

    /// Bytes that left on request and are away, as far as that is known.
    pub(crate) fn away(&self) -> Bytes {
        whole(self.away)
    }

    /// Of what left in the last minutes, the share that stayed away; one if nothing left.
    ///
    /// Katalyst's refault accuracy, 1 − Δworkingset_activate / Δpgsteal, over all that was faulted back,
    /// against a prior: with the evidence of one bad minute fading on both sides of the fraction, it would
    /// never recover.
    pub(crate) fn stayed(&self, footprint: Bytes) -> Ratio {
        let judged = self.left + footprint.scale(PRIOR).as_f64();
        if judged > 0.0 { Ratio::new(1.0 - self.back / judged) } else { Ratio::ONE }
    }

    /// What the returns of the last minutes cost, over what they were allowed to: what was away in that time
    /// is worth, and what finding out may cost.
    fn cost_of_worth(&self, footprint: Bytes, value: Value) -> Ratio {
        let away = self.away + footprint.scale(PRIOR).as_f64();
        // A sum that halves in MEMORY stands for the last MEMORY / ln 2.
        let time = MEMORY.as_secs_f64() / std::f64::consts::LN_2;
        let worth = (away * value.per_byte + value.finding_out) * time;
        if worth > 0.0 { Ratio::new(self.cost / worth) } else { Ratio::ZERO }
    }

    /// For people.
    pub(crate) fn gain(&self, footprint: Bytes, value: Value) -> Gain {
        Gain {
            left: whole(self.left),
            back: whole(self.back),
            stayed: self.stayed(footprint),
            cost: self.cost_of_worth(footprint, value),
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
    /// 36 s of stall an hour for a GiB, and a tenth of an SLO of 0.1 %.
    const VALUE: Value = Value { per_byte: 0.01 / (1024.0 * 1024.0 * 1024.0), finding_out: 0.0001 };

    fn turns(worth: &mut Worth, count: usize, left: Bytes, back: Bytes, micros: u64) {
        for _ in 0..count {
            let change = Change { left, back, away: None, per_page: Duration::from_micros(micros) };
            worth.learn(change, TURN);
            worth.settle_by_cost(FOOTPRINT, VALUE, TURN);
        }
    }

    fn turns_by_staying(worth: &mut Worth, count: usize, left: Bytes, back: Bytes) {
        for _ in 0..count {
            worth.learn(Change { left, back, ..Change::default() }, TURN);
            worth.settle_by_staying(FOOTPRINT, TURN);
        }
    }

    #[test]
    fn what_stays_away_is_worth_the_fastest_pace() {
        let mut worth = Worth::default();
        turns(&mut worth, 30, Bytes::mib(1), Bytes::kib(64), 20);
        let gain = worth.gain(FOOTPRINT, VALUE);
        assert_eq!(gain.pace, Ratio::ONE);
        assert!(gain.stayed > Ratio::percent(90.0), "{gain:?}");
    }

    #[test]
    fn what_comes_back_as_fast_as_it_leaves_is_only_probed_until_that_ends() {
        let mut worth = Worth::default();
        turns_by_staying(&mut worth, 40, Bytes::mib(1), Bytes::mib(1));
        assert_eq!(worth.gain(FOOTPRINT, VALUE).pace, Ratio::new(PROBE));
        turns_by_staying(&mut worth, 100, Bytes::kib(128), Bytes::ZERO);
        assert_eq!(worth.gain(FOOTPRINT, VALUE).pace, Ratio::ONE);
    }

    /// A file of 8 pages that takes 160 µs to read, of the hot ones first: all come back.
    #[test]
    fn finding_out_may_cost_something_and_no_more() {
        let mut cheap = Worth::default();
        turns(&mut cheap, 40, Bytes::kib(128), Bytes::kib(128), 20);
        assert_eq!(cheap.gain(FOOTPRINT, VALUE).pace, Ratio::ONE);
        let mut dear = Worth::default();
        turns(&mut dear, 40, Bytes::mib(1), Bytes::mib(1), 20);
        assert_eq!(dear.gain(FOOTPRINT, VALUE).pace, Ratio::new(PROBE));
    }

    #[test]
    fn returns_that_cost_more_than_what_is_away_is_worth_end_it_though_most_stays() {
        let mut cheap = Worth::default();
        turns(&mut cheap, 40, Bytes::mib(1), Bytes::kib(256), 20);
        let mut dear = Worth::default();
        turns(&mut dear, 40, Bytes::mib(1), Bytes::kib(256), 8_000);
        assert_eq!(cheap.gain(FOOTPRINT, VALUE).pace, Ratio::ONE);
        assert_eq!(dear.gain(FOOTPRINT, VALUE).pace, Ratio::new(PROBE));
        assert_eq!(dear.stayed(FOOTPRINT), cheap.stayed(FOOTPRINT));
    }

    #[test]
    fn what_lowtide_did_not_take_is_not_held_against_it() {
        let mut worth = Worth::default();
        turns(&mut worth, 40, Bytes::ZERO, Bytes::mib(50), 8_000);
        assert_eq!(worth.gain(FOOTPRINT, VALUE).pace, Ratio::ONE);
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
                if counted {
                    worth.settle_by_cost(FOOTPRINT, VALUE, elapsed);
                } else {
                    worth.settle_by_staying(FOOTPRINT, elapsed);
                }
                let gain = worth.gain(FOOTPRINT, VALUE);
                prop_assert!(gain.pace >= Ratio::new(PROBE) && gain.pace <= Ratio::ONE);
                prop_assert!(gain.stayed <= Ratio::ONE && gain.back <= gain.left);
                prop_assert!(gain.cost.get().is_finite());
            }
        }
    }
}
