//! Idle ages from the kernel: which source, how often, and at what cost.
//!
//! A look can take long (MGLRU walks the page tables of every process of a cgroup), so it runs on the
//! blocking pool and its readings are there at a later turn. One look at a time.

mod auto;
mod choice;
pub mod damon;
mod guests;
mod mglru;
mod places;
pub mod sampled;
mod sampler;
mod schedule;
mod trial;
mod underway;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use lowtide_core::{
    CgroupId, Cohort, LeftOut, Ratio,
    reading::{Left, Resolution, Source, Touched},
};

pub use auto::auto;
pub use sampler::Sampler;
pub use trial::Trial;

/// Tells a look to end early.
#[derive(Debug, Clone, Default)]
struct Stop(Arc<AtomicBool>);

impl Stop {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A cgroup whose idle ages are wanted.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its inode.
    pub id: CgroupId,
    /// From the cgroup root.
    pub path: Arc<str>,
    /// It is worth a look so often.
    pub every: Duration,
    /// And its memory on slower nodes so often.
    pub slow_every: Duration,
    /// The policy calls memory cold that has been idle for so long.
    pub cold_after: Duration,
}

/// What a look saw of one cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    source: Source,
    cohorts: Vec<Cohort>,
    resolution: Resolution,
    /// What was seen to leave DRAM since the last look, where somebody watches single pages.
    left: Option<Left>,
    /// And to be touched after a while.
    touched: Option<Vec<Touched>>,
}

/// What one look brought.
#[derive(Debug)]
pub struct Look {
    /// The idle ages of the targets that were found.
    readings: Vec<(CgroupId, Seen)>,
    /// Of those targets whose slower nodes were looked at, what is there; the readings have nothing of it.
    slow: HashMap<CgroupId, Vec<Cohort>>,
    /// When they were true.
    at: Instant,
    /// CPU that it took.
    cpu: Duration,
    /// CPU that the source took between the last look and this one, however often it is looked at.
    between: Duration,
    /// The same as a share of a core.
    share_between: Ratio,
    /// Targets that were due and are to be tried again at the next look.
    again: Vec<CgroupId>,
    /// What people should know.
    note: Option<String>,
    /// Cgroups and processes that could not be looked at.
    left_out: LeftOut,
}

impl Default for Look {
    /// One that has shown nothing.
    fn default() -> Self {
        Self {
            readings: Vec::new(),
            slow: HashMap::new(),
            at: Instant::now(),
            cpu: Duration::ZERO,
            between: Duration::ZERO,
            share_between: Ratio::ZERO,
            again: Vec::new(),
            note: None,
            left_out: LeftOut::default(),
        }
    }
}

/// Something that can tell idle ages. Its calls block.
trait Ager: std::fmt::Debug + Send {
    /// Which source it is; `None` as long as that is not known.
    fn source(&self) -> Option<Source>;

    /// Why that one, or why it cannot tell.
    fn why(&self) -> String;

    /// Looks at the targets, of which some are due.
    fn look(&mut self, all: &[Target], due: &[Target]) -> Result<Look, String>;

    /// Leaves the kernel as it was found.
    fn stop(&mut self) -> Result<(), String>;
}

/// How idle ages are got, for people and metrics.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Sampling {
    /// The source; `None` if the loop works by pressure alone.
    pub source: Option<Source>,
    /// Why this one, and not a better one.
    pub why: String,
    /// The shortest time from one look to the next: the configured interval, or longer to keep within the CPU
    /// budget.
    pub interval: Duration,
    /// CPU that the last look took, with what its source took since the one before.
    pub last_cpu: Duration,
    /// CPU that all looks took, and their source between them.
    pub cpu: Duration,
    /// Looks so far, also those that failed.
    pub looks: u64,
    /// What trying MGLRU has shown: its walks notice the first touch of a page after its fault. `None` as
    /// long as nobody tried.
    pub notices_first_touch: Option<bool>,
    /// Why the last look failed, if it did, or that it does not end.
    pub problem: Option<String>,
    /// What the last look could not look at.
    #[serde(skip)]
    pub left_out: LeftOut,
}
