use std::time::Duration;

use lowtide_core::{Bytes, Ratio};

use super::{Filter, Intervals, Keyword, Quota};

/// A scheme: find regions with a pattern, and do something to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheme {
    /// What is done.
    pub action: Action,
    /// To which regions.
    pub pattern: AccessPattern,
    /// `apply_interval_us` (6.7 and later): how often; zero, the default, is after each aggregation. A
    /// snapshot waits for it.
    pub apply_interval: Duration,
    /// How much at most.
    pub quota: Quota,
    /// When at all; `None` is always.
    pub watermarks: Option<Watermarks>,
    /// To which part of those regions.
    pub filters: Vec<Filter>,
    /// `max_nr_snapshots` (by 7.3): the scheme ends after so many times; zero, the default, is never.
    pub max_snapshots: u64,
}

impl Scheme {
    /// Does `action` to all regions.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self {
            action,
            pattern: AccessPattern::default(),
            apply_interval: Duration::ZERO,
            quota: Quota::default(),
            watermarks: None,
            filters: Vec::new(),
            max_snapshots: 0,
        }
    }

    /// Does nothing to all regions, so that a snapshot shows them.
    #[must_use]
    pub fn report() -> Self {
        Self::new(Action::Stat)
    }

    /// Does nothing to all regions that were not accessed in the last aggregation.
    #[must_use]
    pub fn idle() -> Self {
        let mut scheme = Self::report();
        scheme.pattern.accesses = Span::new(0, 0);
        scheme
    }
}

/// What a scheme does to a region. One that a set of operations does not know is silently nothing in the
/// kernel; this crate refuses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `willneed`: madvise(2) `MADV_WILLNEED`. Processes only, as the next five.
    WillNeed,
    /// `cold`: `MADV_COLD`.
    Cold,
    /// `hugepage`: `MADV_HUGEPAGE`.
    HugePage,
    /// `nohugepage`: `MADV_NOHUGEPAGE`.
    NoHugePage,
    /// `collapse` (by 7.3): `MADV_COLLAPSE`.
    Collapse,
    /// `pageout`: reclaims. For physical memory it never demotes and is not seen in pgscan and pgsteal;
    /// without a `young` filter it adds one itself and leaves out what was accessed.
    PageOut,
    /// `lru_prio` (6.0 and later): to the active list. Physical memory only.
    LruPrio,
    /// `lru_deprio` (6.0 and later): to the inactive list. Physical memory only.
    LruDeprio,
    /// `migrate_hot` (6.11 and later; processes: 6.17 and later): to another node, the most accessed first.
    MigrateHot(Destination),
    /// `migrate_cold`: to another node, the least accessed first.
    MigrateCold(Destination),
    /// `stat`: nothing. Filters of the operations are asked from 6.14 on (physical memory).
    Stat,
}

impl Action {
    pub(crate) const KEYWORDS: [&'static str; 11] = [
        "willneed",
        "cold",
        "pageout",
        "hugepage",
        "nohugepage",
        "collapse",
        "lru_prio",
        "lru_deprio",
        "migrate_hot",
        "migrate_cold",
        "stat",
    ];

    pub(crate) const fn destination(&self) -> Option<&Destination> {
        match self {
            Self::MigrateHot(destination) | Self::MigrateCold(destination) => Some(destination),
            _ => None,
        }
    }
}

impl Keyword for Action {
    fn keyword(&self) -> &'static str {
        match self {
            Self::WillNeed => "willneed",
            Self::Cold => "cold",
            Self::PageOut => "pageout",
            Self::HugePage => "hugepage",
            Self::NoHugePage => "nohugepage",
            Self::Collapse => "collapse",
            Self::LruPrio => "lru_prio",
            Self::LruDeprio => "lru_deprio",
            Self::MigrateHot(_) => "migrate_hot",
            Self::MigrateCold(_) => "migrate_cold",
            Self::Stat => "stat",
        }
    }
}

/// Where pages are migrated to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// `target_nid`: one node. For physical memory it has to be this one (`damon_pa_migrate` reads nothing
    /// else).
    Node(u32),
    /// `dests` (6.17 and later): nodes and their weights, for processes.
    Interleaved(Vec<(u32, u32)>),
}

/// From `min` to `max`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<T> {
    /// The least.
    pub min: T,
    /// The most.
    pub max: T,
}

impl<T> Span<T> {
    /// From `min` to `max`.
    pub const fn new(min: T, max: T) -> Self {
        Self { min, max }
    }
}

/// `access_pattern`: the regions that a scheme is for. By default all.
///
/// (The kernel's own default is none: all zeros.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPattern {
    /// `sz`: their size.
    pub size: Span<Bytes>,
    /// `nr_accesses`: samples of the last aggregation in which they were found accessed, of
    /// [`Intervals::samples`].
    pub accesses: Span<u32>,
    /// `age`: aggregations for which that has been so.
    pub age: Span<u32>,
}

impl AccessPattern {
    /// Regions without any access for at least this long, to a whole aggregation.
    #[must_use]
    pub fn idle_for(idle: Duration, intervals: &Intervals) -> Self {
        let aggregations = idle.as_micros().div_ceil(intervals.aggregation.as_micros().max(1));
        let age = u32::try_from(aggregations).unwrap_or(u32::MAX);
        Self { accesses: Span::new(0, 0), age: Span::new(age, u32::MAX), ..Self::default() }
    }
}

impl Default for AccessPattern {
    fn default() -> Self {
        let all = Span::new(0, u32::MAX);
        Self { size: Span::new(Bytes::ZERO, Bytes::MAX), accesses: all, age: all }
    }
}

/// `watermarks` with the metric `free_mem_rate`, the free share of the host's memory: a scheme sleeps while
/// more than `high` or less than `low` is free, and wakes up below `mid`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Watermarks {
    /// `interval_us`: how often it is looked at.
    pub interval: Duration,
    /// So much is free: nothing to be done. To one thousandth, as the next two.
    pub high: Ratio,
    /// Below this it starts.
    pub mid: Ratio,
    /// So little is free that it would only disturb.
    pub low: Ratio,
}

impl Watermarks {
    pub(crate) const KEYWORDS: [&'static str; 2] = ["none", "free_mem_rate"];
}
