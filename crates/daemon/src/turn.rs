//! One turn of the loop: observe, decide, act, and keep the account of what came of it.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use lowtide_ages::{Sampler, Target};
use lowtide_cgroup::{Cgroup, Error, Request};
use lowtide_controllers::{Around, Confine, Controllers, Turn};
use lowtide_core::{
    Action, Bytes, CgroupId, CgroupObservation, Decision, Effect, HostObservation, Hotness, Mode,
    Observation, Policy, Ratio, Reason, Scope, State, Tier, TierId, escaped, treatments,
};
use lowtide_journal::Journal;
use lowtide_kernfs::{Root, thread_cpu};
use lowtide_observe::{Observer, Sight};
use lowtide_policy::Config;
use lowtide_psi::ArmError;
use lowtide_reclaim::{Actuator, AtTurn, Ended, Eviction, Job, Nodes};
use lowtide_view::{CgroupView, Ledger, Remembered, TierCost, View};
use tokio::sync::mpsc;

use crate::{
    devices::Devices,
    report::Books,
    stuck::StuckWatch,
    triggers::{Alarm, Triggers},
};

/// Far less than the watchdog waits, and than a stop may take, whatever the interval is.
const LONGEST_LOOK: Duration = Duration::from_secs(10);
/// So many requests in a turn are written one after the other, to see how their cgroups' memory compresses.
const MEASURED: usize = 8;

/// The loop's parts, and what it remembers between two turns.
#[derive(Debug)]
pub(crate) struct Loop {
    observer: Observer,
    state: State,
    actuator: Actuator,
    triggers: Triggers,
    ledger: Ledger,
    sampler: Sampler,
    books: Books,
    confine: Confine,
    devices: Devices,
    controllers: Controllers,
    stuck: StuckWatch,
    alarms: HashSet<CgroupId>,
    effects: HashMap<CgroupId, Vec<Effect>>,
    started: Instant,
    /// The same by the system's clock.
    since: SystemTime,
    ticks: u64,
    /// The host's memory at the last look.
    total: Bytes,
}

/// A turn that has begun: what was seen, and nothing is decided.
#[derive(Debug)]
pub(crate) struct Looked {
    sight: Sight,
    /// What the turn before shows of those that this one was too short for.
    carried: Vec<CgroupView>,
    now: Duration,
    /// Of this thread when it began.
    cpu: Duration,
    begun: Instant,
}

impl Looked {
    /// Takes over from the turn before what is shown, and accounted for, of those that this one was too short
    /// for.
    pub(crate) fn carry(&mut self, before: Option<&View>) {
        if self.sight.unread.is_empty() {
            return;
        }
        let unread: HashSet<CgroupId> = self.sight.unread.iter().copied().collect();
        let is_unread = |cgroup: &&CgroupView| unread.contains(&cgroup.id);
        let all = before.into_iter().flat_map(|view| &view.cgroups);
        self.carried = all.filter(is_unread).cloned().collect();
    }
}

impl Loop {
    /// A loop that has seen nothing yet. Pressure triggers report to `alarms`.
    pub(crate) fn new(
        root: Root,
        state_dir: PathBuf,
        alarms: mpsc::UnboundedSender<Alarm>,
    ) -> Result<Self, Error> {
        let observer = Observer::new(root.clone())?;
        let books = Books::open(&root, state_dir.clone());
        Ok(Self {
            state: State::going_on(books.origins()),
            books,
            confine: Confine::new(root.clone(), observer.mount().clone()),
            actuator: Actuator::new(root.clone()),
            controllers: Controllers::new(&root, observer.mount()),
            sampler: Sampler::new(root, observer.mount().clone(), state_dir),
            observer,
            triggers: Triggers::new(alarms),
            ledger: Ledger::default(),
            devices: Devices::default(),
            stuck: StuckWatch::default(),
            alarms: HashSet::new(),
            effects: HashMap::new(),
            started: Instant::now(),
            since: SystemTime::now(),
            ticks: 0,
            total: Bytes::MAX,
        })
    }

    /// The daemon's own cgroup.
    #[must_use]
    pub(crate) fn own(&self) -> &str {
        self.observer.own()
    }

    /// A trigger fired: whatever is being asked of that cgroup stops after the chunk that is being written.
    pub(crate) fn alarm(&mut self, alarm: Alarm) {
        if alarm.fired {
            tracing::debug!(id = alarm.id.0, "a pressure trigger fired");
            self.actuator.stop(alarm.id);
            self.alarms.insert(alarm.id);
        } else {
            self.triggers.disarm(alarm.id);
        }
    }

