//! Idle ages from the kernel: which source, how often, and at what cost.
//!
//! A look can take long (MGLRU walks the page tables of every process of a cgroup), so it runs on the blocking pool and
//! its readings are there at a later turn. One look at a time.

mod choice;
mod mglru;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use lowtide_cgroup::Mount;
use lowtide_core::{CgroupId, Ratio, Reading, idle::Source};
use lowtide_kernfs::Root;
use lowtide_policy::{Hotness as HotnessConfig, SourceChoice};
use tokio::sync::mpsc;

use choice::Choice;

/// A cgroup whose idle ages are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its inode.
    pub(crate) id: CgroupId,
    /// From the cgroup root.
    pub(crate) path: Arc<str>,
    /// It is worth a look so often.
    pub(crate) every: Duration,
}

/// What one look brought.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// The idle ages of the targets that were found.
    readings: Vec<(CgroupId, Vec<lowtide_core::Cohort>)>,
    /// CPU that it took.
    cpu: Duration,
}

/// Something that can tell idle ages. Its calls block.
trait Ager: std::fmt::Debug + Send {
    /// Looks at the targets; the ages are those of the moment it returns.
    fn look(&mut self, targets: &[Target]) -> Result<Look, String>;
}

/// How idle ages are got, for people and metrics.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub(crate) struct Sampling {
    /// The source; `None` if the loop works by pressure alone.
    pub(crate) source: Option<Source>,
    /// Why this one, and not a better one.
    pub(crate) why: String,
    /// The shortest time from one look to the next: the configured interval, or longer to keep within the CPU budget.
    pub(crate) interval: Duration,
    /// CPU that the last look took.
    pub(crate) last_cpu: Duration,
    /// CPU that all looks took.
    pub(crate) cpu: Duration,
    /// Looks so far.
    pub(crate) looks: u64,
    /// Why the last look failed, if it did.
    pub(crate) problem: Option<String>,
}

/// Looks at intervals and keeps the newest reading of each cgroup.
#[derive(Debug)]
pub(crate) struct Sampler {
    root: Root,
    mount: Mount,
    wanted: Option<HotnessConfig>,
    /// Not there while it looks.
    ager: Option<Box<dyn Ager>>,
    /// Counts changes of the configuration: what was begun before one is not taken over.
    generation: u64,
    /// When the last look began.
    begun: Option<Duration>,
    /// When each cgroup was looked at last.
    looked: HashMap<CgroupId, Duration>,
    sampling: Sampling,
    readings: HashMap<CgroupId, Arc<Reading>>,
    done: mpsc::UnboundedSender<Done>,
    results: mpsc::UnboundedReceiver<Done>,
}

#[derive(Debug)]
struct Done {
    generation: u64,
    ager: Box<dyn Ager>,
    at: Duration,
    outcome: Result<Look, String>,
}

impl Sampler {
    /// One that has no source yet.
    pub(crate) fn new(root: Root, mount: Mount) -> Self {
        let (done, results) = mpsc::unbounded_channel();
        Self {
            root,
            mount,
            wanted: None,
            ager: None,
            generation: 0,
            begun: None,
            looked: HashMap::new(),
            sampling: Sampling::default(),
            readings: HashMap::new(),
            done,
            results,
        }
    }

    /// Takes the readings that are done and begins a look if one is due. `now` is the time since `started`.
    pub(crate) fn turn(
        &mut self,
        wanted: &HotnessConfig,
        targets: impl FnOnce() -> Vec<Target>,
        started: Instant,
    ) {
        let now = started.elapsed();
        self.collect(wanted);
        if self.wanted.as_ref() != Some(wanted) {
            self.choose(wanted);
        }
        if !is_over(self.begun, self.sampling.interval, now) {
            return;
        }
        let Some(ager) = self.ager.take() else { return };
        let targets: Vec<_> = targets().into_iter().filter(|target| self.is_due(target, now)).collect();
        if targets.is_empty() {
            self.ager = Some(ager);
            return;
        }
        self.begun = Some(now);
        self.looked.extend(targets.iter().map(|target| (target.id, now)));
        self.begin(ager, targets, started);
    }

