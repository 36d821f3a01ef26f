//! `/`, the host as a whole: it stands alone.
//!
//! Reclaim of the root takes from every cgroup below it, whatever their policies say. The kernel knows no way
//! to leave one out but its memory.min and memory.low. So beside `/` no other policy could be kept to, not
//! even one that only observes.

use crate::{
    Problem, raw,
    read::At,
    source::{Source, Span},
};

/// The pattern, and the path of the root cgroup.
pub(crate) const WHOLE_HOST: &str = "/";

/// The first of the patterns that are `/`, and the first of all others.
#[derive(Default)]
pub(crate) struct Alone<'s> {
    root: Option<(&'s Source, Span)>,
    other: Option<(&'s Source, Span)>,
}

impl<'s> Alone<'s> {
    /// Takes in a pattern, in the order of the files.
    pub(crate) fn take(&mut self, source: &'s Source, span: &Span, pattern: &str) {
        let first = if pattern == WHOLE_HOST { &mut self.root } else { &mut self.other };
        first.get_or_insert_with(|| (source, span.clone()));
    }

    /// What is wrong if `/` stands beside another pattern, of its own policy or of another one.
    pub(crate) fn problem(self) -> Option<Problem> {
        let ((source, span), (other, at)) = self.root.zip(self.other)?;
        let message = "`/` is the host as a whole, and there is another pattern";
        let help = "a request to the root takes from every cgroup, whatever another policy says of it: write `match: [\"/\"]` in the only \
                    policy, or name the cgroups, such as /system.slice/**";
        let problem = source.problem(span, message, help);
        Some(problem.related(other.related(at, "the other one is here")))
    }
}

/// What is wrong if a policy for the host as a whole has `tiers`.
pub(crate) fn tiers(source: &Source, policy: &raw::Policy) -> Option<Problem> {
    let first = policy.tiers.as_deref()?.first().filter(|_| policy.patterns.iter().any(is_whole_host))?;
    let message = "`tiers` of a policy for `/`: the root has no memory.swap.max and no memory.zswap.max to hold them with";
    let help =
        "remove `tiers`: what leaves DRAM goes to the swap devices that the host has, by their priorities";
    Some(source.problem(first.span.clone(), message, help))
}

/// What is wrong if cgroups of the host as a whole may choose.
pub(crate) fn may_choose(source: &Source, policy: &raw::Policy) -> Option<Problem> {
    let first =
        policy.may_choose.as_deref()?.first().filter(|_| policy.patterns.iter().any(is_whole_host))?;
    let message = "`may_choose` of a policy for `/`: a request to the root takes from every cgroup, whatever one has chosen";
    let help = "remove `may_choose`, or name the cgroups, such as /system.slice/**";
    Some(source.problem(first.span.clone(), message, help))
}

/// What is wrong if a policy for the host as a whole is for certain namespaces.
pub(crate) fn namespaces(source: &Source, policy: &raw::Policy) -> Option<Problem> {
    let first =
        policy.namespaces.as_deref()?.first().filter(|_| policy.patterns.iter().any(is_whole_host))?;
    let message = "`namespaces` of a policy for `/`: a request to the root takes from every cgroup, in whatever namespace";
    let help = "remove `namespaces`, or name the pods' cgroups, such as /kubepods.slice/** and /kubepods/**";
    Some(source.problem(first.span.clone(), message, help))
}

fn is_whole_host(pattern: &At<crate::leaf::Match>) -> bool {
    pattern.value.0.iter().any(|pattern| pattern.text == WHOLE_HOST)
}
