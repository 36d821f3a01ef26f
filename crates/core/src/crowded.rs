//! Who makes room where there are few places for names, so that one who makes many keeps no place from the
//! others.

use std::collections::BTreeMap;

use crate::share::{LEVELS, names};

/// Which of those at `paths` goes for one at `new`: of the subtree that has most, at the first level of the
/// hierarchy where one has at least two more than that of the new one, and in it likewise, the last one.
/// `None` where all have their share.
///
/// Each exchange makes the shares more alike, so there are not many of them, whatever comes in which order.
#[must_use]
pub fn who_goes(paths: &[&str], new: &str) -> Option<usize> {
    let mut here: Vec<usize> = (0..paths.len()).collect();
    for level in 0..LEVELS {
        let mut groups = groups(paths, here, level);
        let own = groups.remove(&names(new).nth(level)).unwrap_or_default();
        let most = largest(groups);
        if most.len() >= own.len() + 2 {
            let within =
                (level + 1..LEVELS).fold(most, |most, level| largest(self::groups(paths, most, level)));
            return within.last().copied();
        }
        here = own;
    }
    None
}

type Groups<'p> = BTreeMap<Option<&'p str>, Vec<usize>>;

fn groups<'p>(paths: &[&'p str], here: Vec<usize>, level: usize) -> Groups<'p> {
    let mut groups = Groups::new();
    for place in here {
        groups.entry(names(paths[place]).nth(level)).or_default().push(place);
    }
    groups
}

/// The last of those that have as many.
fn largest(groups: Groups<'_>) -> Vec<usize> {
    groups.into_values().max_by_key(Vec::len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind 2.
    #[test]
    fn who_has_most_makes_room_at_the_first_level_where_there_is_one() {
        for (paths, new, expected) in [
            (&["/a/1", "/a/2", "/a/3"][..], "/b", Some(2)),
            (&["/a/1", "/b/1"], "/c", None),
            (&["/a/1", "/a/2"], "/a/3", None),
            (&["/p/a/1", "/p/a/2", "/p/a/3"], "/p/b/1", Some(2)),
            (&["/p/a/1", "/p/a/2", "/p/b/1"], "/p/b/2", None),
            (&["", "", "/a/1", "/a/2", "/a/3", "/a/4"], "", Some(5)),
            (&["/p/a/1", "/p/a/2", "/p/b/1"], "", Some(1)),
            (&[], "/a", None),
        ] {
            assert_eq!(who_goes(paths, new), expected, "{new} among {paths:?}");
        }
    }

    #[test]
    fn the_shares_come_to_rest_whoever_comes_again() {
        let mut places = vec!["/a/x"; 16];
        let mut exchanges = 0;
        for _ in 0..100 {
            for new in ["/b/y", "/a/x", "/c", "/d/z"] {
                if let Some(place) = who_goes(&places, new) {
                    places[place] = new;
                    exchanges += 1;
                }
            }
        }
        let of = |name: &str| places.iter().filter(|path| **path == name).count();
        assert!(exchanges < 20 && ["/a/x", "/b/y", "/c", "/d/z"].iter().all(|name| of(name) >= 3));
    }
}
