//! Whose containers' cgroups are, read once for each container.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use lowtide_cgroup::Cgroup;
use lowtide_core::{CgroupId, LeftOut, left_out::Kind};
use lowtide_kernfs::Root;
use lowtide_pods::{Container, Error, Place, Pod, find};
use lowtide_policy::{Found, Namespace, PolicySet};

/// A container that nobody can say of whose it is, is asked about again after so long, unless what was wrong
/// may pass.
const AGAIN: Duration = Duration::from_mins(5);
/// So many files are read in a turn: each takes some system calls, and who may start containers decides how
/// many there are. New containers go first, and what could not be told before is asked again with what they
/// leave.
const MOST: usize = 512;
/// After so many bytes none is begun any more.
const MOST_BYTES: usize = 128 << 20;

/// Whether the cgroup at `path` is in kubelet's tree: a pod's, or a part of one.
#[must_use]
pub fn is_in_a_pod(path: &str) -> bool {
    Place::of(path) != Place::Outside
}

/// What is known of the containers that the last walk came to.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    known: HashMap<CgroupId, Known>,
    now: Duration,
    /// The container that the walk is in.
    inside: Option<Inside>,
    /// Files read in this turn.
    read: usize,
    /// How long they were.
    bytes: usize,
    /// There were more, which was told.
    is_late: bool,
    left_out: LeftOut,
}

#[derive(Debug)]
struct Known {
    pod: Result<Arc<Pod>, Unnamed>,
    /// The container's own cgroup.
    path: Arc<str>,
    at: Duration,
    asked: bool,
}

/// Why a pod is not known.
#[derive(Debug)]
struct Unnamed {
    why: Arc<str>,
    may_pass: bool,
}

/// A container, with its own cgroup.
#[derive(Debug, Clone)]
struct Inside {
    path: Arc<str>,
    id: CgroupId,
}

/// Whose the cgroup is that the walk is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// No pod's.
    Nobodys,
    /// In kubelet's tree and in no container that is known: a pod's as a whole, a QoS class's, or a runtime's
    /// own.
    Inside,
    /// A container's, of some pod; it is not known which one.
    Unknown,
    /// A container's, of some pod; which one is read in one of the next turns.
    Later,
    /// That of this pod, with the path of the container's own cgroup.
    Pods(Arc<Pod>, Arc<str>),
}

impl Pods {
    /// Another walk begins.
    pub(crate) fn begin(&mut self, now: Duration) {
        (self.now, self.read, self.bytes, self.is_late, self.inside) = (now, 0, 0, false, None);
        self.known.values_mut().for_each(|known| known.asked = false);
    }

    /// Takes in the next cgroup of a walk in depth-first order.
    pub(crate) fn enter(&mut self, cgroup: &Cgroup) {
        let path = cgroup.path();
        let Place::Container(container) = Place::of(path) else { return };
        // A container that cannot be entered is not walked, and neither is what lies below it.
        if container.cgroup() == &**path {
            self.inside = Some(Inside { path: Arc::clone(path), id: cgroup.id() });
        }
    }

