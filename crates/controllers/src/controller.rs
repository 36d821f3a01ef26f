//! The shape of a controller of the host.
//!
//! Two others have another one. Confinement acts before anything is decided, and changes what was seen. The
//! balancer has a clock of its own and is woken by runs that end; what it holds at the daemon's end depends
//! on them.

use std::{
    collections::HashSet,
    fmt::{self, Debug},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use lowtide_cgroup::Mount;
use lowtide_core::Tier;
use lowtide_journal::Journal;
use lowtide_kernfs::Root;
use lowtide_policy::Config;

/// What a controller is given in a turn.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// The configuration in force; what is not in it any more is put back.
    pub config: &'a Config,
    /// What the loop knows besides.
    pub around: Around<'a>,
    /// Since the loop's start.
    pub now: Duration,
}

/// What the loop knows besides, of this turn.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The daemon's own cgroup.
    pub own: &'a str,
    /// Paths of the targets that may be asked for page cache; called where a step begins.
    pub acting: &'a dyn Fn() -> HashSet<Arc<str>>,
    /// `memory.reclaim` takes `swappiness=`: page cache alone can be asked for.
    pub takes_swappiness: bool,
    /// Where offloaded pages can live, in the order in which the kernel fills them.
    pub tiers: &'a [Tier],
}

impl Debug for Around<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Around").field("own", &self.own).finish_non_exhaustive()
    }
}

/// Something that decides in every turn about knobs of the host, which it alone holds.
pub(crate) trait Controller: Debug {
    /// What is known of it, for metrics and `status`.
    type View;

    /// That of a daemon that has seen nothing yet.
    fn new(root: &Root, mount: &Mount) -> Self;

    /// Looks, decides, and does what was decided. It shows nothing while it is not configured.
    fn turn(&mut self, journal: &mut Journal, turn: &Turn<'_>) -> Option<Self::View>;

    /// The knobs, while they are this daemon's to put back.
    fn held(&self) -> Vec<PathBuf>;

    /// What keeps it from its work, each as a line of `status`.
    fn problems(&self) -> Vec<String>;

    /// Ends what is under way after what the kernel is doing just now. Most have nothing that outlasts a
    /// turn.
    fn stop(&self) {}

    /// Work that was begun and has not ended.
    fn unfinished(&self) -> usize {
        0
    }
}
