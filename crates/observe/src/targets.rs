//! Which of the cgroups that a policy names lowtide may act on.

use std::{collections::HashSet, sync::Arc};

use lowtide_core::{CgroupId, quota::chosen};

/// A cgroup as the walk found it, in the order parents before children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Its inode.
    pub(crate) id: CgroupId,
    /// From the cgroup root.
    pub(crate) path: Arc<str>,
    /// The policy that names it, by index.
    pub(crate) policy: usize,
    /// Whether any process lives in it or below.
    pub(crate) populated: bool,
}

/// True if lowtide must never act on `path`: it administers the host, or lowtide itself runs in it or below.
#[must_use]
pub(crate) fn is_protected(path: &str, own: &str) -> bool {
    is_at_or_above(path, own) || lowtide_policy::is_protected(path)
}

/// True if what lies below `path`, which nobody could look into, may be what must not be touched.
#[must_use]
pub(crate) fn may_hold_protected(path: &str) -> bool {
    lowtide_policy::may_hold_protected(path)
}

/// The candidates with those that could not be looked at in their places: they are no targets themselves, but
/// what lies above them is not either, only because nobody saw them.
#[must_use]
pub(crate) fn with_unseen(candidates: Vec<Candidate>, unseen: Vec<(Arc<str>, usize)>) -> Vec<Candidate> {
    if unseen.is_empty() {
        return candidates;
    }
    let paths: HashSet<_> = unseen.iter().map(|(path, _)| Arc::clone(path)).collect();
    let seen = candidates.into_iter().filter(|candidate| !paths.contains(&candidate.path));
    let nobody = |(path, policy)| Candidate { id: UNSEEN, path, policy, populated: true };
    let mut all: Vec<_> = seen.chain(unseen.into_iter().map(nobody)).collect();
    all.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    all
}

/// No cgroup has this inode (`kernfs_new_node`, fs/kernfs/dir.c: they begin with 1).
const UNSEEN: CgroupId = CgroupId(0);

/// Drops every candidate that a protected cgroup lies in: a request to it would reclaim from that one as
/// well.
///
/// The work is that of the paths, however many of either a tenant makes: each cgroup above a protected one is
/// noted once.
#[must_use]
pub(crate) fn without_parents_of(protected: &[Arc<str>], candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut above = HashSet::new();
    for path in protected {
        let mut path = path.trim_end_matches('/');
        // What is above one that is known is known.
        while above.insert(path)
            && let Some((parent, _)) = path.rsplit_once('/')
        {
            path = parent;
        }
    }
    candidates.into_iter().filter(|candidate| !above.contains(candidate.path.trim_end_matches('/'))).collect()
}

/// `/a` is at or above `/a` and `/a/b`, not `/ab`; `/` is above everything.
fn is_at_or_above(path: &str, other: &str) -> bool {
    let path = path.trim_end_matches('/');
    other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The deepest of the cgroups that policies name.
///
/// A request to a parent reclaims from its children as well, so if both were targets the same memory would be
/// asked for twice and the child's SLO would not hold. An empty child takes nothing away from its parent:
/// services leave such cgroups behind, and the parent is where the memory is. `candidates` must stand parents
/// before children, as a walk in depth-first order gives them.
#[must_use]
pub(crate) fn deepest(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let is_below = |last: &Candidate| is_at_or_above(&last.path, &candidate.path);
        if !candidate.populated && kept.last().is_some_and(is_below) {
            continue;
        }
        while kept.last().is_some_and(is_below) {
            kept.pop();
        }
        kept.push(candidate);
    }
    kept
}

