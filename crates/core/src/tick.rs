//! One turn of the loop: what was seen becomes one decision for each cgroup.

mod nodes;

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    compression::{self, Claim, Devices},
    confine::ZswapBound,
    decision::{Action, Decision, Figures, Reason, Scope},
    harm::{self, Harm},
    history::{MINUTE, SHORT},
    observation::{
        CgroupId, CgroupObservation, Effect, HostObservation, Memory, Observation, Tier, TierKind,
    },
    placement::{self, Ladder, Offer, Price},
    policy::{Budgets, Mode, Policy},
    room::{BATCH, Room},
    sinking::Sinking,
    state::{CgroupState, State},
    tier_rules::TierUse,
    units::{Bytes, Ratio},
};

/// Decides for every cgroup of the observation.
///
/// `now` is any monotonic clock. Policies are looked up by [`CgroupObservation::policy`]; a cgroup with an index
/// beyond `policies` is left out. The returned decisions stand in the order of the observation.
pub fn tick(
    state: &mut State,
    seen: &Observation,
    policies: &[Policy],
    budgets: &Budgets,
    now: Duration,
) -> Vec<Decision> {
    let mut room = state.host.observe(&seen.host, budgets, now);
    state.costs.observe(&seen.host, now);
    state.zram_unmarks = seen.host.reclaim_takes_swappiness;
    let offers = placement::offers(&seen.host, &state.costs);
    let swap = state.swap.observe(&seen.host);
    let kept = compression::is_kept(&seen.host);
    let mut known = std::mem::take(&mut state.cgroups);
    let mut remembered = HashMap::with_capacity(seen.cgroups.len());
    let mut cases = Vec::with_capacity(seen.cgroups.len());
    for cgroup in &seen.cgroups {
        let Some(policy) = policies.get(cgroup.policy) else { continue };
        let mut memory = recall(&mut known, cgroup, policy, now);
        let elapsed = memory.learn(cgroup, policy, swap, seen.host.slow_nodes().is_some(), now);
        memory.compression.learn(&cgroup.effects, &cgroup.memory, now);
        room.reserve(memory.promised);
        room.spend(beyond_asked(cgroup));
        let first = offers.first().and_then(|offer| policy.tiers.rule(offer.kind)?.after);
        let after = first.unwrap_or_default();
        // Past zswap it goes to the device behind.
        let kept = kept && cgroup.confined.zswap != ZswapBound::AtMost(Bytes::ZERO);
        let worth_storing =
            if kept { memory.compression.worth_storing(&cgroup.memory, now) } else { Bytes::MAX };
        let host = &seen.host;
        cases.push(Case { cgroup, policy, budgets, host, after, worth_storing, now, elapsed });
        remembered.insert(cgroup.id, memory);
    }
    // One whose files could not be read this time, or that was no target for a turn, keeps what was learnt of it.
    known.retain(|_, memory| {
        memory.absent = memory.absent.saturating_add(1);
        memory.absent <= LONGEST_ABSENCE
    });
    remembered.extend(known);
    split(&mut remembered, &seen.host);
    state.cgroups = remembered;
    state.turn = state.turn.wrapping_add(1);
    let mut decisions: Vec<_> = cases
        .iter()
        .enumerate()
        // Another cgroup is the first to be served each time: where room is short, it goes round.
        .skip(state.turn % cases.len().max(1))
        .chain(cases.iter().enumerate().take(state.turn % cases.len().max(1)))
        .filter_map(|(place, case)| {
            let memory = state.cgroups.get_mut(&case.cgroup.id)?;
            memory.sinking =
                Sinking::of(memory, case.cgroup, case.policy, case.is_short_of_nodes(), case.now);
            let decision = case.decide(memory, &mut room);
            let nobody = !case.cgroup.populated;
            memory.offloaded = if nobody { Bytes::ZERO } else { case.cgroup.memory.offloaded() };
            memory.ladder = case.ladder(memory, &offers);
            Some((place, decision))
        })
        .collect();
    decisions.sort_unstable_by_key(|(place, _)| *place);
    state.host.settle(&room);
    decisions.into_iter().map(|(_, decision)| decision).collect()
}

