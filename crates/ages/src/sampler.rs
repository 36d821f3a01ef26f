//! When to look, and what to do about looks that cost much, fail, panic or do not end.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use lowtide_cgroup::Mount;
use lowtide_core::{CgroupId, LeftOut, Ratio, Reading};
use lowtide_kernfs::Root;
use lowtide_policy::{Hotness as HotnessConfig, SourceChoice};
use tokio::sync::oneshot;

use crate::{
    Ager, Look, Sampling, Seen, Stop, Target,
    choice::{self, Choice, Host},
    damon::records::Records,
    places::in_turns,
    schedule::{Schedule, affordable, is_over, left},
    underway::{Done, Underway},
};

/// A look that takes longer is shown as a problem: the kernel may hang.
const LONG: Duration = Duration::from_mins(1);
const UNDER_WAY: &str = "a look has been under way for";
/// Without a source, what the kernel has is looked at anew so often: somebody may have mounted debugfs
/// meanwhile.
const RECONSIDER: Duration = Duration::from_mins(5);

/// Looks at intervals and keeps the newest reading of each cgroup.
#[derive(Debug)]
pub struct Sampler {
    root: Root,
    mount: Mount,
    state_dir: PathBuf,
    wanted: Option<HotnessConfig>,
    /// Not there while it looks.
    ager: Option<Box<dyn Ager>>,
    underway: Option<Underway>,
    /// Ends the look that is under way.
    stop: Stop,
    /// When the source was chosen; `None` if that is due.
    chosen: Option<Duration>,
    /// Why sources that would be better are not used.
    refused: Vec<String>,
    schedule: Schedule,
    sampling: Sampling,
    readings: HashMap<CgroupId, Arc<Reading>>,
}

impl Sampler {
    /// One that has no source yet.
    #[must_use]
    pub fn new(root: Root, mount: Mount, state_dir: PathBuf) -> Self {
        Self {
            root,
            mount,
            state_dir,
            wanted: None,
            ager: None,
            underway: None,
            stop: Stop::default(),
            chosen: None,
            refused: Vec::new(),
            schedule: Schedule::default(),
            sampling: Sampling::default(),
            readings: HashMap::new(),
        }
    }

    /// Takes over what trying MGLRU has shown; the source is chosen anew if that matters.
    pub fn tried(&mut self, notices_first_touch: Option<bool>) {
        if self.sampling.notices_first_touch != notices_first_touch {
            self.sampling.notices_first_touch = notices_first_touch;
            self.wanted = None;
        }
    }

    /// The configuration was reloaded, or the daemon stops: ends a look early, and has a source looked for
    /// again if there is none.
    pub fn halt(&mut self) {
        self.stop.set();
        self.chosen = None;
    }

    /// Takes the readings that are done and begins a look if one is due. `now` is the time since `started`.
    pub fn turn(&mut self, wanted: &HotnessConfig, targets: impl FnOnce() -> Vec<Target>, started: Instant) {
        let now = started.elapsed();
        self.collect(wanted, now);
        if let Some(underway) = &self.underway {
            // A look that is under way is waited for: what it set up is to be removed before another source
            // begins.
            if self.wanted.as_ref() != Some(wanted) {
                self.stop.set();
                self.readings.clear();
            }
            let so_far = now.saturating_sub(underway.begun);
            self.warn_if_long(so_far);
            return;
        }
        self.reconsider(wanted, now);
        if !self.schedule.may_look(self.sampling.interval, now) {
            return;
        }
        let Some(ager) = self.ager.take() else { return };
        let all = in_turns(targets());
        let due = self.schedule.due(&all, now);
        if due.is_empty() {
            self.ager = Some(ager);
            if all.is_empty() {
                // All policies only observe by now, or nothing is left to look at: nothing is to run for it.
                self.pause();
            }
            return;
        }
        self.schedule.begin(&due, now);
        self.stop.clear();
        self.underway = Some(Underway::start(ager, all, due, started));
    }

    /// Ends what its source runs in the kernel, after the look that is under way, which is told to end early.
    pub async fn stop(&mut self) {
        self.halt();
        if let Some(underway) = &mut self.underway {
            match (&mut underway.done).await {
                Ok(done) => self.ager = Some(done.ager),
                Err(_) => self.clear_records(),
            }
            self.underway = None;
        }
        self.end();
    }

    fn end(&mut self) {
        self.pause();
        self.ager = None;
    }

    /// Ends what the source runs in the kernel; the next look begins anew.
    fn pause(&mut self) {
        if let Some(ager) = &mut self.ager
            && let Err(problem) = ager.stop()
        {
            tracing::warn!("the source of idle ages cannot be ended, and stays recorded: {problem}");
        }
    }

    /// Ends what was left by a source that panicked.
    fn clear_records(&self) {
        let cleared = Records::open(&self.state_dir).and_then(|mut records| records.clear(&self.root));
        let problems = match cleared {
            Ok(outcomes) => {
                outcomes.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect()
            }
            Err(error) => vec![error.to_string()],
        };
        for problem in problems {
            tracing::warn!(
                "what a look that panicked has left cannot be removed, and stays recorded: {problem}"
            );
        }
    }

    /// The newest reading of a cgroup.
    #[must_use]
    pub fn reading(&self, id: CgroupId) -> Option<Arc<Reading>> {
        self.readings.get(&id).cloned()
    }