    fn is_due(&self, target: &Target, now: Duration) -> bool {
        is_over(self.looked.get(&target.id).copied(), target.every, now)
    }

    /// The newest reading of a cgroup.
    pub(crate) fn reading(&self, id: CgroupId) -> Option<Arc<Reading>> {
        self.readings.get(&id).cloned()
    }

    /// Forgets all but `alive`.
    pub(crate) fn retain(&mut self, alive: &HashSet<CgroupId>) {
        self.readings.retain(|id, _| alive.contains(id));
        self.looked.retain(|id, _| alive.contains(id));
    }

    /// For people and metrics.
    pub(crate) fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    fn choose(&mut self, wanted: &HotnessConfig) {
        self.wanted = Some(*wanted);
        let Choice { source, why, ager } = choice::choose(&self.root, &self.mount, wanted.source);
        let asked_for = !matches!(wanted.source, SourceChoice::Auto | SourceChoice::None);
        if let Some(source) = source {
            tracing::info!(%source, "idle ages: {why}");
        } else if asked_for {
            tracing::warn!("no idle ages, the loop works by pressure alone: {why}");
        } else {
            tracing::info!("no idle ages, the loop works by pressure alone: {why}");
        }
        self.generation += 1;
        self.ager = ager;
        // The first look comes at once.
        self.begun = None;
        self.readings.clear();
        self.looked.clear();
        let interval = wanted.interval;
        self.sampling = Sampling { source, why, interval, ..std::mem::take(&mut self.sampling) };
    }

    fn begin(&self, mut ager: Box<dyn Ager>, targets: Vec<Target>, started: Instant) {
        let (done, generation) = (self.done.clone(), self.generation);
        tokio::task::spawn_blocking(move || {
            let outcome = ager.look(&targets);
            // The daemon is stopping if nobody listens any more.
            let _ = done.send(Done { generation, ager, at: started.elapsed(), outcome });
        });
    }

    fn collect(&mut self, wanted: &HotnessConfig) {
        while let Ok(Done { generation, ager, at, outcome }) = self.results.try_recv() {
            if generation != self.generation {
                continue;
            }
            self.ager = Some(ager);
            match outcome {
                Ok(look) => self.take(look, at, wanted),
                Err(problem) => {
                    if self.sampling.problem.as_ref() != Some(&problem) {
                        tracing::warn!("no idle ages this time: {problem}");
                    }
                    self.sampling.problem = Some(problem);
                }
            }
        }
    }

    fn take(&mut self, look: Look, at: Duration, wanted: &HotnessConfig) {
        let sampling = &mut self.sampling;
        sampling.problem = None;
        sampling.last_cpu = look.cpu;
        sampling.cpu += look.cpu;
        sampling.looks += 1;
        sampling.interval = affordable(wanted.interval, look.cpu, wanted.cpu);
        let Some(source) = sampling.source else { return };
        for (id, cohorts) in look.readings {
            let reading = Reading { source, at, every: sampling.interval, cohorts: cohorts.into() };
            self.readings.insert(id, Arc::new(reading));
        }
    }
}

/// Whether an interval has passed, or will have in a moment: a turn that comes a little early will do, since the next one
/// may be late by a whole turn.
fn is_over(begun: Option<Duration>, interval: Duration, now: Duration) -> bool {
    begun.is_none_or(|begun| now.saturating_add(interval / 64) >= begun.saturating_add(interval))
}

/// The shortest interval, from `wanted` on, at which looks that cost `cpu` take no more than `budget` of a core.
fn affordable(wanted: Duration, cpu: Duration, budget: Ratio) -> Duration {
    let seconds = Ratio::new(cpu.as_secs_f64()).over(budget).get();
    wanted.max(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_that_cost_much_are_made_less_often() {
        let wanted = Duration::from_secs(30);
        for (cpu_ms, millis) in [(0, 30_000), (300, 30_000), (310, 31_000), (3_000, 300_000)] {
            let interval = affordable(wanted, Duration::from_millis(cpu_ms), Ratio::percent(1.0));
            assert_eq!(interval.as_millis(), millis, "{cpu_ms} ms");
        }
    }
}
