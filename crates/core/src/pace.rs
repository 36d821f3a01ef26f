//! The price: how eagerly memory is offloaded, the only state of the feedback loop.
//!
//! DESIGN's price p is "seconds of stall per second that a freed page is worth"; here it is a share of the
//! greatest that the SLO allows (`placement`). It doubles in [`DOUBLING`] while the SLO holds, halves when a
//! request has broken it and quarters when a pressure trigger fires after one.

use std::time::Duration;

use crate::units::Ratio;

/// The price of a cgroup that is not known yet.
pub(crate) const FIRST_PRICE: Ratio = Ratio::new(0.25);
/// Low enough to do no harm, high enough to notice when a tenant's memory has become cold.
const LEAST_PRICE: Ratio = Ratio::new(1.0 / 64.0);
/// Time in which the price doubles with nothing in its way.
const DOUBLING: Duration = Duration::from_secs(15);

/// The price of one cgroup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    price: Ratio,
}

impl Default for Pace {
    fn default() -> Self {
        Self { price: FIRST_PRICE }
    }
}

impl Pace {
    pub(crate) const fn price(self) -> Ratio {
        self.price
    }

    /// The SLO held: the price rises, the slower the nearer it is.
    pub(crate) fn raise(&mut self, headroom: Ratio, elapsed: Duration) {
        let doublings = headroom.get() * elapsed.as_secs_f64() / DOUBLING.as_secs_f64();
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
