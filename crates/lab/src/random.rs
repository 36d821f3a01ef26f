//! Numbers that look random and are the same on every run.

use anyhow::{Context, Result};

/// The environment variable in a scenario's machine that has its seed.
pub const SEED: &str = "LAB_SEED";

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A number that looks as if it had nothing to do with `state` (the step of SplitMix64).
#[must_use]
pub fn scramble(state: u64) -> u64 {
    let state = state.wrapping_add(STEP);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A sequence of them.
#[derive(Debug, Clone, Copy)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of one seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The sequence of the run's seed, which `cargo xtask lab scenario NAME --seed N` gives.
    ///
    /// Fails where the run was given none.
    pub fn of_this_run() -> Result<Self> {
        let seed = std::env::var(SEED).with_context(|| format!("{SEED} is not set"))?;
        Ok(Self::new(seed.parse().with_context(|| format!("{SEED} is {seed:?}, which is no number"))?))
    }

    /// The next number that is less than `end`; 0 if that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let number = scramble(self.state);
        self.state = self.state.wrapping_add(STEP);
        number.checked_rem(end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_sequence() {
        let take = |seed| {
            let mut random = Random::new(seed);
            std::array::from_fn::<_, 8, _>(|_| random.below(1000))
        };
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
        assert!(take(1).iter().all(|number| *number < 1000));
        assert_eq!(Random::new(1).below(0), 0);
    }
}
