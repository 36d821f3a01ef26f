//! How many cgroups can be held open, and what is kept back for all else.

use std::os::fd::OwnedFd;

use lowtide_cgroup::Mount;
use nix::sys::resource::{Resource, getrlimit};

/// How many cgroups can be held open: two thirds of the descriptors. The rest is for triggers, sockets, and
/// what is read.
pub(crate) fn cgroups_at_once() -> usize {
    let (allowed, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((0, 0));
    let allowed = usize::try_from(allowed).unwrap_or(usize::MAX).saturating_sub(RESERVE);
    allowed - allowed / 3
}

/// So many are kept back while the cgroups are walked: for the files that are read after it, one at a time,
/// the journal, and those who ask.
const RESERVE: usize = 32;

/// Holds some descriptors, as many as there still are, until they are needed.
pub(crate) fn reserve_descriptors(mount: &Mount) -> Vec<OwnedFd> {
    let one = |_| mount.root().ok()?.dir().handle().try_clone_to_owned().ok();
    (0..RESERVE).map_while(one).collect()
}
