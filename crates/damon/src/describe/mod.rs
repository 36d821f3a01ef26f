//! What a kdamond shall do, as plain data.

mod filter;
mod monitoring;
mod quota;
mod scheme;
mod target;

pub use filter::{Filter, FilterKind, Layer, Verdict};
pub use monitoring::{Intervals, IntervalsGoal, Monitoring, Probe, ProbeFilter, ProbeKind, RegionCount};
pub use quota::{Goal, GoalTuner, Quota, Weights};
pub use scheme::{AccessPattern, Action, Destination, Scheme, Span, Watermarks};
pub use target::{AddressRange, Operations, Process, Space};

use std::{fmt, num::NonZeroU64, time::Duration};

/// Everything about one kdamond. A kdamond has one context in every kernel up to 7.3.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// Which memory is watched, and by which set of operations.
    pub space: Space,
    /// How often and how finely.
    pub monitoring: Monitoring,
    /// What is done to what is found; a snapshot shows the regions that schemes tried, so it needs at least
    /// one.
    pub schemes: Vec<Scheme>,
    /// `addr_unit` (6.18 and later; physical addresses only): the kernel counts addresses and sizes in so
    /// many bytes, for 32-bit kernels with more memory than a long can address. A power of two. All of this
    /// crate is in bytes all the same.
    pub address_unit: Option<NonZeroU64>,
    /// `pause` (by 7.3): keeps the thread and what it knows, and stops looking.
    pub paused: bool,
    /// `refresh_ms` of the kdamond (6.17 and later): the kernel updates statistics, effective quotas and
    /// tuned intervals by itself.
    pub refresh: Option<Duration>,
}

impl Context {
    /// Watches `space` with default settings and reports all of it: one scheme [`Scheme::report`].
    #[must_use]
    pub fn new(space: Space) -> Self {
        Self {
            space,
            monitoring: Monitoring::default(),
            schemes: vec![Scheme::report()],
            address_unit: None,
            paused: false,
            refresh: None,
        }
    }

    /// The memory cgroups that filters and goals name. The kernel looks them up when it starts and at each
    /// commit.
    pub(crate) fn memcgs(&self) -> impl Iterator<Item = &str> {
        let schemes = self.schemes.iter().flat_map(|scheme| {
            let filters = scheme.filters.iter().filter_map(|filter| filter.kind.memcg());
            filters.chain(scheme.quota.goals.iter().filter_map(Goal::memcg))
        });
        let probes = self.monitoring.probes.iter().flat_map(|probe| &probe.filters);
        schemes.chain(probes.filter_map(|filter| match &filter.kind {
            ProbeKind::Memcg(path) => Some(path.as_str()),
            ProbeKind::Anonymous => None,
        }))
    }
}

/// How a keyword enum is written into the tree.
pub(crate) trait Keyword: fmt::Debug {
    fn keyword(&self) -> &'static str;
}