    /// Forgets all but `alive`.
    pub fn retain(&mut self, alive: &HashSet<CgroupId>) {
        self.readings.retain(|id, _| alive.contains(id));
        self.schedule.retain(alive);
    }

    /// For people and metrics.
    #[must_use]
    pub fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    /// Chooses a source if another one is wanted, or if there is none and there may be one by now.
    fn reconsider(&mut self, wanted: &HotnessConfig, now: Duration) {
        let changed = self.wanted.as_ref() != Some(wanted);
        let lacking = self.ager.is_none() && wanted.source != SourceChoice::None;
        if changed || (lacking && is_over(self.chosen, RECONSIDER, now)) {
            self.chosen = Some(now);
            self.choose(wanted, changed);
        }
    }

    fn choose(&mut self, wanted: &HotnessConfig, changed: bool) {
        self.end();
        self.sampling.left_out = LeftOut::default();
        self.wanted = Some(*wanted);
        let host = Host {
            root: &self.root,
            mount: &self.mount,
            state_dir: &self.state_dir,
            notices_first_touch: self.sampling.notices_first_touch,
            stop: &self.stop,
        };
        let Choice { ager, refused } = choice::choose(host, wanted);
        (self.ager, self.refused) = (ager, refused);
        // The first look comes at once.
        self.schedule = Schedule::default();
        self.readings.clear();
        (self.sampling.interval, self.sampling.problem) = (wanted.interval, None);
        let before = std::mem::take(&mut self.sampling.why);
        self.explain();
        if changed || before != self.sampling.why {
            self.tell(wanted);
        }
    }

    /// Says which source was chosen.
    fn tell(&self, wanted: &HotnessConfig) {
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

    fn collect(&mut self, wanted: &HotnessConfig, now: Duration) {
        let Some(mut underway) = self.underway.take() else { return };
        let problem = match underway.done.try_recv() {
            Ok(Done { ager, ended, cpu, outcome }) => {
                self.ager = Some(ager);
                self.explain();
                let taken = outcome.map(|look| self.take(look, ended, wanted));
                taken.unwrap_or_else(|problem| Some(self.failed(&problem, cpu, &underway.due, wanted)))
            }
            Err(oneshot::error::TryRecvError::Empty) => {
                self.underway = Some(underway);
                return;
            }
            Err(oneshot::error::TryRecvError::Closed) => {
                self.clear_records();
                // Chosen anew after an interval, not at once: it may well panic again.
                let interval = self.sampling.interval;
                self.chosen = Some(now.saturating_sub(RECONSIDER.saturating_sub(interval)));
                self.refused.clear();
                self.explain();
                "a look at idle ages panicked: there are none until it is tried again"
                    .clone_into(&mut self.sampling.why);
                Some("a look at idle ages panicked; its source is chosen anew".to_owned())
            }
        };
        self.show(problem);
    }

    /// Says a problem when it comes up, and keeps it for people.
    fn show(&mut self, problem: Option<String>) {
        if let Some(problem) =
            problem.as_ref().filter(|problem| self.sampling.problem.as_ref() != Some(problem))
        {
            tracing::warn!("{problem}");
        }
        self.sampling.problem = problem;
    }

    fn warn_if_long(&mut self, so_far: Duration) {
        if so_far <= LONG {
            return;
        }
        let problem = format!("{UNDER_WAY} {} s", so_far.as_secs());
        if self.sampling.problem.as_ref().is_some_and(|known| known.starts_with(UNDER_WAY)) {
            // Said once; the figure goes on.
            self.sampling.problem = Some(problem);
        } else {
            self.show(Some(problem));
        }
    }

    /// What a failed look has cost counts like that of any other, and its targets are still due. Returns what
    /// people should know.
    fn failed(&mut self, problem: &str, cpu: Duration, due: &[CgroupId], wanted: &HotnessConfig) -> String {
        self.charge(cpu, (Duration::ZERO, Ratio::ZERO), wanted);
        self.schedule.forget(due);
        self.sampling.left_out = LeftOut::default();
        format!("no idle ages this time: {problem}")
    }

    /// Counts what a look took and what its source took `between`, and looks less often if that is much.
    fn charge(&mut self, cpu: Duration, (between, share): (Duration, Ratio), wanted: &HotnessConfig) {
        let sampling = &mut self.sampling;
        sampling.last_cpu = cpu + between;
        sampling.cpu += sampling.last_cpu;
        sampling.looks += 1;
        sampling.interval = affordable(wanted.interval, cpu, left(wanted.cpu, share));
    }

    /// Returns what people should know.
    fn take(
        &mut self,
        look: Look,
        (ended, ended_at): (Duration, Instant),
        wanted: &HotnessConfig,
    ) -> Option<String> {
        self.charge(look.cpu, (look.between, look.share_between), wanted);
        self.schedule.forget(&look.again);
        let every = self.sampling.interval;
        let at = ended.saturating_sub(ended_at.saturating_duration_since(look.at));
        self.sampling.left_out = look.left_out;
        let mut slow = look.slow;
        for (id, Seen { source, cohorts, resolution, left, touched }) in look.readings {
            let slow = slow.remove(&id).map(Into::into);
            let (cohorts, touched) = (cohorts.into(), touched.map(Into::into));
            let reading = Reading { source, at, every, cohorts, slow, resolution, left, touched };
            self.readings.insert(id, Arc::new(reading));
        }
        look.note
    }
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
