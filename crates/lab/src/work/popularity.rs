//! Which item is asked for next: few are asked for often, most about never.

use crate::random::Random;

/// Of `n` items the first `n / STEEPNESS` are asked for 63 times of 100, and the rate falls by the same
/// factor over each following so many.
const STEEPNESS: f64 = 14.0;

/// Numbers of this many steps are exact as floats.
const STEPS: u64 = 1 << 53;

/// A sequence of items with exponential popularity: index −ln(1 − u) · n / 14 for a u that is even between 0
/// and 1.
#[derive(Debug, Clone)]
pub struct Popularity {
    items: usize,
    random: Random,
}

impl Popularity {
    /// The sequence of one seed; there has to be an item.
    #[must_use]
    pub fn new(items: usize, seed: u64) -> Self {
        Self { items, random: Random::new(seed) }
    }

    /// The next item. Beyond the last one (once in 1.2 million) it is drawn again.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a draw is a multiple of 2^-53 below 1, so the index is below 37/14 of the items and not negative"
    )]
    pub fn draw(&mut self) -> usize {
        loop {
            let even = self.random.below(STEPS) as f64 / STEPS as f64;
            let index = (-(1.0 - even).ln() * self.items as f64 / STEEPNESS) as usize;
            if index < self.items || self.items == 0 {
                return index;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn popularity_falls_exponentially() {
        let mut popularity = Popularity::new(1400, 3);
        let draws: Vec<_> = (0..100_000).map(|_| popularity.draw()).collect();
        let below = |end| draws.iter().filter(|index| **index < end).count();
        for (end, expected) in [(100, 63_212), (200, 86_466), (300, 95_021)] {
            assert!(below(end).abs_diff(expected) < 600, "{} of 100000 below {end}", below(end));
        }
        assert_eq!(below(1400), draws.len());
    }

    #[test]
    fn a_seed_is_a_sequence() {
        let take = |seed| {
            let mut popularity = Popularity::new(1000, seed);
            std::array::from_fn::<_, 8, _>(|_| popularity.draw())
        };
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
    }
}
