//! Idle ages from the kernel: which source, how often, and at what cost.
//!
//! A look can take long (MGLRU walks the page tables of every process of a cgroup), so it runs on the blocking pool and
//! its readings are there at a later turn. One look at a time.

mod choice;
pub(crate) mod damon;
mod mglru;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
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
#[derive(Debug)]
pub(crate) struct Look {
    /// The idle ages of the targets that were found.
    readings: Vec<(CgroupId, Vec<lowtide_core::Cohort>)>,
    /// When they were true.
    at: Instant,
    /// CPU that it took.
    cpu: Duration,
    /// CPU that the source took between the last look and this one, however often it is looked at.
    between: Duration,
    /// The same as a share of a core.
    share_between: Ratio,
    /// What people should know.
    note: Option<String>,
}

impl Default for Look {
    /// One that has shown nothing.
    fn default() -> Self {
        Self {
            readings: Vec::new(),
            at: Instant::now(),
            cpu: Duration::ZERO,
            between: Duration::ZERO,
            share_between: Ratio::ZERO,
            note: None,
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
pub(crate) struct Sampling {
    /// The source; `None` if the loop works by pressure alone.
    pub(crate) source: Option<Source>,
    /// Why this one, and not a better one.
    pub(crate) why: String,
    /// The shortest time from one look to the next: the configured interval, or longer to keep within the CPU budget.
    pub(crate) interval: Duration,
    /// CPU that the last look took, with what its source took since the one before.
    pub(crate) last_cpu: Duration,
    /// CPU that all looks took, and their source between them.
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
    state_dir: PathBuf,
    wanted: Option<HotnessConfig>,
    /// Not there while it looks.
    ager: Option<Box<dyn Ager>>,
    is_looking: bool,
    /// Why sources that would be better are not used.
    refused: Vec<String>,
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
    ager: Box<dyn Ager>,
    /// When it ended, on the loop's clock and on the system's.
    ended: (Duration, Instant),
    outcome: Result<Look, String>,
}

impl Sampler {
    /// One that has no source yet.
    pub(crate) fn new(root: Root, mount: Mount, state_dir: PathBuf) -> Self {
        let (done, results) = mpsc::unbounded_channel();
        Self {
            root,
            mount,
            state_dir,
            wanted: None,
            ager: None,
            is_looking: false,
            refused: Vec::new(),
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
        // A look that is under way is waited for: what it set up is to be removed before another source begins.
        if self.wanted.as_ref() != Some(wanted) && !self.is_looking {
            self.choose(wanted);
        }
        if self.is_looking || !is_over(self.begun, self.sampling.interval, now) {
            return;
        }
        let Some(ager) = self.ager.take() else { return };
        let all = targets();
        let due: Vec<_> = all.iter().filter(|target| self.is_due(target, now)).cloned().collect();
        if due.is_empty() {
            self.ager = Some(ager);
            return;
        }
        self.begun = Some(now);
        self.looked.extend(due.iter().map(|target| (target.id, now)));
        self.begin(ager, (all, due), started);
    }

    /// Ends what its source runs in the kernel, after the look that is under way.
    pub(crate) async fn stop(&mut self) {
        if self.is_looking
            && let Some(Done { ager, .. }) = self.results.recv().await
        {
            (self.ager, self.is_looking) = (Some(ager), false);
        }
        self.end();
    }

    fn end(&mut self) {
        if let Some(mut ager) = self.ager.take()
            && let Err(problem) = ager.stop()
        {
            tracing::warn!("the source of idle ages cannot be ended, and stays recorded: {problem}");
        }
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
        self.end();
        self.wanted = Some(*wanted);
        let Choice { ager, refused } = choice::choose(&self.root, &self.mount, &self.state_dir, wanted);
        (self.ager, self.refused) = (ager, refused);
        // The first look comes at once.
        self.begun = None;
        self.readings.clear();
        self.looked.clear();
        self.sampling =
            Sampling { interval: wanted.interval, problem: None, ..std::mem::take(&mut self.sampling) };
        self.explain();
        let why = &self.sampling.why;
        let asked_for = !matches!(wanted.source, SourceChoice::Auto | SourceChoice::None);
        match (&self.ager, self.sampling.source) {
            (Some(_), Some(source)) => tracing::info!(%source, "idle ages: {why}"),
            (Some(_), None) => tracing::info!("idle ages: {why}"),
            (None, _) if asked_for => {
                tracing::warn!("no idle ages, the loop works by pressure alone: {why}");
            }
            (None, _) => tracing::info!("no idle ages, the loop works by pressure alone: {why}"),
        }
    }

    /// What is known of the source by now.
    fn explain(&mut self) {
        let ager = self.ager.as_ref();
        self.sampling.source = ager.and_then(|ager| ager.source());
        let why = ager.map(|ager| ager.why()).into_iter().chain(self.refused.iter().cloned());
        self.sampling.why = why.collect::<Vec<_>>().join("; ");
    }

    fn begin(&mut self, mut ager: Box<dyn Ager>, (all, due): (Vec<Target>, Vec<Target>), started: Instant) {
        let done = self.done.clone();
        self.is_looking = true;
        tokio::task::spawn_blocking(move || {
            let outcome = ager.look(&all, &due);
            let ended = (started.elapsed(), Instant::now());
            // Nobody listens any more if the daemon has not waited for it at its end.
            let _ = done.send(Done { ager, ended, outcome });
        });
    }

    fn collect(&mut self, wanted: &HotnessConfig) {
        while let Ok(Done { ager, ended, outcome }) = self.results.try_recv() {
            (self.ager, self.is_looking) = (Some(ager), false);
            self.explain();
            let problem = match outcome {
                Ok(look) => self.take(look, ended, wanted),
                Err(problem) => Some(format!("no idle ages this time: {problem}")),
            };
            if let Some(problem) =
                problem.as_ref().filter(|problem| self.sampling.problem.as_ref() != Some(problem))
            {
                tracing::warn!("{problem}");
            }
            self.sampling.problem = problem;
        }
    }

    /// Returns what people should know.
    fn take(
        &mut self,
        look: Look,
        (ended, ended_at): (Duration, Instant),
        wanted: &HotnessConfig,
    ) -> Option<String> {
        let sampling = &mut self.sampling;
        sampling.last_cpu = look.cpu + look.between;
        sampling.cpu += sampling.last_cpu;
        sampling.looks += 1;
        sampling.interval = affordable(wanted.interval, look.cpu, left(wanted.cpu, look.share_between));
        let source = sampling.source?;
        let at = ended.saturating_sub(ended_at.saturating_duration_since(look.at));
        for (id, cohorts) in look.readings {
            let reading = Reading { source, at, every: sampling.interval, cohorts: cohorts.into() };
            self.readings.insert(id, Arc::new(reading));
        }
        look.note
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

/// What is left for looks of the budget, and no less than half: a source that takes more has to look to it itself.
fn left(budget: Ratio, between: Ratio) -> Ratio {
    Ratio::new((budget.get() - between.get()).max(budget.get() / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_source_takes_anyway_is_not_there_for_looks() {
        let budget = Ratio::percent(1.0);
        for (between, share) in [(0.0, 1.0), (0.3, 0.7), (0.5, 0.5), (9.0, 0.5)] {
            let left = left(budget, Ratio::percent(between)).get() * 100.0;
            assert!((left - share).abs() < 1e-9, "{between} %: {left}");
        }
    }

    #[test]
    fn looks_that_cost_much_are_made_less_often() {
        let wanted = Duration::from_secs(30);
        for (cpu_ms, millis) in [(0, 30_000), (300, 30_000), (310, 31_000), (3_000, 300_000)] {
            let interval = affordable(wanted, Duration::from_millis(cpu_ms), Ratio::percent(1.0));
            assert_eq!(interval.as_millis(), millis, "{cpu_ms} ms");
        }
    }
}
