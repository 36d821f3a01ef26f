//! How something is shared among those who want more of it than there is, so that whoever wants little has
//! it.

use std::collections::BTreeMap;

/// What each of those who want `wants` has of `most`: all have as much, and what one does not need goes to
/// the others (max-min fairness). No more than `most` is given in all, and nobody has more than is wanted.
/// What cannot be divided goes to who wants most.
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

/// What is deeper is not told apart: a tenant can nest a thousand levels.
pub const LEVELS: usize = 8;

/// The names on the way from the root of the hierarchy to `path`, but for the deep ones: `web`, `api` for
/// `/web/api`.
pub fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty()).take(LEVELS)
}

/// The places of `paths` in an order in which at each level of the hierarchy one of each subtree comes after
/// the other, however many each has. In another `turn` another one is the first, at every level.
#[must_use]
pub fn interleaved(paths: &[&str], turn: usize) -> Vec<usize> {
    interleave(paths, (0..paths.len()).collect(), 0, turn)
}

fn interleave(paths: &[&str], places: Vec<usize>, level: usize, turn: usize) -> Vec<usize> {
    if places.len() <= 1 || level == LEVELS {
        return rotated(places, turn);
    }
    let mut groups: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for place in places {
        groups.entry(names(paths[place]).nth(level)).or_default().push(place);
    }
    // Who is the first below changes when each was the first here.
    let below = turn / groups.len();
    let groups = groups.into_values().map(|group| interleave(paths, group, level + 1, below));
    let mut groups: Vec<_> = rotated(groups.collect(), turn).into_iter().map(Vec::into_iter).collect();
    let mut order = Vec::new();
    while !groups.is_empty() {
        groups.retain_mut(|group| group.next().map(|place| order.push(place)).is_some());
    }
    order
}

fn rotated<T>(mut all: Vec<T>, turn: usize) -> Vec<T> {
    let first = turn % all.len().max(1);
    all.rotate_left(first);
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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

    #[test]
    fn subtrees_take_turns_at_every_level() {
        let order = |paths: &[&str], turn| -> Vec<String> {
            interleaved(paths, turn).into_iter().map(|place| paths[place].to_owned()).collect()
        };
        let paths = ["/t/evil/1", "/t/evil/2", "/t/evil/3", "/t/good", "/web"];
        assert_eq!(order(&paths, 0), ["/t/evil/1", "/web", "/t/good", "/t/evil/2", "/t/evil/3"]);
        assert_eq!(order(&paths, 1), ["/web", "/t/evil/1", "/t/good", "/t/evil/2", "/t/evil/3"]);
        let first: BTreeSet<_> = (0..12).map(|turn| order(&paths, turn)[0].clone()).collect();
        assert_eq!(first.len(), paths.len(), "everybody is the first at some time");
        let deep = "/x".repeat(2 * LEVELS);
        let deep = ["1", "2", "3"].map(|name| format!("{deep}/{name}"));
        let deep: Vec<_> = deep.iter().map(String::as_str).collect();
        assert_eq!(interleaved(&deep, 4), [1, 2, 0]);
        assert_eq!(interleaved(&["/", "/a"], 0), [0, 1]);
        assert!(interleaved(&[], 7).is_empty());
    }

    proptest! {
        #[test]
        fn everybody_has_one_place(count in 0..200_usize, turn: usize) {
            let paths: Vec<_> = (0..count).map(|number| format!("/{}/{}/{number}", number % 3, number % 7)).collect();
            let paths: Vec<_> = paths.iter().map(String::as_str).collect();
            let mut order = interleaved(&paths, turn);
            order.sort_unstable();
            prop_assert_eq!(order, (0..count).collect::<Vec<_>>());
        }

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
