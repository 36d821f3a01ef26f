use std::{collections::HashMap, sync::Arc};

use globset::{GlobSet, GlobSetBuilder};
use lowtide_core::Policy;

use crate::{
    Choice,
    pattern::{Pattern, Specificity},
    whole_host::WHOLE_HOST,
};

/// A policy with what is known of it beside its law.
pub(crate) struct Checked {
    pub policy: Policy,
    pub patterns: Vec<Pattern>,
    /// What its cgroups may choose instead.
    pub may_choose: Vec<Arc<str>>,
}

/// The policies in the order of the files, and which cgroup each one is for.
///
/// Of the patterns that match a path, the most specific decides: an exact path before any glob, then the pattern with
/// more names without wildcards, then the one with more characters outside wildcards, then the later one.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    policies: Vec<Policy>,
    /// Policy by path, for patterns without wildcards.
    exact: HashMap<String, usize>,
    globs: GlobSet,
    /// Rank and policy of each glob, in the order of the set.
    ranks: Vec<(Specificity, usize)>,
    /// What cgroups of each policy may choose instead, as they write it.
    may_choose: Vec<Vec<Arc<str>>>,
}

impl PolicySet {
    /// Compiles; fails if the globs taken together are larger than the matcher takes.
    pub(crate) fn new(policies: Vec<Checked>) -> Result<Self, globset::Error> {
        let mut set = Self::default();
        let mut globs = GlobSetBuilder::new();
        for (index, Checked { policy, patterns, may_choose }) in policies.into_iter().enumerate() {
            set.policies.push(policy);
            set.may_choose.push(may_choose);
            for Pattern { text, specificity, glob } in patterns {
                match glob {
                    None => drop(set.exact.insert(text, index)),
                    Some(glob) => {
                        globs.add(glob);
                        set.ranks.push((specificity, index));
                    }
                }
            }
        }
        set.globs = globs.build()?;
        Ok(set)
    }

    /// All policies, in the order of the files and of the lists in them.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The index of the policy for the host as a whole: the one policy whose one pattern is `/`. There are no others then.
    #[must_use]
    pub fn of_whole_host(&self) -> Option<usize> {
        self.exact.get(WHOLE_HOST).copied()
    }

    /// The index in [`policies`](Self::policies) of the one that the cgroup at `cgroup_path` is held to.
    ///
    /// The path is the one in `/proc/PID/cgroup`: from the root of the cgroup tree, `/` first and not last. Which of
    /// the matching cgroups become targets is decided where the tree is known.
    #[must_use]
    pub fn matching(&self, cgroup_path: &str) -> Option<usize> {
        if let Some(index) = self.exact.get(cgroup_path) {
            return Some(*index);
        }
        let ranks =
            self.globs.matches(cgroup_path).into_iter().filter_map(|at| Some((self.ranks.get(at)?, at)));
        ranks.max_by_key(|((specificity, _), at)| (*specificity, *at)).map(|((_, policy), _)| *policy)
    }

    /// Whether any policy lets its cgroups choose: without, nobody has to be asked.
    #[must_use]
    pub fn lets_choose(&self) -> bool {
        self.may_choose.iter().any(|may_choose| !may_choose.is_empty())
    }

