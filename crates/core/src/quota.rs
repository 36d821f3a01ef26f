//! Quotas of the host, shared among the subtrees at each level of the hierarchy: whatever one tenant makes
//! below its own cgroup, its neighbours keep their part. Who is a tenant need not be known.

use std::collections::{HashMap, HashSet};

use crate::share::{LEVELS, names, shares};

/// Who has one of `most` places when each of `paths` wants one: at each level all subtrees have as many, and
/// what one does not need goes to the others. Where those of a level want the same, whoever stands first in
/// `paths` is served first.
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
    let mut places: HashMap<Option<&str>, usize> = HashMap::new();
    let mut groups: Vec<Vec<&str>> = Vec::new();
    for path in paths {
        let place = *places.entry(names(path).nth(level)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(path);
    }
    // Of those that want the same the last ones have what cannot be divided.
    groups.reverse();
    let wants: Vec<usize> = groups.iter().map(Vec::len).collect();
    for (group, given) in groups.into_iter().zip(shares(most, &wants)) {
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
            (1, &[("a", 5), ("b", 5)], &[1, 0]),
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
    fn of_siblings_the_first_ones_have_the_places() {
        let paths = ["/a/3", "/b/x/2", "/a/9", "/b/x/1", "/a/1", "/b/y/7"];
        let chosen = |most| {
            let chosen = chosen(most, paths.iter().copied());
            paths.iter().filter(|path| chosen.contains(**path)).copied().collect::<Vec<_>>()
        };
        assert_eq!(chosen(2), ["/a/3", "/b/x/2"]);
        assert_eq!(chosen(4), ["/a/3", "/b/x/2", "/a/9", "/b/y/7"], "each subtree of /b has one");
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
