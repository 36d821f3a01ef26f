use std::{collections::HashMap, sync::Arc};

use globset::{GlobSet, GlobSetBuilder};
use lowtide_core::Policy;

use crate::{
    Choice, Namespace,
    namespaces::Namespaces,
    pattern::{Pattern, Specificity},
    whole_host::WHOLE_HOST,
};

/// A policy with what is known of it beside its law.
pub(crate) struct Checked {
    pub policy: Policy,
    pub patterns: Vec<Pattern>,
    /// The globs over namespaces.
    pub namespaces: Vec<Pattern>,
    /// What its cgroups may choose instead.
    pub may_choose: Vec<Arc<str>>,
}

/// The policies in the order of the files, and which cgroup each one is for.
///
/// A policy that is for certain namespaces goes before all that are not. Of the patterns that match a path,
/// the most specific decides: an exact path before any glob, then the pattern with more names without
/// wildcards, then the one with more characters outside wildcards, then the later one.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    policies: Vec<Policy>,
    /// Policies by path, for patterns without wildcards.
    exact: HashMap<String, Vec<Candidate>>,
    globs: GlobSet,
    /// Rank and policy of each glob, in the order of the set.
    ranks: Vec<Candidate>,
    /// Which namespaces each policy is for.
    namespaces: Vec<Namespaces>,
    /// What cgroups of each policy may choose instead, as they write it.
    may_choose: Vec<Vec<Arc<str>>>,
}

/// A pattern, and its policy. Of two that match, the greater one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// The policy is for certain namespaces.
    asks: bool,
    specificity: Specificity,
    /// Where the pattern stands among all of them.
    order: usize,
    policy: usize,
}

/// Which policy a cgroup is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Found {
    /// None names it.
    None,
    /// This one, by its index.
    Policy(usize),
    /// This one, if the cgroup is in one of its namespaces, and nobody knows in which namespace it is. It is
    /// held to none until then: it may be one that is to be left alone.
    Unknown(usize),
}

impl PolicySet {
    /// Compiles; fails if the globs taken together are larger than the matcher takes.
    pub(crate) fn new(policies: Vec<Checked>) -> Result<Self, globset::Error> {
        let mut set = Self::default();
        let (mut globs, mut order) = (GlobSetBuilder::new(), 0);
        for (index, Checked { policy, patterns, namespaces, may_choose }) in policies.into_iter().enumerate()
        {
            let namespaces = Namespaces::new(namespaces)?;
            for Pattern { text, specificity, glob } in patterns {
                order += 1;
                let candidate = Candidate { asks: namespaces.asks(), specificity, order, policy: index };
                match glob {
                    None => set.exact.entry(text).or_default().push(candidate),
                    Some(glob) => {
                        globs.add(glob);
                        set.ranks.push(candidate);
                    }
                }
            }
            set.policies.push(policy);
            set.namespaces.push(namespaces);
            set.may_choose.push(may_choose);
        }
        set.globs = globs.build()?;
        Ok(set)
    }

    /// All policies, in the order of the files and of the lists in them.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The index of the policy for the host as a whole: the one policy whose one pattern is `/`. There are no
    /// others then.
    #[must_use]
    pub fn of_whole_host(&self) -> Option<usize> {
        self.exact.get(WHOLE_HOST)?.first().map(|candidate| candidate.policy)
    }

    /// The index in [`policies`](Self::policies) of the one that the cgroup at `cgroup_path` is held to, if
    /// it is no pod's.
    #[must_use]
    pub fn matching(&self, cgroup_path: &str) -> Option<usize> {
        match self.matching_in(cgroup_path, || Namespace::None) {
            Found::Policy(index) => Some(index),
            Found::None | Found::Unknown(_) => None,
        }
    }

    /// Which policy the cgroup at `cgroup_path` is held to. `namespace` is asked once if any pattern matches,
    /// and not otherwise.
    ///
    /// The path is the one in `/proc/PID/cgroup`: from the root of the cgroup tree, `/` first and not last.
    /// Which of the matching cgroups become targets is decided where the tree is known.
    pub fn matching_in(&self, cgroup_path: &str, namespace: impl FnOnce() -> Namespace) -> Found {
        let exact = self.exact.get(cgroup_path).into_iter().flatten();
        let globs = self.globs.matches(cgroup_path).into_iter().filter_map(|at| self.ranks.get(at));
        let mut candidates: Vec<_> = exact.chain(globs).collect();
        if candidates.is_empty() {
            return Found::None;
        }
        let namespace = namespace();
        candidates.sort_unstable();
        let mut fits = candidates.into_iter().rev().filter_map(|candidate| self.fit(candidate, &namespace));
        fits.next().unwrap_or(Found::None)
    }

    fn fit(&self, candidate: &Candidate, namespace: &Namespace) -> Option<Found> {
        let index = candidate.policy;
        if !candidate.asks {
            return Some(Found::Policy(index));
        }
        match namespace {
            Namespace::None => None,
            Namespace::Unknown => Some(Found::Unknown(index)),
            Namespace::Named(name) => self.namespaces.get(index)?.has(name).then_some(Found::Policy(index)),
        }
    }

    /// Whether any policy is for certain namespaces.
    #[must_use]
    pub fn asks_for_namespaces(&self) -> bool {
        self.namespaces.iter().any(Namespaces::asks)
    }

    /// Whether any policy lets its cgroups choose: without, nobody has to be asked.
    #[must_use]
    pub fn lets_choose(&self) -> bool {
        self.may_choose.iter().any(|may_choose| !may_choose.is_empty())
    }

    /// Whether the policy `given` lets its cgroups choose.
    #[must_use]
    pub fn lets_choose_from(&self, given: usize) -> bool {
        self.may_choose.get(given).is_some_and(|may_choose| !may_choose.is_empty())
    }

    /// What a cgroup that [`matching_in`](Self::matching_in) gives the policy `given` chooses with `written`;
    /// `None` if that policy does not let it.
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
#[path = "matcher_tests.rs"]
mod tests;
