use std::time::Duration;

use lowtide_core::Ratio;

use super::{Keyword, Verdict};

/// `monitoring_attrs`: how often and how finely DAMON looks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Monitoring {
    /// How often.
    pub intervals: Intervals,
    /// How finely.
    pub regions: RegionCount,
    /// Data attributes to be sampled beside accesses (by 7.3); at most four.
    pub probes: Vec<Probe>,
}

/// The three intervals. In each [`Intervals::sample`] one page of each region is looked at; how often it was
/// found accessed is summed up for each [`Intervals::aggregation`], after which regions are merged, aged and
/// split.
///
/// The cost is regions / sample. Up to 6.12 (`damon_merge_regions_of`) a region loses its age only when its
/// count changes by more than a tenth of the highest count of any region: with ten samples or more in an
/// aggregation, memory that was touched once looks as idle as before. Fewer than ten samples make every
/// change count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intervals {
    /// `sample_us`.
    pub sample: Duration,
    /// `aggr_us`: not shorter than a sample.
    pub aggregation: Duration,
    /// `update_us`: how often the ranges of processes are looked up again.
    pub update: Duration,
    /// `intervals_goal` (6.15 and later): the kernel tunes sample and aggregation, which keep their
    /// proportion.
    pub goal: Option<IntervalsGoal>,
}

impl Intervals {
    /// So long is an aggregation of `samples` samples, by which ages are counted.
    #[must_use]
    pub const fn new(sample: Duration, samples: u32) -> Self {
        let update = Duration::from_mins(1);
        Self { sample, aggregation: sample.saturating_mul(samples), update, goal: None }
    }

    /// The highest access count of a region: samples in an aggregation.
    #[must_use]
    pub fn samples(&self) -> u64 {
        let sample = self.sample.as_micros().max(1);
        u64::try_from(self.aggregation.as_micros() / sample).unwrap_or(u64::MAX)
    }
}

impl Default for Intervals {
    /// The kernel's: 5 ms, 100 ms, 60 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(5), 20)
    }
}

/// What the kernel tunes the intervals for (`kdamond_tune_intervals`): longer while less is found than
/// wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntervalsGoal {
    /// `access_bp`: the share of all possible positive samples (bytes times samples) to be found. The
    /// kernel's documentation suggests 4 %.
    pub access: Ratio,
    /// `aggrs`: aggregations between two tunings.
    pub aggregations: u32,
    /// `min_sample_us`.
    pub min_sample: Duration,
    /// `max_sample_us`.
    pub max_sample: Duration,
}

/// `nr_regions`: how many regions all targets together are divided into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionCount {
    /// At least three, says `damon_set_attrs`. It limits the size that regions are merged to; up to 6.18 that
    /// limit is computed at the start and at each [`Intervals::update`] alone (`sz_limit` in `kdamond_fn`),
    /// for physical memory too.
    pub min: u32,
    /// An upper bound of the cost.
    pub max: u32,
}

impl Default for RegionCount {
    /// The kernel's: 10 to 1000.
    fn default() -> Self {
        Self { min: 10, max: 1000 }
    }
}

/// `probes/N` (by 7.3): how many samples of a region were of a kind of page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `weight`: with any weight, regions are made by these counts, and accesses are no longer looked at.
    pub weight: u32,
    /// Which pages count; the first that matches decides.
    pub filters: Vec<ProbeFilter>,
}

/// A filter of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeFilter {
    /// Of which pages it speaks.
    pub kind: ProbeKind,
    /// Whether it matches pages of the kind, or all others.
    pub matching: bool,
    /// Whether what matches counts.
    pub verdict: Verdict,
}

/// Pages by which a probe counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeKind {
    /// Anonymous pages.
    Anonymous,
    /// Pages that are charged to this memory cgroup; a path from the root of the hierarchy, with a leading
    /// slash.
    Memcg(String),
}

impl ProbeKind {
    pub(crate) const KEYWORDS: [&'static str; 2] = ["anon", "memcg"];
}

impl Keyword for ProbeKind {
    fn keyword(&self) -> &'static str {
        match self {
            Self::Anonymous => "anon",
            Self::Memcg(_) => "memcg",
        }
    }
}
