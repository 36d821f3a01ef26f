//! Quotas of the host, shared among the subtrees at the top of the hierarchy: whatever one tenant makes below its own, the others
//! keep their part.

use std::collections::HashMap;

/// Which subtree a cgroup is in: the first name of its path, as in `/web` of `/web/api/db`.
#[must_use]
pub(crate) fn subtree(path: &str) -> &str {
    let inner = path.strip_prefix('/').unwrap_or(path);
    inner.split('/').next().unwrap_or(inner)
}

/// How many of `most` places each subtree has, when each of `paths` wants one: the same for all, and what one does not need goes to
/// the others.
#[must_use]
pub(crate) fn fair<'p>(most: usize, paths: impl Iterator<Item = &'p str>) -> HashMap<&'p str, usize> {
    let mut wanted: HashMap<&str, usize> = HashMap::new();
    for path in paths {
        *wanted.entry(subtree(path)).or_default() += 1;
    }
    let mut by_want: Vec<_> = wanted.iter().map(|(name, count)| (*count, *name)).collect();
    by_want.sort_unstable();
    let (mut left, mut sharers) = (most, by_want.len());
    for (count, name) in by_want {
        let given = count.min(left / sharers.max(1));
        wanted.insert(name, given);
        left -= given;
        sharers -= 1;
    }
    wanted
}

/// Says of one path after the other whether it has a place.
#[derive(Debug)]
pub(crate) struct Places<'p> {
    left: HashMap<&'p str, usize>,
}

impl<'p> Places<'p> {
    /// `most` places, shared among the subtrees of `paths`.
    #[must_use]
    pub(crate) fn shared(most: usize, paths: impl Iterator<Item = &'p str>) -> Self {
        Self { left: fair(most, paths) }
    }

    /// Takes a place of the subtree that `path` is in, if there is one left.
    pub(crate) fn take(&mut self, path: &str) -> bool {
        self.left.get_mut(subtree(path)).is_some_and(|left| {
            let has = *left > 0;
            *left = left.saturating_sub(1);
            has
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(counts: &[(&str, usize)]) -> Vec<String> {
        let below = |(name, count): &(&str, usize)| {
            let name = (*name).to_owned();
            (0..*count).map(move |number| format!("/{name}/{number}"))
        };
        counts.iter().flat_map(below).collect()
    }

    /// Kind 2.
    #[test]
    fn who_wants_more_takes_nothing_from_who_wants_less() {
        for (most, wanted, expected) in [
            (10, &[("a", 3), ("b", 4)][..], &[("a", 3), ("b", 4)][..]),
            (10, &[("a", 50_000), ("b", 4)], &[("a", 6), ("b", 4)]),
            (9, &[("a", 100), ("b", 100), ("c", 1)], &[("a", 4), ("b", 4), ("c", 1)]),
            (1, &[("a", 5), ("b", 5)], &[("a", 0), ("b", 1)]),
        ] {
            let all = paths(wanted);
            let found = fair(most, all.iter().map(String::as_str));
            assert_eq!(found, expected.iter().copied().collect(), "{wanted:?}");
            assert!(found.values().sum::<usize>() <= most);
            let mut places = Places::shared(most, all.iter().map(String::as_str));
            let taken = all.iter().filter(|path| places.take(path)).count();
            assert_eq!(taken, found.values().sum::<usize>());
        }
    }

    #[test]
    fn a_subtree_is_the_first_name() {
        for (path, name) in [("/a/b/c", "a"), ("/a", "a"), ("/", ""), ("", "")] {
            assert_eq!(subtree(path), name, "{path}");
        }
    }
}