/// Says of every cgroup what of the swap devices is its own.
fn split(cgroups: &mut HashMap<CgroupId, CgroupState>, host: &HostObservation) {
    let claims: Vec<Claim> = cgroups.values().map(|cgroup| cgroup.compression.claim()).collect();
    let found = compression::split(&claims, &Devices::of(&host.tiers, &host.zram));
    for (cgroup, on_devices) in cgroups.values_mut().zip(found) {
        cgroup.on_devices = on_devices;
    }
}

/// What was learnt under one policy is not held against a cgroup under another; the warm-up goes on.
fn recall(
    known: &mut HashMap<CgroupId, CgroupState>,
    cgroup: &CgroupObservation,
    policy: &Policy,
    now: Duration,
) -> CgroupState {
    match known.remove(&cgroup.id) {
        Some(mut memory) => {
            if memory.policy != policy.name {
                memory.policy = Arc::clone(&policy.name);
                memory.pace = crate::pace::Pace::default();
            }
            // Under a mode that goes further other pages may go, and those were not made to age yet.
            if std::mem::replace(&mut memory.mode, policy.mode) < policy.mode {
                memory.watch.begin_again(now);
            }
            memory
        }
        None => CgroupState::new(cgroup, policy, now),
    }
}

/// So many turns without an observation are remembered.
const LONGEST_ABSENCE: u8 = 2;

/// This share of a cgroup is left where it is though it has been idle beyond the cut, but at least so much.
const LEFT_OVER: Ratio = Ratio::new(1.0 / 64.0);
const LEAST_LEFT_OVER: Bytes = Bytes::mib(1);

/// One cgroup at one tick, with all that bears on it.
struct Case<'a> {
    cgroup: &'a CgroupObservation,
    policy: &'a Policy,
    budgets: &'a Budgets,
    host: &'a HostObservation,
    /// The policy wants nothing younger on the tier that memory comes to first.
    after: Duration,
    /// How much of it compresses well enough to be sent where it is compressed.
    worth_storing: Bytes,
    now: Duration,
    elapsed: Duration,
}

/// How much of which memory, and what bound it.
#[derive(Debug, Clone, Copy)]
struct Step {
    amount: Bytes,
    scope: Scope,
    bound: Reason,
    file_only: Option<Reason>,
}

/// Of which memory, and how much of it is cold.
#[derive(Debug, Clone, Copy)]
struct Part {
    scope: Scope,
    cold: Bytes,
    file_only: Option<Reason>,
}

impl Step {
    fn at_most(self, limit: Bytes, bound: Reason) -> Self {
        if limit < self.amount { Self { amount: limit, bound, ..self } } else { self }
    }
}

/// What the kernel swapped out beyond what it was asked: it goes on scanning while pages are on their way to a slow
/// device and not yet counted as reclaimed.
fn beyond_asked(cgroup: &CgroupObservation) -> Bytes {
    let beyond = |effect: &Effect| match effect.scope {
        // Nothing was to go to swap.
        Scope::Demote => effect.offloaded,
        _ => effect.offloaded - effect.requested,
    };
    cgroup.effects.iter().map(beyond).sum()
}

/// What is promised to this cgroup is gone for the next.
fn grant(step: Step, state: &mut CgroupState, room: &mut Room) -> Step {
    state.credit = Bytes::ZERO;
    match step.scope {
        Scope::File => {}
        Scope::Demote => room.take_slow(step.amount),
        Scope::Anon | Scope::Any | Scope::Sink => {
            room.take(step.amount);
            state.promised = step.amount;
        }
    }
    step
}

/// The price rises only where the tenant itself lets the pace be what it is: one that rose during an hour of holding
/// for some other reason would say nothing about the tenant.
fn paced_by_price(outcome: &Result<Step, (Reason, Option<Reason>)>) -> bool {
    match outcome {
        Ok(step) => step.bound != Reason::Ageing,
        Err((reason, _)) => {
            matches!(
                reason,
                Reason::StepTooSmall | Reason::PerMinute | Reason::ObserveMode | Reason::NothingCold
            )
        }
    }
}

