//! What a source of idle ages reads: bytes that were last touched within the same span of time.

use std::{sync::Arc, time::Duration};

use super::resolution::Resolution;
use crate::{cgroup::ByType, units::Bytes};

/// Bytes in DRAM that were last touched between `youngest` and `oldest` before the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Cohort {
    /// They have been idle for at least this long.
    pub youngest: Duration,
    /// And for at most this long; `None` if the source cannot tell.
    pub oldest: Option<Duration>,
    /// How many.
    pub size: ByType,
}

/// Where ages come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Generations of the multi-generational LRU.
    Mglru,
    /// DAMON over physical addresses, filtered by cgroup.
    DamonPaddr,
    /// DAMON over the virtual addresses of the cgroup's processes.
    DamonVaddr,
    /// Pages drawn at random from what the cgroup's processes map, each watched by itself.
    Sampled,
}

impl Source {
    /// The name in status, metrics and the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mglru => "mglru",
            Self::DamonPaddr => "damon_paddr",
            Self::DamonVaddr => "damon_vaddr",
            Self::Sampled => "sampled",
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// One look at the idle ages of one cgroup, with all that is below it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Reading {
    /// Who looked.
    pub source: Source,
    /// When, on the clock that decisions are made by.
    pub at: Duration,
    /// The source is looked at no more often than this.
    pub every: Duration,
    /// What was seen, in any order.
    pub cohorts: Arc<[Cohort]>,
    /// What was seen on slower nodes, which `cohorts` has nothing of where the kernel demotes; `None` if this
    /// look left them out. A page's age there counts from its arrival.
    pub slow: Option<Arc<[Cohort]>>,
    /// How far `cohorts` can be off.
    pub resolution: Resolution,
    /// What was seen to leave DRAM since the last reading; `None` if nobody watched.
    pub left: Option<Left>,
    /// What the source itself saw touched since the last reading after having been idle; `None` if it cannot
    /// tell, and that is to be found out from two readings.
    pub touched: Option<Arc<[Touched]>>,
}

/// Bytes that were idle at one reading and touched at the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Touched {
    /// How long they had been idle, at the least, at the reading before.
    pub seen: Duration,
    /// How long they had been idle when they were touched, give or take half of the time between the
    /// readings.
    pub age: Duration,
    /// How many.
    pub size: Bytes,
}

/// Sampled pages that were found to have left DRAM for swap since the last reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Left {
    /// All of them.
    pub pages: u32,
    /// Those of them that had been idle for the policy's `cold_after`.
    pub cold: u32,
}