    /// How long the loop has been there.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The beginning of a turn: what there is to see. `now` is the loop's [uptime](Self::uptime). Fails only
    /// if the host itself cannot be observed; nothing was done then.
    pub(crate) fn look(&mut self, config: &Config, now: Duration) -> Result<Looked, Error> {
        let (cpu, begun) = (thread_cpu().unwrap_or_default(), Instant::now());
        self.collect();
        let sight = self.observer.look(&config.policies, now, patience(config))?;
        self.total = sight.seen.host.total;
        self.actuator.host(AtTurn::of(&sight.seen.host));
        Ok(Looked { sight, carried: Vec::new(), now, cpu, begun })
    }

    /// The rest of it: what was seen is decided on, and requests begin.
    pub(crate) fn go_on(&mut self, looked: Looked, config: &Config, journal: &mut Journal) -> View {
        let Looked { mut sight, carried, now, cpu, begun } = looked;
        // Before anything is asked of a cgroup.
        let state = &self.state;
        self.confine.turn(journal, &mut sight, config, &|id| state.wants_past_zswap(id));
        self.devices.look(&sight.seen.host.tiers);
        self.observer.find_out_swappiness(&mut sight, config.policies.policies());
        self.sampler.turn(&config.hotness, || sampled(&sight, config, state), self.started);
        self.complete(&mut sight, now);
        let policies = config.policies.policies();
        self.state.keep(&sight.unread);
        let decisions = lowtide_core::tick(&mut self.state, &sight.seen, policies, &config.budgets, now);
        self.ledger.decided(&decisions, now);
        self.act(&decisions, &mut sight, config, now);
        self.forget_the_gone(&sight);
        self.ticks += 1;
        let around = Around {
            own: self.observer.own(),
            acting: &|| may_be_asked(&sight, &decisions, config, self.observer.takes_swappiness()),
            takes_swappiness: self.observer.takes_swappiness(),
            tiers: &sight.seen.host.tiers,
        };
        let controllers = self.controllers.turn(journal, &Turn { config, around, now });
        let mut view = self.view(sight, carried, decisions, config, now);
        view.controllers = controllers;
        view.problems.extend(self.controllers.problems());
        view.tick_cpu = thread_cpu().unwrap_or_default().saturating_sub(cpu);
        view.tick_duration = begun.elapsed();
        view.interval = config.interval;
        view.process = self.observer.own_process(self.since);
        self.books.turn(&view);
        view.sums = self.books.sums(config.price.as_ref());
        view
    }

    /// What the loop itself knows of the cgroups that were seen.
    fn complete(&mut self, sight: &mut Sight, now: Duration) {
        for cgroup in &mut sight.seen.cgroups {
            cgroup.reading = self.sampler.reading(cgroup.id);
            cgroup.alarm = self.alarms.remove(&cgroup.id);
            cgroup.pending = self.actuator.pending(cgroup.id);
            if cgroup.pending.is_any() {
                self.triggers.needs(cgroup.id, now);
            }
            cgroup.effects = self.effects.remove(&cgroup.id).unwrap_or_default();
        }
    }

    /// Stops every request after the chunk that is being written, and a look at idle ages after the walk.
    pub(crate) fn stop(&mut self) {
        self.actuator.stop_all();
        self.controllers.stop();
        self.sampler.halt();
    }

    /// Knobs of the host that are held from turn to turn.
    pub(crate) fn held(&self) -> Vec<PathBuf> {
        self.controllers.held()
    }

    /// From which age on the pages of every cgroup belong on `device`, as far as is known.
    pub(crate) fn belong_from(&self, device: &TierId) -> Option<Duration> {
        self.state.belong_from(device)
    }

    /// What trying MGLRU has shown.
    pub(crate) fn tried_mglru(&mut self, notices_first_touch: Option<bool>) {
        self.sampler.tried(notices_first_touch);
    }

    /// Ends what the source of idle ages runs in the kernel.
    pub(crate) async fn end_sampling(&mut self, until: tokio::time::Instant) {
        if tokio::time::timeout_at(until, self.sampler.stop()).await.is_err() {
            tracing::warn!(
                "a look at idle ages does not end: leaving it to the kernel; what it set up stays recorded for \
                 `lowtide restore`"
            );
        }
    }