impl Case<'_> {
    fn decide(&self, state: &mut CgroupState, room: &mut Room) -> Decision {
        let mut figures = self.figures(state);
        let harm = harm::assess(&state.history, self.working_set(state), &self.policy.slo, &mut figures);
        figures.headroom = harm.headroom;
        self.back_off(state, harm);
        figures.price = state.pace.price();
        let waits = self.must_wait(state, harm, &figures, room);
        // A request under way ends where it began to go.
        if !self.cgroup.in_flight {
            let may_go = waits.is_none() && figures.minute_left >= BATCH;
            state.wants_past_zswap = may_go && self.wants_past_zswap(state, room);
        }
        let outcome = match waits {
            Some(Reason::WarmingUp) if !state.watch.is_ageing() => self.start_ageing(state, &figures, room),
            Some(reason) => {
                state.credit = Bytes::ZERO;
                Err((reason, None))
            }
            None => self.step(state, &mut figures, room),
        };
        if paced_by_price(&outcome) {
            state.pace.raise(harm.headroom.of(figures.accuracy), self.elapsed);
        }
        self.conclude(outcome, figures)
    }

    fn conclude(&self, outcome: Result<Step, (Reason, Option<Reason>)>, figures: Figures) -> Decision {
        let (action, reason, file_only) = match outcome {
            Ok(step) => {
                let Step { amount, scope, bound, file_only } = step;
                (Action::Reclaim { amount, scope }, bound, file_only)
            }
            Err((reason, file_only)) => (Action::Hold, reason, file_only),
        };
        Decision {
            id: self.cgroup.id,
            path: Arc::clone(&self.cgroup.path),
            policy: Arc::clone(&self.policy.name),
            action,
            reason,
            file_only,
            figures,
        }
    }

    fn figures(&self, state: &CgroupState) -> Figures {
        let memory = &self.cgroup.memory;
        let cold = self.cold(state);
        let minute = state.history.window(MINUTE);
        let gone = minute.map(|window| window.reclaimed()).unwrap_or_default();
        Figures {
            current: memory.current - memory.demoted().total(),
            footprint: memory.footprint(),
            offloaded: memory.offloaded() + memory.demoted().total(),
            accuracy: state.pace.accuracy(memory.footprint()),
            minute_left: memory.footprint().scale(self.policy.limits.per_minute) - gone,
            reclaim_cpu: minute.map(|window| window.reclaim_cpu()).unwrap_or_default(),
            cut: cold.map(|(cut, _)| cut),
            idle: cold.map(|(_, idle)| idle),
            sinkable: cold.and(self.host.slow_nodes()).map(|_| state.sinkable(self.policy)),
            ..Figures::default()
        }
    }

    /// Bytes younger than cold_after; without an idle-age source, the nearest to it that is known.
    fn working_set(&self, state: &CgroupState) -> Bytes {
        if state.tracker.is_current(self.policy, self.now) {
            state.tracker.base(self.policy)
        } else {
            self.cgroup.memory.current
        }
    }

    /// From which idle age on memory may leave DRAM, no earlier than the policy wants on the first tier, and what has been idle for
    /// longer; `None` without an idle-age source.
    fn cold(&self, state: &CgroupState) -> Option<(Duration, Bytes)> {
        let current = state.tracker.is_current(self.policy, self.now);
        let from = current.then(|| state.tracker.leaves_from(self.policy))?.max(self.after);
        Some((from, state.tracker.idle(from)))
    }

    /// Where memory of which age belongs, at the price of now.
    fn ladder(&self, state: &CgroupState, offers: &[Offer]) -> Option<Ladder> {
        let (leaves_from, _) = self.cold(state)?;
        let swapped_from = state.tracker.swapped_from(self.policy);
        let footprint = self.cgroup.memory.footprint();
        let price = Price { share: state.pace.price(), pressure: self.policy.slo.memory_pressure, footprint };
        let allowed = |offer: &Offer| {
            let wanted = self.policy.tiers.rule(offer.kind)?.after.unwrap_or_default();
            let least =
                if offer.kind == TierKind::Node { leaves_from } else { leaves_from.max(swapped_from) };
            let taken = state.compression.taken(offer.kind, &self.cgroup.memory);
            let freed = taken.map_or(offer.freed, Ratio::complement);
            Some(Offer { after: wanted.max(least), freed, ..offer.clone() })
        };
        let offers: Vec<_> = offers.iter().filter_map(allowed).collect();
        Some(Ladder::lean(&offers, &state.tracker.rates(footprint), price))
    }

    /// Once per breach, not once per tick of it.
    fn back_off(&self, state: &mut CgroupState, harm: Harm) {
        let broken = harm.broken.is_some() || self.cgroup.alarm;
        if self.cgroup.alarm {
            state.pace.back_off_hard();
            state.calm_from = self.now + SHORT;
        } else if broken && !state.was_broken {
            state.pace.back_off();
        }
        if broken && !state.was_broken && harm.broken != Some(Reason::IoPressure) {
            state.watch.disappoint(self.policy.cold_after, self.now);
        }
        if broken {
            state.watch.begin_again(self.now);
        }
        state.was_broken = broken;
    }

    /// The smallest request there is, at the beginning of the warm-up and after each breach.
    ///
    /// The kernel ages a cgroup only when it reclaims from it: the first request has all pages looked at and their
    /// access bits cleared (mm/vmscan.c, try_to_inc_max_seq), and what is touched in the cold_after that follows is
    /// young when the first real request comes. Without it that request would find every page equally young and take
    /// them in the order in which they were allocated: in the lab 8 MiB of a tenant's warm pages for 128 KiB asked.
    fn start_ageing(
        &self,
        state: &mut CgroupState,
        figures: &Figures,
        room: &mut Room,
    ) -> Result<Step, (Reason, Option<Reason>)> {
        let (scope, file_only) = self.scope(room).map_err(|(hold, why)| (hold, Some(why)))?;
        if self.policy.mode == Mode::Observe {
            return Err((Reason::WarmingUp, file_only));
        }
        let step = self.bounded(Step { amount: BATCH, scope, bound: Reason::Ageing, file_only }, figures);
        if step.amount < BATCH {
            return Err((step.bound, file_only));
        }
        state.watch.age(self.now);
        Ok(grant(step, state, room))
    }

    /// In observe mode nothing may be written, not even to make the kernel age the pages.
    ///
    /// With an idle-age source there is nothing to wait for: it shows no page as old that it has not watched for so long.
    fn is_warm(&self, state: &CgroupState) -> bool {
        if state.tracker.is_current(self.policy, self.now) {
            return true;
        }
        let ageing = state.watch.is_ageing() || self.policy.mode == Mode::Observe;
        ageing && state.watch.is_over(self.policy.cold_after, self.now)
    }

    /// Within what the policy's limits and the cgroup's own protection leave.
    fn bounded(&self, step: Step, figures: &Figures) -> Step {
        let (protected, protection) = self.protected();
        step.at_most(figures.minute_left, Reason::PerMinute)
            .at_most(self.reclaimable(step.scope), Reason::NothingReclaimable)
            .at_most(self.within_reach(step.scope) - protected, protection)
    }

    /// The first reason, in order of weight, for which nothing is asked for now.
    fn must_wait(&self, state: &CgroupState, harm: Harm, figures: &Figures, room: &Room) -> Option<Reason> {
        let checks = [
            (!self.cgroup.populated, Reason::Unpopulated),
            (self.cgroup.alarm, Reason::Trigger),
            (harm.broken.is_some(), harm.broken.unwrap_or(Reason::Headroom)),
            (self.now < state.calm_from, Reason::CoolingDown),
            (state.history.window(SHORT).is_none(), Reason::FirstSample),
            (room.only_watch.is_some(), room.only_watch.unwrap_or(Reason::Headroom)),
            (self.now < state.retry_from, Reason::Ineffective),
            (figures.reclaim_cpu >= self.budgets.reclaim_cpu, Reason::ReclaimCpu),
            (self.cgroup.in_flight, Reason::InFlight),
            (self.would_demote_what_must_not(room), Reason::NodeForbidden),
            // Last, because the warm-up begins with a request: nothing above may stand against one.
            (!self.is_warm(state), Reason::WarmingUp),
        ];
        checks.into_iter().find(|(applies, _)| *applies).map(|(_, reason)| reason)
    }

    /// Where the kernel demotes it does so with page cache too, whatever it is asked for.
    fn would_demote_what_must_not(&self, room: &Room) -> bool {
        room.for_demotion().is_some() && !self.policy.tiers.allows(TierUse::Node)
    }

    /// How much may go: what price and headroom want, within every bound.
    fn step(
        &self,
        state: &mut CgroupState,
        figures: &mut Figures,
        room: &mut Room,
    ) -> Result<Step, (Reason, Option<Reason>)> {
        let part = match self.by_node(state, room) {
            Some(part) => part.map_err(|reason| (reason, None))?,
            None => self.part(state, room)?,
        };
        let Part { scope, cold, file_only } = part;
        let refuse = |reason| (reason, file_only);
        state.credit += self.wanted(figures);
        figures.wanted = state.credit;
        let step = Step { amount: state.credit, scope, bound: Reason::Headroom, file_only };
        let step = self.within_room(self.bounded(step, figures), room).at_most(cold, Reason::NothingCold);
        let observes = self.policy.mode == Mode::Observe;
        if step.amount < BATCH && step.bound == Reason::Headroom && !observes {
            return Err(refuse(Reason::StepTooSmall));
        }
        // What a bound took away is not saved up: when it lifts, the pace starts from nothing.
        state.credit = Bytes::ZERO;
        match step.bound {
            Reason::Headroom if observes => Err(refuse(Reason::ObserveMode)),
            bound if step.amount < BATCH => Err(refuse(bound)),
            _ if observes => Err(refuse(Reason::ObserveMode)),
            _ => Ok(grant(step, state, room)),
        }
    }

    /// Of which memory, on a host without slower nodes, or where neither they nor swap may take more.
    fn part(&self, state: &CgroupState, room: &Room) -> Result<Part, (Reason, Option<Reason>)> {
        let (scope, file_only) = self.scope(room).map_err(|(hold, why)| (hold, Some(why)))?;
        let (scope, cold) = self.by_age(state, scope);
        Ok(Part { scope, cold, file_only })
    }

    /// With idle ages: anonymous memory while there is some beyond the cut, and no more than that; else page cache, by
    /// pressure alone.
    fn by_age(&self, state: &CgroupState, scope: Scope) -> (Scope, Bytes) {
        let Some((_, idle)) = self.cold(state) else { return (scope, Bytes::MAX) };
        let idle = self.without_the_last(idle);
        let waited = state.watch.is_over(self.policy.cold_after, self.now);
        match scope {
            // It would demote and swap at once, whatever it finds on either node.
            Scope::Any if self.host.slow_nodes().is_some() && !self.host.reclaim_takes_swappiness => {
                (Scope::File, Bytes::ZERO)
            }
            // The kernel chooses between the types by itself: page cache too may go, and no earlier than without ages.
            Scope::Any if !self.host.reclaim_takes_swappiness => match waited {
                true if idle >= BATCH => (Scope::Any, idle),
                true => (Scope::Any, Bytes::MAX),
                false => (Scope::Any, Bytes::ZERO),
            },
            // The kernel left to itself weighs the types by its own refault counts (mm/vmscan.c, `get_type_to_scan`).
            Scope::Any | Scope::Anon if idle >= BATCH => (Scope::Anon, idle),
            _ if waited => (Scope::File, Bytes::MAX),
            _ => (Scope::File, Bytes::ZERO),
        }
    }

    /// Not the last of what is idle: where the kernel runs out of old pages before it has what was asked for, it goes on with
    /// the next generation and does not stop in time (in the lab on 6.12: 6 MiB for the last 1.8, 4 of them in use).
    fn without_the_last(&self, idle: Bytes) -> Bytes {
        idle - self.cgroup.memory.footprint().scale(LEFT_OVER).max(LEAST_LEFT_OVER)
    }

    /// Price and headroom as a share of the fastest pace that the policy allows, for the time since the last tick.
    fn wanted(&self, figures: &Figures) -> Bytes {
        let minutes = Ratio::new(self.elapsed.min(MINUTE).as_secs_f64() / MINUTE.as_secs_f64());
        let eagerness = figures.price.of(figures.headroom).of(figures.accuracy);
        self.cgroup.memory.footprint().scale(self.policy.limits.per_minute.of(minutes).of(eagerness))
    }

    /// Whether anonymous memory may go, and if not, why not.
    ///
    /// Fails where page cache alone is wanted but this kernel cannot be asked for it.
    fn scope(&self, room: &Room) -> Result<(Scope, Option<Reason>), (Reason, Reason)> {
        let Some(why) = self.anonymous_stays(room) else { return Ok((Scope::Any, None)) };
        // Without swap, or with memory.swap.max at 0, the kernel itself leaves anonymous memory alone.
        let kernel_sees_to_it = self.host.swap().is_none()
            || self.cgroup.memory.swap_max.is_some_and(|max| max.bytes().is_zero());
        if self.host.reclaim_takes_swappiness || kernel_sees_to_it {
            Ok((Scope::File, Some(why)))
        } else {
            Err((Reason::FileOnlyUnsupported, why))
        }
    }

    fn anonymous_stays(&self, room: &Room) -> Option<Reason> {
        if self.policy.mode == Mode::File {
            return Some(Reason::FileMode);
        }
        let bound = self.own_rooms().into_iter().find(|(room, _)| *room < BATCH);
        bound.map(|(_, reason)| reason).or_else(|| room.for_anonymous().err())
    }

    /// How much of this cgroup's anonymous memory may be swapped out, and why no more, whatever the host has room for.
    fn own_rooms(&self) -> [(Bytes, Reason); 4] {
        [
            self.tiers_room(),
            (self.swap_max_room(), Reason::SwapMax),
            self.zswap_room(),
            (self.worth_storing, Reason::Incompressible),
        ]
    }

    /// Below memory.swap.max, and below memory.swap.high: a cgroup that lowtide pushed over that would be throttled
    /// for as long as its pages stay swapped out (mm/memcontrol.c, mem_cgroup_handle_over_high).
    fn swap_max_room(&self) -> Bytes {
        let Memory { swap_current, swap_max, swap_high, .. } = &self.cgroup.memory;
        let used = swap_current.unwrap_or_default();
        [swap_max, swap_high].into_iter().flatten().map(|limit| limit.room(used)).min().unwrap_or(Bytes::MAX)
    }

    /// Below what the policy's tiers allow on this host.
    fn tiers_room(&self) -> (Bytes, Reason) {
        let Some(bound) = self.cgroup.confined.swap else { return (Bytes::MAX, Reason::TierAtMost) };
        let reason = if bound.limit.is_zero() { Reason::TierForbidden } else { Reason::TierAtMost };
        (bound.limit - self.cgroup.memory.swap_current.unwrap_or_default(), reason)
    }

    /// For a cgroup whose pages have to stay in zswap: what its pool can still take at today's compression. The kernel puts a
    /// page back that does not fit.
    fn zswap_room(&self) -> (Bytes, Reason) {
        let zswap = || self.host.tiers.iter().find(|tier| tier.kind == TierKind::Zswap);
        let room = match self.cgroup.confined.zswap {
            ZswapBound::Stays => zswap().map_or(Bytes::ZERO, Tier::uncompressed_room),
            ZswapBound::Free | ZswapBound::AtMost(_) => Bytes::MAX,
        };
        (room, Reason::SwapReserve)
    }

    fn within_room(&self, step: Step, room: &Room) -> Step {
        match (step.scope, room.for_anonymous()) {
            (Scope::Demote, _) => step.at_most(room.for_demotion().unwrap_or_default(), Reason::NodeReserve),
            (Scope::Any | Scope::Anon | Scope::Sink, Ok((left, bound))) => self
                .own_rooms()
                .into_iter()
                .fold(step.at_most(left, bound), |step, (room, why)| step.at_most(room, why)),
            _ => step,
        }
    }

    /// What a request may make smaller: on a host that demotes the cgroup's memory in DRAM, and what is on slower nodes only for
    /// what goes on from there.
    fn within_reach(&self, scope: Scope) -> Bytes {
        let memory = &self.cgroup.memory;
        match scope {
            Scope::File | Scope::Anon | Scope::Any | Scope::Demote if self.host.slow_nodes().is_some() => {
                memory.current - memory.demoted().total()
            }
            _ => memory.current,
        }
    }

    /// What must stay in DRAM, and for whose sake.
    ///
    /// The kernel ignores the target's own memory.min and memory.low in memory.reclaim (KERNEL.md §1), so they are
    /// kept here.
    fn protected(&self) -> (Bytes, Reason) {
        let Memory { min, low, .. } = self.cgroup.memory;
        let own = min.max(low);
        let floor = self.policy.limits.floor;
        if own > floor { (own, Reason::Protected) } else { (floor, Reason::Floor) }
    }

    /// What is on the lists that reclaim may scan.
    fn reclaimable(&self, scope: Scope) -> Bytes {
        let stat = &self.cgroup.memory.stat;
        let file = stat.inactive_file + stat.active_file;
        match scope {
            Scope::File => file,
            Scope::Anon => stat.inactive_anon + stat.active_anon,
            Scope::Any => file + stat.inactive_anon + stat.active_anon,
            Scope::Demote => stat.inactive_anon + stat.active_anon - self.cgroup.memory.demoted().anon,
            Scope::Sink => self.cgroup.memory.demoted().anon,
        }
    }
}
