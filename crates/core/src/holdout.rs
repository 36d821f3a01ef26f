//! Cgroups that are left alone, so that it can be said what the others would have been without lowtide.

use crate::{mode::Mode, units::Ratio};

/// Which cgroups are left alone: chosen at random, and the same ones again and again.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Holdout {
    /// The share of them.
    pub share: Ratio,
    /// Another seed chooses others.
    pub seed: u16,
}

impl Holdout {
    /// Whether the cgroup at `path` is left alone. In a mode that only observes none is: it is left alone
    /// anyway, and is not like those that are acted on.
    #[must_use]
    pub fn has(&self, path: &str, mode: Mode) -> bool {
        mode != Mode::Observe && drawn(self.seed, path) < self.share.get()
    }
}

/// A number from nought to below one, as good as random: FNV-1a of the seed's two bytes and the path, mixed
/// by the finalizer of MurmurHash3, since FNV leaves the upper bits of paths that differ in their last
/// letters alike.
fn drawn(seed: u16, path: &str) -> f64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = seed.to_le_bytes().into_iter().chain(path.bytes());
    let hash = bytes.fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    let upper = u32::try_from((hash ^ (hash >> 33)) >> 32).unwrap_or(u32::MAX);
    f64::from(upper) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holdout(percent: f64, seed: u16) -> Holdout {
        Holdout { share: Ratio::percent(percent), seed }
    }

    fn chosen(of: Holdout) -> Vec<String> {
        let paths = (0..10_000).map(|index| format!("/kubepods.slice/pod-{index}"));
        paths.filter(|path| of.has(path, Mode::Full)).collect()
    }

    /// The figures are those of the draw itself: 500 expected, and a standard deviation of 22.
    #[test]
    fn the_share_is_left_alone_and_another_seed_chooses_others() {
        let (first, second) = (chosen(holdout(5.0, 1)), chosen(holdout(5.0, 2)));
        for chosen in [&first, &second] {
            assert!((420..580).contains(&chosen.len()), "{}", chosen.len());
        }
        let both = first.iter().filter(|path| second.contains(path)).count();
        assert!(both < 60, "{both} of {}: the seeds are not independent", first.len());
        assert_eq!(first, chosen(holdout(5.0, 1)));
    }

    /// An interface: cgroups that are compared over time must not change sides with an upgrade. The figures
    /// are a second implementation's, in Python.
    #[test]
    fn the_draw_never_changes() {
        let drawn = |seed, path| (drawn(seed, path) * 1e6).round();
        assert_eq!([drawn(0, "/web"), drawn(1, "/web"), drawn(0, "/db")], [802_094.0, 61_926.0, 178_748.0]);
    }

    #[test]
    fn who_is_only_observed_is_in_neither_group() {
        assert!(!holdout(100.0, 0).has("/web", Mode::Observe));
    }

    proptest! {
        #[test]
        fn none_and_all(path in ".{0,60}", seed in any::<u16>()) {
            prop_assert!(!holdout(0.0, seed).has(&path, Mode::Full));
            prop_assert!(holdout(100.0, seed).has(&path, Mode::Full));
        }

        /// Who is left alone at a small share is at a larger one: raising it adds to the group.
        #[test]
        fn a_larger_share_has_the_smaller_one_in_it(path in ".{0,60}", seed in any::<u16>(), a in 0.0..100.0, b in 0.0..100.0) {
            let (small, large) = (f64::min(a, b), f64::max(a, b));
            prop_assert!(!holdout(small, seed).has(&path, Mode::Full) || holdout(large, seed).has(&path, Mode::Full));
        }
    }
}
