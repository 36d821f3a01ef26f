//! What the daemon asks for itself: descriptors for many cgroups, and memory that is never swapped out.

use nix::{
    libc,
    sys::{
        mman::{MlockAllFlags, mlockall, munlockall},
        resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit},
    },
};

/// As many descriptors as the daemon is allowed: a tick holds one for each cgroup.
pub(crate) fn raise_descriptors() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(errno) = raised {
        tracing::warn!(%errno, "cannot raise the limit on open files");
    }
}

/// A daemon that waits for its own pages to come back from swap cannot relieve a host that thrashes.
///
/// Each page is locked when it is first touched (`MCL_ONFAULT`, 4.4): what every turn needs is there after
/// the first one, and what only other commands of the same program need is not locked. What a turn comes to
/// for the first time later, such as what answers a trigger, is read from the program's file then.
pub(crate) fn lock_memory() {
    // Kubernetes cannot give a container such a limit. With CAP_SYS_RESOURCE the daemon gives it to itself;
    // without, mlockall has the last word.
    if let Err(errno) = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY) {
        tracing::debug!(%errno, "cannot raise the limit on locked memory");
    }
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    if let Err(errno) = mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault) {
        tracing::warn!(%errno, "cannot lock the daemon's memory; give it CAP_SYS_RESOURCE, CAP_IPC_LOCK or LimitMEMLOCK=infinity");
    }
}

/// Does something for which the memory must not be locked, and locks it again.
pub(crate) fn unlocked<T>(work: impl FnOnce() -> T) -> T {
    if let Err(errno) = munlockall() {
        tracing::debug!(%errno, "cannot unlock the daemon's memory for a moment");
    }
    let done = work();
    lock_memory();
    done
}