    /// Keeps what was saved so far for the next daemon.
    pub(crate) async fn close_books(&mut self, until: tokio::time::Instant) {
        self.books.close(until).await;
    }

    /// Waits for the chunks that are being written, for as long as a hung swap device may be waited for.
    pub(crate) async fn drain(&mut self, until: tokio::time::Instant) {
        if tokio::time::timeout_at(until, self.actuator.drain()).await.is_err() {
            tracing::warn!("a reclaim request does not end: leaving it to the kernel");
        }
    }

    /// Requests that have not ended.
    #[cfg(test)]
    pub(crate) fn unfinished(&self) -> usize {
        self.actuator.unfinished() + self.controllers.unfinished()
    }

    fn view(
        &mut self,
        sight: Sight,
        carried: Vec<CgroupView>,
        decisions: Vec<Decision>,
        config: &Config,
        now: Duration,
    ) -> View {
        let Sight { seen, stalls, mut chosen, mut pods, mut left_out, .. } = sight;
        left_out.join(self.sampler.sampling().left_out.clone());
        self.observer.complain(&left_out);
        let own = self.observer.own_memory();
        let stalls = |id| stalls.get(&id).copied().unwrap_or_default();
        let hotness = self.hotness(&seen, config, now);
        let acting: Vec<_> =
            config.policies.policies().iter().map(|policy| policy.mode == Mode::Full).collect();
        let remembered = Remembered { state: &self.state, ledger: &self.ledger, carried };
        let mut view = View::new(seen, decisions, remembered, own, stalls, hotness, &acting);
        for cgroup in &mut view.cgroups {
            cgroup.chosen = chosen.remove(&cgroup.id);
            cgroup.pod = pods.remove(&cgroup.id);
        }
        let cost = |tier: &Tier| {
            let fault = self.state.fault_cost(tier);
            let age = self.state.fault_cost_age(tier, now);
            TierCost { fault, age, per_gib_freed: fault.per_gib_freed(tier) }
        };
        let costs = view.host.tiers.iter().map(cost).collect();
        let sampling = self.sampler.sampling().clone();
        let stuck = self.stuck.look(&view.host.tiers, &view.cgroups);
        let policies = config.policies.policies().to_vec();
        let done = Some(SystemTime::now());
        let (hanging, queued) = (self.actuator.hanging(), self.actuator.queued());
        View {
            hanging,
            queued,
            stuck,
            costs,
            uptime: now,
            ticks: self.ticks,
            sampling,
            left_out,
            asks_for_pods: config.policies.asks_for_namespaces() || config.policies.lets_choose(),
            policies,
            done,
            ..view
        }
    }

    /// The idle ages of every cgroup that has some.
    fn hotness(&mut self, seen: &Observation, config: &Config, now: Duration) -> HashMap<CgroupId, Hotness> {
        let policies = config.policies.policies();
        let known = seen.cgroups.iter().filter_map(|cgroup| {
            let hotness = self.state.hotness(cgroup.id, policies.get(cgroup.policy)?, now)?;
            self.ledger.works_in(cgroup.id, hotness.working_set, now);
            Some((cgroup.id, hotness))
        });
        known.collect()
    }

    /// What came of the requests that ended. It is kept until its cgroup is observed, should that fail this
    /// time.
    fn collect(&mut self) {
        for Ended { id, outcome } in self.actuator.collect() {
            let mut effect = outcome.unwrap_or_else(|(error, nothing)| {
                self.request_failed(&error);
                nothing
            });
            effect.bound(self.total);
            self.ledger.took_effect(id, &effect);
            self.books.took_effect(&effect);
            self.effects.entry(id).or_default().push(effect);
        }
    }

    fn request_failed(&mut self, error: &lowtide_reclaim::Error) {
        if let lowtide_reclaim::Error::Cgroup(Error::SwappinessUnsupported { .. }) = error {
            self.observer.lacks_swappiness();
        }
        tracing::warn!(%error, "a reclaim request failed");
    }

