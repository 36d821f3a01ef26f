//! What a hotness source reads: bytes that were last touched within the same span of time.

use std::{
    ops::{AddAssign, Sub},
    sync::Arc,
    time::Duration,
};

use super::{precision::Left, resolution::Resolution, seen::Touched};
use crate::units::Bytes;

/// Bytes of the two types of memory that the kernel keeps lists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ByType {
    /// Anonymous memory, with tmpfs and shared memory.
    pub anon: Bytes,
    /// Page cache.
    pub file: Bytes,
}

impl ByType {
    /// Both together.
    #[must_use]
    pub fn total(self) -> Bytes {
        self.anon + self.file
    }
}

impl AddAssign for ByType {
    fn add_assign(&mut self, other: Self) {
        self.anon += other.anon;
        self.file += other.file;
    }
}

impl Sub for ByType {
    type Output = Self;

    /// Of each type, at least zero.
    fn sub(self, other: Self) -> Self {
        Self { anon: self.anon - other.anon, file: self.file - other.file }
    }
}

impl std::iter::Sum for ByType {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |mut sum, part| {
            sum += part;
            sum
        })
    }
}

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
    /// When, on the clock of [`tick`](crate::tick).
    pub at: Duration,
    /// The source is looked at no more often than this.
    pub every: Duration,
    /// What was seen, in any order.
    pub cohorts: Arc<[Cohort]>,
    /// What was seen on slower nodes, which `cohorts` has nothing of where the kernel demotes; `None` if this look left them
    /// out. A page's age there counts from its arrival.
    pub slow: Option<Arc<[Cohort]>>,
    /// How far `cohorts` can be off.
    pub resolution: Resolution,
    /// What was seen to leave DRAM since the last reading; `None` if nobody watched.
    pub left: Option<Left>,
    /// What the source itself saw touched since the last reading after having been idle; `None` if it cannot tell, and that is to be
    /// found out from two readings.
    pub touched: Option<Arc<[Touched]>>,
}
