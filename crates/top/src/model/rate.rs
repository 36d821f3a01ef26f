use std::time::Duration;

use lowtide_core::Bytes;

/// By how much a counter grew in a second. `None` without an earlier value, and for one that went backwards:
/// a device that was removed and added again, a kernel that was resumed elsewhere, a counter that this kernel
/// does not have.
#[must_use]
pub fn per_second(now: Option<u64>, before: Option<u64>, over: Option<Duration>) -> Option<f64> {
    let grown = now?.checked_sub(before?)?;
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
    let grown = grown as f64;
    over.filter(|over| !over.is_zero()).map(|over| grown / over.as_secs_f64())
}

/// By how many bytes a size changed in a second; negative where it shrank.
#[must_use]
pub fn change(now: Option<Bytes>, before: Option<Bytes>, over: Option<Duration>) -> Option<f64> {
    let grown = now?.as_f64() - before?.as_f64();
    over.filter(|over| !over.is_zero()).map(|over| grown / over.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const SECOND: Option<Duration> = Some(Duration::from_secs(1));

    #[rstest]
    #[case::grown(Some(7), Some(3), Some(Duration::from_secs(2)), Some(2.0))]
    #[case::still(Some(3), Some(3), SECOND, Some(0.0))]
    #[case::backwards(Some(3), Some(7), SECOND, None)]
    #[case::first(Some(3), None, SECOND, None)]
    #[case::gone(None, Some(3), SECOND, None)]
    #[case::no_time(Some(7), Some(3), Some(Duration::ZERO), None)]
    #[case::one_sample(Some(7), Some(3), None, None)]
    fn counters(
        #[case] now: Option<u64>,
        #[case] before: Option<u64>,
        #[case] over: Option<Duration>,
        #[case] expected: Option<f64>,
    ) {
        assert_eq!(per_second(now, before, over), expected);
    }

    #[test]
    fn sizes_shrink_too() {
        let change = |now, before| change(Some(Bytes::new(now)), Some(Bytes::new(before)), SECOND);
        assert_eq!((change(1, 5), change(5, 1), change(2, 2)), (Some(-4.0), Some(4.0), Some(0.0)));
    }

    proptest! {
        #[test]
        fn no_counter_has_a_negative_rate(now in any::<u64>(), before in any::<u64>(), ms in 0_u64..100_000) {
            let rate = per_second(Some(now), Some(before), Some(Duration::from_millis(ms)));
            prop_assert!(rate.is_none_or(|rate| rate >= 0.0 && rate.is_finite()));
        }
    }
}