    fn act(&mut self, decisions: &[Decision], sight: &mut Sight, config: &Config, now: Duration) {
        // One that hangs in its device is not to be waited for by all others.
        let mut measurable = if self.actuator.is_idle() { MEASURED } else { 0 };
        for decision in decisions {
            tracing::debug!(
                cgroup = &*escaped(&decision.path), action = decision.action.name(), reason = %decision.reason,
                number = decision.reason.number(),
                file_only = decision.file_only.map(Reason::name),
                price = decision.figures.price.get(), headroom = decision.figures.headroom.get(),
                "decided"
            );
            let Action::Reclaim { amount, scope } = decision.action else {
                // What speaks against a new request speaks against the rest of the one that is being written.
                let waits = matches!(decision.reason, Reason::InFlight | Reason::Queued);
                if !waits || may_only_watch(decision, config) {
                    self.actuator.stop(decision.id);
                }
                continue;
            };
            let Some(cgroup) = sight.handles.remove(&decision.id) else { continue };
            self.arm(&cgroup, decision, config, now);
            let takes_swappiness = self.observer.takes_swappiness();
            let reclaim = |swappiness: Option<u8>| {
                let swappiness = swappiness.filter(|_| takes_swappiness);
                Job::Reclaim(Request { amount, swappiness }, scope)
            };
            let job = match scope {
                Scope::File => reclaim(Some(0)),
                Scope::Anon => reclaim(Some(200)),
                Scope::Any => reclaim(None),
                Scope::Demote | Scope::Sink => Job::Evict(Eviction {
                    nodes: self.nodes(&sight.seen.host),
                    scope,
                    amount,
                    idle: self.idle(decision, scope, config),
                }),
            };
            let alone = measurable > 0 && self.state.wants_measuring(decision.id, now);
            measurable -= usize::from(alone);
            self.actuator.start(cgroup, job, alone);
        }
    }

    /// What moves between nodes go through.
    fn nodes(&self, host: &HostObservation) -> Nodes {
        let (root, mount) = (self.observer.root().clone(), self.observer.mount().clone());
        Nodes::new(root, mount, Observer::slow_nodes(host))
    }

    /// What the generations can show: the age from which on memory may go, since DRAM is looked at twice
    /// within it, slower nodes once. How much is older than what a policy wants is in the amount, and the
    /// oldest go first.
    fn idle(&self, decision: &Decision, scope: Scope, config: &Config) -> Duration {
        let Some(policy) = policy_of(decision, config) else { return Duration::MAX };
        match scope {
            Scope::Sink => self.state.look_at_slow_every(decision.id, policy),
            _ => self.state.look_every(decision.id, policy).saturating_mul(2),
        }
    }

    fn arm(&mut self, cgroup: &Cgroup, decision: &Decision, config: &Config, now: Duration) {
        let Some(policy) = policy_of(decision, config) else { return };
        match self.triggers.arm(cgroup, &policy.slo, now) {
            Ok(()) | Err(ArmError::Gone { .. }) => {}
            // The interval's own figures still stop the loop: later, but without fail.
            Err(error) => tracing::debug!(%error, "no pressure trigger: relying on the interval alone"),
        }
    }

    fn forget_the_gone(&mut self, sight: &Sight) {
        // Nothing is asked of what nobody could look at.
        let seen: HashSet<CgroupId> = sight.seen.cgroups.iter().map(|cgroup| cgroup.id).collect();
        self.actuator.stop_others(&seen);
        let alive = &sight.targets;
        self.triggers.retain(alive);
        self.ledger.retain(alive);
        self.sampler.retain(alive);
        self.alarms.retain(|id| alive.contains(id));
        self.effects.retain(|id, _| alive.contains(id));
    }
}

/// How long a turn may look. The watchdog hears of the loop between two turns.
pub(crate) fn patience(config: &Config) -> Duration {
    config.interval.min(LONGEST_LOOK)
}

/// The cgroups whose idle ages are wanted. In observe mode too, unless the configuration says otherwise: a
/// look moves no memory.
fn sampled(sight: &Sight, config: &Config, state: &State) -> Vec<Target> {
    let policies = config.policies.policies();
    let target = |cgroup: &CgroupObservation| {
        let policy = policies.get(cgroup.policy).filter(|policy| config.hotness.looks_at(policy.mode))?;
        let every = state.look_every(cgroup.id, policy);
        let slow_every = state.look_at_slow_every(cgroup.id, policy);
        let (path, cold_after) = (Arc::clone(&cgroup.path), policy.cold_after);
        Some(Target { id: cgroup.id, path, every, slow_every, cold_after })
    };
    let worth_it = |cgroup: &&CgroupObservation| {
        cgroup.populated && !cgroup.opted_out && !cgroup.memory.has_little_anonymous()
    };
    sight.seen.cgroups.iter().filter(worth_it).filter_map(target).collect()
}

