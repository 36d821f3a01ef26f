//! What a factor makes of the watermarks, and what that costs.

use super::{Factor, Zone};
use crate::units::Bytes;

/// Low and high watermarks of all zones together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Marks {
    /// Below it tasks reclaim for themselves.
    pub min: Bytes,
    /// Below it kswapd wakes up.
    pub low: Bytes,
    /// kswapd goes on up to it.
    pub high: Bytes,
}

impl Marks {
    /// Those that the kernel sets at this factor: each is `max(min / 4, managed × factor / 10000)` above the
    /// one before, in every zone (`__setup_per_zone_wmarks`, mm/page_alloc.c; the same in 6.1, 6.12 and 7.3).
    #[must_use]
    pub fn at(zones: &[Zone], factor: Factor) -> Self {
        zones.iter().fold(Self::default(), |sum, zone| {
            let step = step(zone, factor);
            Self {
                min: sum.min + zone.min,
                low: sum.low + zone.min + step,
                high: sum.high + zone.min + step + step,
            }
        })
    }

    /// How far free memory may fall between kswapd's waking and the first task that reclaims for itself.
    #[must_use]
    pub fn head_start(self) -> Bytes {
        self.low - self.min
    }
}

fn step(zone: &Zone, factor: Factor) -> Bytes {
    let pages = |bytes: Bytes| bytes.get() / Bytes::pages(1).get();
    let scaled = pages(zone.managed).saturating_mul(u64::from(factor.get())) / Factor::WHOLE;
    Bytes::pages(scaled.max(pages(zone.min) / 4))
}

/// What MemAvailable loses at most when the factor goes from `original` to `factor`.
///
/// The kernel takes all high watermarks from what is free, and the low ones twice more, once from page cache
/// and once from slab, or half of the two where that is less (`si_mem_available`, mm/show_mem.c;
/// mm/page_alloc.c in 6.1). How much of the two there will be is not known, so the greater counts.
#[must_use]
pub fn loss(zones: &[Zone], original: Factor, factor: Factor) -> Bytes {
    let (before, after) = (Marks::at(zones, original), Marks::at(zones, factor));
    let low = after.low - before.low;
    after.high - before.high + low + low
}

/// The greatest factor from `original` to `most` that MemAvailable loses no more than `allowed` to;
/// `original` costs nothing.
#[must_use]
pub fn greatest(zones: &[Zone], original: Factor, most: Factor, allowed: Bytes) -> Factor {
    let (mut low, mut high) = (original, most.max(original));
    while low < high {
        // Rounded up, so that it goes on.
        let middle = high.minus(u64::from(high.get() - low.get()) / 2);
        if loss(zones, original, middle) <= allowed {
            low = middle;
        } else {
            high = middle.minus(1);
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn factor(number: u16) -> Factor {
        Factor::new(number).unwrap()
    }

    /// Of the captured tree of 6.12, at the kernel's own factor of 10: managed and min, then low and high as
    /// it shows them.
    #[test]
    fn the_marks_are_those_of_the_kernel() {
        for (managed, min, low, high) in [(3840, 22, 27, 32), (114_441, 661, 826, 991)] {
            let zone = Zone { managed: Bytes::pages(managed), min: Bytes::pages(min), ..Zone::default() };
            let marks = Marks::at(&[zone], Factor::LEAST);
            assert_eq!((marks.low, marks.high), (Bytes::pages(low), Bytes::pages(high)));
        }
    }

    #[test]
    fn a_factor_counts_from_where_it_is_more_than_a_quarter_of_min() {
        let zones = [Zone { managed: Bytes::pages(10_000), min: Bytes::pages(400), ..Zone::default() }];
        let at = |number| Marks::at(&zones, factor(number)).head_start();
        assert_eq!((at(10), at(100), at(101)), (Bytes::pages(100), Bytes::pages(100), Bytes::pages(101)));
        assert_eq!(loss(&zones, factor(10), factor(200)), Bytes::pages(100 * 4));
    }

    fn zones() -> impl Strategy<Value = Vec<Zone>> {
        let zone = (1..1_u64 << 30, 0..1_u64 << 20).prop_map(|(managed, min)| Zone {
            managed: Bytes::pages(managed),
            min: Bytes::pages(min),
            ..Zone::default()
        });
        prop::collection::vec(zone, 0..4)
    }

    proptest! {
        #[test]
        fn the_greatest_factor_is_affordable_and_one_more_is_not(
            zones in zones(), original in 1..3001_u16, most in 1..3001_u16, allowed in 0..1_u64 << 40,
        ) {
            let (original, most, allowed) = (factor(original), factor(most), Bytes::new(allowed));
            let found = greatest(&zones, original, most, allowed);
            prop_assert!(found >= original && found <= most.max(original));
            prop_assert!(loss(&zones, original, found) <= allowed);
            let next = found.plus(1);
            prop_assert!(found >= most || loss(&zones, original, next) > allowed);
        }
    }
}
