//! Quotas of the host, shared among the subtrees at each level of the hierarchy: whatever one tenant makes
//! below its own cgroup, its neighbours keep their part. Who is a tenant need not be known.

use std::collections::{BTreeMap, HashSet};

use crate::share::{LEVELS, names, shares};

/// Who has one of `most` places when each of `paths` wants one: at each level all subtrees have as many, and
/// what one does not need goes to the others.
#[must_use]
pub fn chosen<'p>(most: usize, paths: impl Iterator<Item = &'p str>) -> HashSet<&'p str> {
    let paths: Vec<_> = paths.collect();
    let mut chosen = HashSet::with_capacity(paths.len().min(most));
    choose(most, 0, paths, &mut chosen);
    chosen
}

fn choose<'p>(most: usize, level: usize, paths: Vec<&'p str>, chosen: &mut HashSet<&'p str>) {
    if paths.len() <= most || level == LEVELS {
        chosen.extend(paths.into_iter().take(most));
        return;
    }
    let mut groups: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
    for path in paths {
        groups.entry(names(path).nth(level)).or_default().push(path);
    }
    let wants: Vec<usize> = groups.values().map(Vec::len).collect();
    for (group, given) in groups.into_values().zip(shares(most, &wants)) {
        choose(given, level + 1, group, chosen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind 2.
    #[test]
    fn who_wants_more_takes_nothing_from_who_wants_less() {
        for (most, wanted, expected) in [
            (10, &[("a", 3), ("b", 4)][..], &[3, 4][..]),
            (10, &[("a", 50_000), ("b", 4)], &[6, 4]),
            (9, &[("a", 100), ("b", 100), ("c", 1)], &[4, 4, 1]),
            (1, &[("a", 5), ("b", 5)], &[0, 1]),
        ] {
            for parent in ["", "/system.slice", "/a/b/c"] {
                let of = |(name, count): &(&str, usize)| {
                    let name = format!("{parent}/{name}");
                    (0..*count).map(move |number| format!("{name}/{number}"))
                };
                let all: Vec<_> = wanted.iter().flat_map(of).collect();
                let chosen = chosen(most, all.iter().map(String::as_str));
                let found: Vec<_> = wanted
                    .iter()
                    .map(|(name, _)| {
                        let below = format!("{parent}/{name}/");
                        chosen.iter().filter(|path| path.starts_with(&below)).count()
                    })
                    .collect();
                assert_eq!(found, expected, "{wanted:?} below {parent:?}");
            }
        }
    }

    #[test]
    fn what_is_too_deep_to_be_told_apart_still_has_places() {
        let deep = "/x".repeat(2 * LEVELS);
        let all: Vec<_> = (0..10).map(|number| format!("{deep}/{number}")).collect();
        assert_eq!(chosen(4, all.iter().map(String::as_str)).len(), 4);
        assert_eq!(names(&deep).count(), LEVELS);
        assert_eq!(names("/").count(), 0);
    }
}