    /// Whose the cgroup at `path` is, which the walk is at.
    fn of(&mut self, path: &str, root: &Root) -> Whose {
        let container = match Place::of(path) {
            Place::Outside => return Whose::Nobodys,
            Place::Inside => return Whose::Inside,
            Place::Container(container) => container,
        };
        let inside = self.inside.clone().filter(|inside| *inside.path == *container.cgroup());
        let Some(Inside { path, id }) = inside else { return Whose::Unknown };
        let known = match self.known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if self.read == MOST || self.bytes >= MOST_BYTES => return self.later(),
            Entry::Vacant(new) => {
                self.read += 1;
                new.insert(Known {
                    pod: read(root, container, &mut self.bytes),
                    path: Arc::clone(&path),
                    at: self.now,
                    asked: false,
                })
            }
        };
        let is_first = !std::mem::replace(&mut known.asked, true);
        match &known.pod {
            Ok(pod) => Whose::Pods(Arc::clone(pod), path),
            Err(Unnamed { why, .. }) => {
                if is_first {
                    self.left_out.add_of(&path, Kind::Pod, why);
                }
                Whose::Unknown
            }
        }
    }

    /// The next turns have theirs, which is told once.
    fn later(&mut self) -> Whose {
        if !std::mem::replace(&mut self.is_late, true) {
            let read = self.read;
            let why = format!("{read} containers are new: whose the others are is read in the next turns");
            self.left_out.add(Kind::Pod, &why);
        }
        Whose::Later
    }

    /// Which policy the cgroup at `path` is held to, which the walk is at, and whose it is. Nothing is read
    /// where no pattern matches.
    pub(crate) fn policy(&mut self, path: &str, policies: &PolicySet, root: &Root) -> (Found, Whose) {
        let mut whose = Whose::Nobodys;
        let found = policies.matching_in(path, || {
            whose = self.of(path, root);
            whose.namespace()
        });
        match found {
            // What its owner has chosen is not known: it may be to be left alone.
            Found::Policy(policy) if whose.may_have_chosen(policy, policies) => {
                (Found::Unknown(policy), whose)
            }
            found => (found, whose),
        }
    }

    /// The walk is over: whose could not be told. Those that are gone are forgotten, and of those that nobody
    /// could say of whose they are some are asked about again: what comes of it counts in the next turn.
    pub(crate) fn end(&mut self, root: &Root) -> LeftOut {
        self.inside = None;
        self.known.retain(|_, known| known.asked);
        self.ask_again(root);
        std::mem::take(&mut self.left_out)
    }

    /// Spends what new containers have left, on those first that have waited longest.
    fn ask_again(&mut self, root: &Root) {
        let now = self.now;
        let mut old: Vec<_> = self.known.values_mut().filter(|known| known.is_old(now)).collect();
        old.sort_unstable_by_key(|known| known.at);
        for known in old.into_iter().take(MOST - self.read) {
            if self.bytes >= MOST_BYTES {
                break;
            }
            let Place::Container(container) = Place::of(&known.path) else { continue };
            known.pod = read(root, container, &mut self.bytes);
            known.at = now;
        }
    }
}

fn read(root: &Root, container: Container<'_>, bytes: &mut usize) -> Result<Arc<Pod>, Unnamed> {
    let unnamed = |error: Error| Unnamed { may_pass: error.may_pass(), why: error.to_string().into() };
    find(root, container, bytes).map(Arc::new).map_err(unnamed)
}

impl Known {
    /// What a container's spec says does not change as long as its cgroup is there.
    fn is_old(&self, now: Duration) -> bool {
        let after = |unnamed: &Unnamed| if unnamed.may_pass { Duration::ZERO } else { AGAIN };
        self.pod.as_ref().is_err_and(|unnamed| now.saturating_sub(self.at) >= after(unnamed))
    }
}

impl Whose {
    /// The pod, if it is known.
    pub(crate) fn pod(&self) -> Option<&Arc<Pod>> {
        match self {
            Self::Pods(pod, _) => Some(pod),
            Self::Nobodys | Self::Inside | Self::Unknown | Self::Later => None,
        }
    }

    /// Whether an annotation that nobody has seen may say something else than the policy `given`.
    fn may_have_chosen(&self, given: usize, policies: &PolicySet) -> bool {
        match self {
            Self::Nobodys | Self::Pods(..) => false,
            Self::Inside | Self::Unknown => policies.lets_choose_from(given),
            Self::Later => true,
        }
    }

    /// What policies ask.
    pub(crate) fn namespace(&self) -> Namespace {
        match self {
            Self::Nobodys => Namespace::None,
            Self::Inside | Self::Unknown | Self::Later => Namespace::Unknown,
            Self::Pods(pod, _) => Namespace::Named(Arc::clone(&pod.namespace)),
        }
    }
}

#[cfg(test)]
#[path = "pods_tests.rs"]
mod tests;
