//! The price: how eagerly memory is offloaded, the only state of the feedback loop.
//!
//! DESIGN's price p is "seconds of stall per second that a freed page is worth". Without an idle-age histogram there
//! is no ladder for it to choose from, and all it can set is the size of the probing step; here it is a share of the
//! fastest pace that the policy allows. It doubles in [`DOUBLING`] while the SLO holds and what was offloaded stays
//! away, halves when the SLO is broken and quarters when a pressure trigger fires.

use std::time::Duration;

use crate::units::{Bytes, Ratio};

/// The price of a cgroup that is not known yet.
pub(crate) const FIRST_PRICE: Ratio = Ratio::new(0.25);
/// Low enough to do no harm, high enough to notice when a tenant's memory has become cold.
const LEAST_PRICE: Ratio = Ratio::new(1.0 / 64.0);
/// Time in which the price doubles with nothing in its way.
const DOUBLING: Duration = Duration::from_secs(15);
/// Half of what is known about accuracy is forgotten in this time.
const MEMORY: Duration = Duration::from_mins(2);

/// This share of the cgroup is presumed to have been offloaded well before anything was.
const PRIOR: Ratio = Ratio::new(0.02);

/// Price and accuracy of one cgroup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    price: Ratio,
    /// Bytes offloaded and bytes faulted back, both fading with time.
    offloaded: f64,
    promoted: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { price: FIRST_PRICE, offloaded: 0.0, promoted: 0.0 }
    }
}

impl Pace {
    pub(crate) fn price(&self) -> Ratio {
        self.price
    }

    /// Of what left DRAM in the last minutes, the share that stayed away; one if nothing left.
    ///
    /// Katalyst's refault accuracy, 1 − Δworkingset_activate / Δpgsteal, over all that was promoted, against a prior:
    /// with the evidence of one bad minute fading on both sides of the fraction, it would never recover.
    pub(crate) fn accuracy(&self, footprint: Bytes) -> Ratio {
        let judged = self.offloaded + footprint.scale(PRIOR).as_f64();
        if judged > 0.0 { Ratio::new(1.0 - self.promoted / judged) } else { Ratio::ONE }
    }

    /// What happened since the last call: the evidence of the past fades, the new is added.
    pub(crate) fn learn(&mut self, offloaded: Bytes, promoted: Bytes, elapsed: Duration) {
        let keep = (-elapsed.as_secs_f64() / MEMORY.as_secs_f64()).exp2();
        self.offloaded = self.offloaded * keep + offloaded.as_f64();
        // What is faulted back although nothing was offloaded lately says nothing about our last choices.
        self.promoted = (self.promoted * keep + promoted.as_f64()).min(self.offloaded);
    }

    /// The SLO held: the price rises; `eagerness` is headroom times accuracy.
    pub(crate) fn raise(&mut self, eagerness: Ratio, elapsed: Duration) {
        let doublings = eagerness.get() * elapsed.as_secs_f64() / DOUBLING.as_secs_f64();
        self.price = Ratio::new(self.price.get() * doublings.exp2()).clamped();
    }

    /// The SLO was broken.
    pub(crate) fn back_off(&mut self) {
        self.lower(Ratio::new(0.5));
    }

    /// A pressure trigger fired.
    pub(crate) fn back_off_hard(&mut self) {
        self.lower(Ratio::new(0.25));
    }

    fn lower(&mut self, by: Ratio) {
        let lower = self.price.of(by);
        self.price = if lower < LEAST_PRICE { LEAST_PRICE } else { lower };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FOOTPRINT: Bytes = Bytes::mib(100);

    #[test]
    fn doubles_undisturbed_and_halves_at_once() {
        let mut pace = Pace::default();
        pace.raise(Ratio::ONE, DOUBLING);
        assert_eq!(pace.price(), Ratio::new(0.5));
        pace.back_off();
        assert_eq!(pace.price(), FIRST_PRICE);
        pace.back_off_hard();
        assert_eq!(pace.price(), Ratio::new(0.0625));
    }

    #[test]
    fn the_same_whatever_the_interval() {
        let (mut often, mut seldom) = (Pace::default(), Pace::default());
        (0..10).for_each(|_| often.raise(Ratio::ONE, Duration::from_secs(1)));
        seldom.raise(Ratio::ONE, Duration::from_secs(10));
        assert!((often.price().get() - seldom.price().get()).abs() < 1e-9);
    }

    #[test]
    fn what_comes_back_lowers_accuracy_until_it_is_forgotten() {
        let mut pace = Pace::default();
        pace.learn(Bytes::mib(100), Bytes::mib(40), Duration::from_secs(2));
        assert!((pace.accuracy(FOOTPRINT).get() - 0.6).abs() < 0.02);
        pace.learn(Bytes::mib(100), Bytes::ZERO, Duration::from_mins(2));
        assert!(pace.accuracy(FOOTPRINT) > Ratio::new(0.85));
    }

    #[test]
    fn promotion_of_what_lowtide_did_not_offload_is_not_held_against_it() {
        let mut pace = Pace::default();
        pace.learn(Bytes::ZERO, Bytes::mib(500), Duration::from_secs(2));
        assert_eq!(pace.accuracy(FOOTPRINT), Ratio::ONE);
    }

    proptest! {
        #[test]
        fn stays_in_range(steps in prop::collection::vec((0_u8..3, 0.0..1.0_f64, 0_u64..100_000), 0..200)) {
            let mut pace = Pace::default();
            for (kind, headroom, milliseconds) in steps {
                match kind {
                    0 => pace.raise(Ratio::new(headroom), Duration::from_millis(milliseconds)),
                    1 => pace.back_off(),
                    _ => pace.back_off_hard(),
                }
                prop_assert!(pace.price() >= LEAST_PRICE && pace.price() <= Ratio::ONE);
            }
        }
    }
}