    /// What a cgroup that [`matching`](Self::matching) gives the policy `given` chooses with `written`; `None` if that policy does not let
    /// it.
    #[must_use]
    pub fn chosen(&self, given: usize, written: &str) -> Option<Choice> {
        let may_choose = self.may_choose.get(given)?;
        if !may_choose.iter().any(|choice| **choice == *written) {
            return None;
        }
        if written == Choice::OFF {
            return Some(Choice::Off);
        }
        self.policies.iter().position(|policy| *policy.name == *written).map(Choice::Policy)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// One policy per list of patterns, called `0`, `1`, …
    fn set(patterns: &[&[&str]]) -> PolicySet {
        let mut text = "policies:\n".to_owned();
        for (index, list) in patterns.iter().enumerate() {
            text += &format!("  - {{ name: \"{index}\", match: {list:?} }}\n").replace("\\\\", "\\");
        }
        // Single quotes: in them a backslash is a backslash.
        crate::parse(
            Path::new("test.yaml"),
            &text.replace("[\"", "['").replace("\"]", "']").replace("\", \"", "', '"),
        )
        .unwrap()
        .config
        .policies
    }

    fn winner(patterns: &[&str], path: &str) -> Option<usize> {
        set(&patterns.iter().map(std::slice::from_ref).collect::<Vec<_>>()).matching(path)
    }

    #[test]
    fn wildcards() {
        for (pattern, matching, other) in [
            ("/web", vec!["/web"], vec!["/web/a", "/webs", "/", "/a/web", "web"]),
            ("/web/*", vec!["/web/a", "/web/a.service"], vec!["/web", "/web/a/b"]),
            ("/web/**", vec!["/web/a", "/web/a/b/c"], vec!["/web", "/webs/a"]),
            ("/**/web", vec!["/web", "/a/web", "/a/b/web"], vec!["/web/a", "/aweb"]),
            ("/a/**/z", vec!["/a/z", "/a/b/z", "/a/b/c/z"], vec!["/a/bz", "/z"]),
            ("/app-?.service", vec!["/app-1.service"], vec!["/app-12.service", "/app-/.service"]),
            ("/app-[0-9].service", vec!["/app-1.service"], vec!["/app-x.service"]),
            ("/a[!b]c", vec!["/axc"], vec!["/abc", "/a/c"]),
            ("/{web,api}.slice", vec!["/web.slice", "/api.slice"], vec!["/db.slice", "/{web,api}.slice"]),
            ("/a{,-[0-9]}/*", vec!["/a/x", "/a-1/x"], vec!["/a-x/x"]),
            (r"/a\x2d*.slice", vec![r"/a\x2db.slice"], vec!["/a-b.slice", "/ax2db.slice"]),
            ("/[*]", vec!["/*"], vec!["/a"]),
            ("/a b/ü*", vec!["/a b/über"], vec!["/a b/uber"]),
        ] {
            let set = set(&[&[pattern]]);
            for path in matching {
                assert_eq!(set.matching(path), Some(0), "{pattern} should match {path}");
            }
            for path in other {
                assert_eq!(set.matching(path), None, "{pattern} should not match {path}");
            }
        }
    }

    #[test]
    fn the_most_specific_wins_wherever_it_stands() {
        for (path, specific, general) in [
            ("/web.slice/a", "/web.slice/a", "/web.slice/*"),
            ("/a", "/a", "/**/a"),
            ("/web.slice/a/b", "/web.slice/a/*", "/web.slice/**"),
            ("/k.slice/besteffort/pod", "/k.slice/besteffort/**", "/k.slice/**"),
            ("/k.slice/x/pod1", "/k.slice/x/*", "/k.slice/pod*/pod*"),
            ("/k.slice/pod12", "/k.slice/pod1*", "/k.slice/pod*"),
            ("/k.slice/pod12", "/k.slice/pod[0-9]*", "/k.slice/po*"),
            ("/web.slice/a", "/{web,api}.slice/*", "/web*/*"),
        ] {
            assert_eq!(
                winner(&[specific, general], path),
                winner(&[specific], path),
                "{specific} before {general}"
            );
            let last = winner(&[general, specific], path);
            assert_eq!(last, winner(&[specific], path).map(|_| 1), "{general} before {specific}");
        }
    }

    #[test]
    fn of_equals_the_later_wins() {
        assert_eq!(winner(&["/web*x", "/w*ebx"], "/webx"), Some(1));
        assert_eq!(winner(&["/w*ebx", "/web*x"], "/webx"), Some(1));
        assert_eq!(winner(&["/w*", "/x"], "/webx"), Some(0));
    }

    #[test]
    fn a_policy_has_the_rank_of_its_matching_pattern() {
        let set = set(&[&["/a/**", "/b/c/d/e"], &["/a/b/**", "/b/**"]]);
        assert_eq!(set.matching("/a/x"), Some(0));
        assert_eq!(set.matching("/a/b/x"), Some(1));
        assert_eq!(set.matching("/b/c/d/e"), Some(0));
        assert_eq!(set.matching("/b/c/d"), Some(1));
        assert_eq!(set.matching("/c"), None);
    }

    #[test]
    fn without_policies_nothing_matches() {
        assert_eq!(PolicySet::default().matching("/"), None);
        assert!(PolicySet::default().policies().is_empty());
    }
}
