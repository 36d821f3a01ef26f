//! The shape of a controller of the host.
//!
//! Two others have another one. Confinement acts before anything is decided, and changes what was seen. The
//! balancer has a clock of its own and is woken by runs that end; what it holds at the daemon's end depends
//! on them.

use std::{fmt::Debug, path::PathBuf, time::Duration};

use lowtide_cgroup::Mount;
use lowtide_journal::Journal;
use lowtide_kernfs::Root;
use lowtide_policy::Config;

/// What a controller is given in a turn.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// The configuration in force; what is not in it any more is put back.
    pub config: &'a Config,
    /// Since the loop's start.
    pub now: Duration,
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
}
