//! A quantity that is shared so that whoever wants little has all of it.

/// What each of those who want `wants` has of `most`: all have as much, and what one does not need goes to the others (max-min fairness).
/// No more than `most` is given in all, and nobody has more than is wanted. What cannot be divided goes to who wants most.
#[must_use]
pub fn shares(most: usize, wants: &[usize]) -> Vec<usize> {
    let mut given = vec![0; wants.len()];
    let mut by_want: Vec<usize> = (0..wants.len()).collect();
    by_want.sort_by_key(|place| wants[*place]);
    let mut left = most;
    for (served, place) in by_want.into_iter().enumerate() {
        given[place] = wants[place].min(left / (wants.len() - served));
        left -= given[place];
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_wants_more_takes_nothing_from_who_wants_less() {
        assert_eq!(shares(10, &[3, 4]), [3, 4]);
        assert_eq!(shares(10, &[50_000, 4]), [6, 4]);
        assert_eq!(shares(9, &[100, 1, 100]), [4, 1, 4]);
        assert_eq!(shares(1, &[5, 5]), [0, 1]);
        assert_eq!(shares(usize::MAX, &[usize::MAX, 7]), [usize::MAX - 7, 7]);
        assert!(shares(3, &[]).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_left_that_somebody_wants(most in 0..5000_usize, wants in prop::collection::vec(0..2000_usize, 0..40)) {
            let given = shares(most, &wants);
            prop_assert!(given.iter().zip(&wants).all(|(given, want)| given <= want));
            prop_assert_eq!(given.iter().sum::<usize>(), most.min(wants.iter().sum()));
            let fair = most / wants.len().max(1);
            prop_assert!(given.iter().zip(&wants).all(|(given, want)| *given >= fair.min(*want)));
        }
    }
}