/// At most `most` of them, shared among the subtrees at each level; and the others' inodes.
#[must_use]
pub(crate) fn within(most: usize, candidates: Vec<Candidate>) -> (Vec<Candidate>, Vec<CgroupId>) {
    if candidates.len() <= most {
        return (candidates, Vec::new());
    }
    let chosen: HashSet<CgroupId> = {
        let chosen = chosen(most, candidates.iter().map(|candidate| &*candidate.path));
        let is_chosen = |candidate: &&Candidate| chosen.contains(&*candidate.path);
        candidates.iter().filter(is_chosen).map(|candidate| candidate.id).collect()
    };
    let (kept, beyond): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|candidate| chosen.contains(&candidate.id));
    (kept, beyond.into_iter().map(|candidate| candidate.id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(found: &[&str]) -> Vec<Arc<str>> {
        deepest(found.iter().map(|path| candidate(path, true)).collect())
            .into_iter()
            .map(|kept| kept.path)
            .collect()
    }

    /// Kind 4.
    #[test]
    fn what_nobody_saw_still_stands_below_its_parent() {
        let seen = ["/a", "/a/b", "/a-b", "/c"]
            .map(|path| candidate(path, true))
            .map(|seen| Candidate { id: CgroupId(7), ..seen })
            .into();
        let unseen = ["/c/d", "/a/b", "/a/x"].map(|path| (path.into(), 0)).into();
        let kept = deepest(with_unseen(seen, unseen));
        let kept: Vec<_> = kept.iter().map(|kept| (&*kept.path, kept.id == UNSEEN)).collect();
        assert_eq!(kept, [("/a/b", true), ("/a/x", true), ("/a-b", false), ("/c/d", true)]);
    }

    /// Kind 1: each of 15 000 was compared with each of 60 000, which took two minutes here.
    #[test]
    fn many_of_either_are_no_more_work_than_their_paths() {
        let protected: Vec<Arc<str>> =
            (0..60_000).map(|number| format!("/p/{}/{number}", number % 100).into()).collect();
        let candidates = (0..15_000).map(|number| candidate(&format!("/c/{number}"), true));
        let candidates =
            candidates.chain(["/p", "/p/7", "/p/7/7", "/"].map(|path| candidate(path, true))).collect();
        assert_eq!(without_parents_of(&protected, candidates).len(), 15_000);
    }

    /// Kind 1: one tenant's fifty thousand took a gigabyte of locked memory.
    #[test]
    fn one_tenants_thousands_leave_the_others_their_places() {
        let of = |(tenant, count): (&str, u64)| {
            let tenant = tenant.to_owned();
            (0..count).map(move |number| format!("/{tenant}/{number}"))
        };
        let paths: Vec<_> = [("evil", 5000), ("good", 30), ("other", 7)].into_iter().flat_map(of).collect();
        let numbered = paths.iter().zip(1..);
        let all: Vec<_> =
            numbered.map(|(path, id)| Candidate { id: CgroupId(id), ..candidate(path, true) }).collect();
        let (kept, beyond) = within(100, all.clone());
        let count = |tenant| kept.iter().filter(|kept| kept.path.starts_with(tenant)).count();
        assert_eq!((count("/evil"), count("/good"), count("/other")), (63, 30, 7));
        assert_eq!(beyond.len(), all.len() - 100);
        assert_eq!(within(all.len(), all.clone()), (all, Vec::new()));
    }

    fn candidate(path: &str, populated: bool) -> Candidate {
        Candidate { id: CgroupId(0), path: path.into(), policy: 0, populated }
    }

    #[test]
    fn an_empty_child_takes_nothing_from_its_parent() {
        let kept = deepest(vec![candidate("/a", true), candidate("/a/old", false), candidate("/b", false)]);
        assert_eq!(kept, [candidate("/a", true), candidate("/b", false)]);
    }

    #[test]
    fn only_the_deepest_are_targets() {
        for (found, kept) in [
            (&["/a", "/a/b", "/a/b/c", "/a/d", "/ab"][..], &["/a/b/c", "/a/d", "/ab"][..]),
            (&["/", "/a"], &["/a"]),
            (&["/a"], &["/a"]),
        ] {
            assert_eq!(paths(found), kept.iter().map(|path| Arc::from(*path)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn lowtide_and_what_holds_it_are_never_targets() {
        for path in ["/", "/system.slice", "/system.slice/tide.service"] {
            assert!(is_protected(path, "/system.slice/tide.service"), "{path}");
        }
        for path in ["/system.slice/web.service", "/system", "/web"] {
            assert!(!is_protected(path, "/system.slice/tide.service"), "{path}");
        }
    }

    #[test]
    fn a_parent_of_what_is_protected_is_no_target() {
        let candidate = |path| candidate(path, true);
        let ssh = Arc::from("/system.slice/system-ssh.slice/ssh@4.service");
        let kept = without_parents_of(
            &[ssh],
            vec![
                candidate("/system.slice"),
                candidate("/system.slice/system-ssh.slice"),
                candidate("/system"),
            ],
        );
        assert_eq!(kept, [candidate("/system")]);
    }

    #[test]
    fn what_administers_the_host_is_never_a_target() {
        for path in [
            "/init.scope",
            "/system.slice/sshd.service",
            "/system.slice/ssh@4.service",
            "/system.slice/dbus.service/x",
        ] {
            assert!(is_protected(path, "/elsewhere"), "{path}");
        }
        assert!(!is_protected("/system.slice/sshd.service.d", "/elsewhere"));
    }
}