/// Targets that page cache may be taken from for the sake of others: their policy acts, and they have
/// headroom under its SLO.
fn may_be_asked(
    sight: &Sight,
    decisions: &[Decision],
    config: &Config,
    takes_swappiness: bool,
) -> HashSet<Arc<str>> {
    let may = |cgroup: &CgroupObservation, decision: &Decision, policy: &Policy| {
        // Without `swappiness=` the kernel may swap as well, outside of every budget for that.
        let acts = takes_swappiness && matches!(policy.mode, Mode::Full | Mode::File);
        let has_headroom = decision.reason != Reason::HeldOut && decision.figures.headroom > Ratio::ZERO;
        // The kernel ignores the protection of whoever it is asked about (`mem_cgroup_below_low`,
        // include/linux/memcontrol.h).
        let stays = cgroup.memory.min.max(cgroup.memory.low).max(policy.limits.floor);
        let can_spare = cgroup.memory.current >= stays + treatments::RELEASED_A_MINUTE;
        acts && !cgroup.opted_out && has_headroom && can_spare
    };
    let policies = config.policies.policies();
    let targets = sight.seen.cgroups.iter().zip(decisions);
    targets
        .filter(|(cgroup, decision)| {
            policies.get(cgroup.policy).is_some_and(|policy| may(cgroup, decision, policy))
        })
        .map(|(cgroup, _)| Arc::clone(&cgroup.path))
        .collect()
}

/// The policy was changed to observe while a request was being written.
fn may_only_watch(decision: &Decision, config: &Config) -> bool {
    policy_of(decision, config).is_some_and(|policy| policy.mode == Mode::Observe)
}

fn policy_of<'a>(decision: &Decision, config: &'a Config) -> Option<&'a Policy> {
    config.policies.policies().iter().find(|policy| policy.name == decision.policy)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn looked_at(mode: &str, observe: bool) -> Vec<String> {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/6.12");
        let text = format!(
            "hotness: {{ observe: {observe} }}\npolicies: [{{ name: web, match: [/web/*], mode: {mode} }}]\n"
        );
        let config = lowtide_policy::parse(Path::new("lowtide.yaml"), &text).unwrap().config;
        let mut observer = Observer::new(Root::open(&fixture).unwrap()).unwrap();
        let sight = observer.look(&config.policies, Duration::ZERO, Duration::MAX).unwrap();
        let targets = sampled(&sight, &config, &State::default());
        targets.iter().map(|target| target.path.to_string()).collect()
    }

    /// The key was read and heeded by nobody.
    #[test]
    fn cgroups_that_are_only_observed_are_looked_at_unless_the_configuration_says_no() {
        assert_eq!(looked_at("observe", true), ["/web/api"]);
        assert!(looked_at("observe", false).is_empty());
        assert_eq!(looked_at("full", false), ["/web/api"]);
    }

    /// Books and pages took such a cgroup for gone: what it had in swap became somebody else's.
    #[tokio::test]
    async fn whom_a_turn_was_too_short_for_is_shown_and_accounted_for_as_it_was() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/6.12");
        let text =
            "hotness: { source: none }\npolicies: [{ name: all, match: [/web/*, /batch], mode: observe }]";
        let config = lowtide_policy::parse(Path::new("lowtide.yaml"), text).unwrap().config;
        let (state, root) = (tempfile::tempdir().unwrap(), Root::open(&fixture).unwrap());
        let mut journal = Journal::open(state.path(), &root).unwrap();
        let (alarms, _) = mpsc::unbounded_channel();
        let mut turns = Loop::new(root, state.path().into(), alarms).unwrap();
        let looked = turns.look(&config, Duration::ZERO).unwrap();
        let before = turns.go_on(looked, &config, &mut journal);

        let mut looked = turns.look(&config, config.interval).unwrap();
        let unread = looked.sight.seen.cgroups.remove(0);
        looked.sight.unread.push(unread.id);
        looked.carry(Some(&before));
        let after = turns.go_on(looked, &config, &mut journal);
        let shown =
            |view: &View| view.cgroups.iter().map(|one| (one.id, one.path.clone())).collect::<Vec<_>>();
        assert_eq!((shown(&after).len(), shown(&after)), (2, shown(&before)));
        assert_eq!(after.cgroups[0].decision.reason, before.cgroups[0].decision.reason);
    }
}
