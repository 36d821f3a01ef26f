//! One cgroup at one tick: how it stands against its SLO, what speaks against a request, and the decision as
//! a record.

use std::{sync::Arc, time::Duration};

use super::{Refused, Step};
use crate::{
    cgroup::ByType,
    cgroup_state::CgroupState,
    decision::{Action, Decision, Figures, Reason},
    effect::{Pending, Scope},
    forecast::{Basis, Forecast},
    harm::{self, Harm, HarmRates, Usual},
    history::{MINUTE, SHORT},
    mode::Mode,
    observation::{CgroupObservation, HostObservation},
    placement::{Ladder, Offer, Price, SCARCE},
    policy::{Budgets, Policy},
    room::{BATCH, Room},
    tier::TierKind,
    units::{Bytes, Ratio},
    worth::Value,
};

/// However much longer a cgroup's work takes, memory that leaves is worth this share of the price: what is
/// old enough costs nothing.
const LEAST_LEFT: Ratio = Ratio::new(1.0 / 64.0);

/// One cgroup at one tick, with all that bears on it.
pub(super) struct Case<'a> {
    pub(super) cgroup: &'a CgroupObservation,
    pub(super) policy: &'a Policy,
    pub(super) budgets: &'a Budgets,
    pub(super) host: &'a HostObservation,
    /// The policy wants nothing younger on the tier that memory comes to first.
    pub(super) after: Duration,
    /// How much of it compresses well enough to be sent where it is compressed.
    pub(super) worth_storing: Bytes,
    pub(super) now: Duration,
    pub(super) elapsed: Duration,
}

impl Case<'_> {
    pub(super) fn decide(&self, state: &mut CgroupState, room: &mut Room) -> Decision {
        self.settle(state);
        let usual = Usual { io_pressure: state.usual.pressure(), working_set: self.working_set(state) };
        let harm = harm::assess(&state.history, usual, &self.policy.slo);
        let mut figures = self.figures(state, &harm);
        self.back_off(state, harm);
        figures.price = self.share_of_price(state);
        let waits = self.must_wait(state, harm, &figures, room);
        // A request under way ends where it began to go.
        if !self.cgroup.pending.is_any() {
            let may_go = waits.is_none() && figures.minute_left >= BATCH;
            state.wants_past_zswap = may_go && self.wants_past_zswap(state, room);
        }
        let mut outcome = match waits {
            Some(Reason::WarmingUp) if !state.watch.is_ageing() => self.start_ageing(state, &figures, room),
            Some(reason) => {
                state.credit = ByType::default();
                Err((reason, None))
            }
            None => self.step(state, &mut figures, room),
        };
        if super::step::paced_by_price(&outcome) {
            state.pace.raise(harm.headroom.of(figures.accuracy), self.elapsed);
        }
        if let Ok(step) = &mut outcome
            && state.asked_first
        {
            room.missing = room.missing - freed_by(state, *step);
            step.bound = if step.bound == Reason::Headroom { Reason::RunningShort } else { step.bound };
        }
        self.conclude(outcome, &figures)
    }

    fn conclude(&self, outcome: Result<Step, Refused>, figures: &Figures) -> Decision {
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
            figures: *figures,
        }
    }

    fn figures(&self, state: &CgroupState, harm: &Harm) -> Figures {
        let HarmRates {
            memory_pressure,
            memory_pressure_minute,
            io_pressure,
            usual_io_pressure,
            swap_in_stall,
            refault_stall,
            promotion_rate,
        } = harm.rates;
        let memory = &self.cgroup.memory;
        let footprint = memory.footprint();
        let cold = self.cold(state);
        let minute = state.history.window(MINUTE);
        let gone = minute.map(|window| window.reclaimed()).unwrap_or_default();
        let anon = Value::of_anon(self.worth_of_a_byte(state, Scope::Anon));
        let anon = state.worth.anon.gain(footprint, anon);
        let file = state.worth.file.gain(footprint, self.value_of_file(state));
        Figures {
            current: memory.current - memory.demoted().total(),
            footprint,
            offloaded: memory.offloaded() + memory.demoted().total(),
            memory_pressure,
            memory_pressure_minute,
            io_pressure,
            usual_io_pressure,
            swap_in_stall,
            refault_stall,
            promotion_rate,
            headroom: harm.headroom,
            accuracy: if file.stayed < anon.stayed { file.stayed } else { anon.stayed },
            anon,
            file,
            slowdown: state.slowdown.share(),
            precision: state
                .tracker
                .precision()
                .map(|seen| Ratio::new(seen.share.get() + seen.error.get()).clamped()),
            minute_left: memory.takeable().scale(self.policy.limits.per_minute) - gone,
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

    /// The feedback's price, less as the cgroup's work takes longer.
    fn share_of_price(&self, state: &CgroupState) -> Ratio {
        let used = state.slowdown.share().unwrap_or_default().over(self.policy.slo.slowdown);
        let left = used.complement();
        // No more than a multiple of what was learnt: who has just broken its SLO is asked little all the
        // same.
        let learnt = state.pace.price();
        let price = if state.asked_first { learnt.of(SCARCE).clamped() } else { learnt };
        price.of(if left < LEAST_LEFT { LEAST_LEFT } else { left })
    }

    fn price(&self, state: &CgroupState) -> Price {
        let footprint = self.cgroup.memory.footprint();
        let (share, pressure) = (self.share_of_price(state), self.policy.slo.memory_pressure);
        Price { share, pressure, footprint, scarce: state.asked_first }
    }

    /// What a byte that is away is worth, in seconds of stall a second: of anonymous memory what its first
    /// tier frees of it.
    fn worth_of_a_byte(&self, state: &CgroupState, scope: Scope) -> f64 {
        self.price(state).per_page() * freed(state, scope).get() / Bytes::pages(1).as_f64()
    }

    fn value_of_file(&self, state: &CgroupState) -> Value {
        let Price { share, pressure, .. } = self.price(state);
        Value::of_file(self.worth_of_a_byte(state, Scope::File), pressure, share)
    }

    /// Moves each type's pace by what came of it. Of anonymous memory the cut has weighed already what its
    /// returns cost; without idle ages one request that took hot pages would speak against the next for many
    /// minutes, and there the SLO alone bounds the stall.
    fn settle(&self, state: &mut CgroupState) {
        let footprint = self.cgroup.memory.footprint();
        state.worth.anon.settle_by_staying(footprint, self.elapsed);
        // Where a read has no known cost, as on NFS or without the io controller, all that is known is what
        // stays.
        if state.reads.per_page().is_some() {
            state.worth.file.settle_by_cost(footprint, self.value_of_file(state), self.elapsed);
        } else {
            state.worth.file.settle_by_staying(footprint, self.elapsed);
        }
    }

    /// Where memory of which age belongs at the price of now, and with it from which age on it may leave
    /// DRAM.
    pub(super) fn place(&self, state: &mut CgroupState, offers: &[Offer]) {
        let offers = self.own_offers(state, offers);
        state.ladder = self.ladder(state, &offers, self.price(state));
        state.forecast = self.forecast(state, &offers);
        let swap = |ladder: &Ladder| {
            let rungs = ladder.rungs.iter().filter(|rung| rung.kind.is_swap());
            let begins: Vec<_> = rungs.map(|rung| rung.from).collect();
            (!begins.is_empty()).then(|| begins.into_iter().flatten().min())
        };
        if let Some(worth_from) = state.ladder.as_ref().and_then(swap) {
            let a_minute = self.cgroup.memory.takeable().scale(self.policy.limits.per_minute);
            state.tracker.set_worth_from(worth_from, a_minute);
        }
    }

    /// What is on offer to this cgroup: the tiers that its policy allows, from the age that it wants, with
    /// what its memory compresses to.
    fn own_offers(&self, state: &CgroupState, offers: &[Offer]) -> Vec<Offer> {
        let swapped_from = state.tracker.swapped_from(self.policy);
        let allowed = |offer: &Offer| {
            let wanted = self.policy.tiers.rule(offer.kind)?.after.unwrap_or_default();
            let least = self.policy.cold_after.max(self.after);
            let least = if offer.kind.is_swap() { least.max(swapped_from) } else { least };
            let taken = state.compression.taken(offer.kind, &self.cgroup.memory);
            let or_measured = |freed: Ratio| taken.map_or(freed, Ratio::complement);
            let (freed, expected) = (or_measured(offer.freed), or_measured(offer.expected));
            Some(Offer { after: wanted.max(least), freed, expected, ..offer.clone() })
        };
        offers.iter().filter_map(allowed).collect()
    }

    fn ladder(&self, state: &CgroupState, offers: &[Offer], price: Price) -> Option<Ladder> {
        let rates = state.tracker.rates(self.cgroup.memory.footprint());
        let current = state.tracker.is_current(self.policy, self.now);
        current.then(|| Ladder::lean(offers, &rates, price))
    }

    /// At the full price, which the loop comes to where nothing stands in its way.
    fn forecast(&self, state: &CgroupState, offers: &[Offer]) -> Option<Forecast> {
        let full = Price { share: Ratio::ONE, scarce: false, ..self.price(state) };
        let ladder = self.ladder(state, offers, full)?;
        let may_take = |offer: &&Offer| !(offer.kind.is_swap() && self.keeps_tmpfs());
        let mut offers = offers.iter().filter(may_take);
        let (offer, from) = offers.find_map(|offer| Some((offer, ladder.rung(&offer.device)?.from?)))?;
        let memory = &self.cgroup.memory;
        let protected = self.protected().0;
        Some(Forecast::of(&Basis {
            offer,
            from,
            idle: &|age| state.tracker.idle(age),
            rates: state.tracker.rates(memory.footprint()),
            left_over: self.least_left(),
            at_most: (memory.current - protected).min(self.host.room_of(&offer.device)),
            freed_error: state.compression.uncertainty(offer.kind, memory),
            error: &|size| state.tracker.error_of(size),
        }))
    }

    /// Once per breach, not once per tick of it, and only for what lowtide can have caused: a tenant that
    /// starts, or whose phase changes, says nothing about the last requests. A bound on promotions is no
    /// stall: the price falls, and nothing is waited for anew.
    fn back_off(&self, state: &mut CgroupState, harm: Harm) {
        if self.cgroup.alarm {
            state.calm_from = self.now + SHORT;
        }
        let broken = (harm.broken.is_some() || self.cgroup.alarm) && harm.caused;
        if broken && self.cgroup.alarm {
            state.pace.back_off_hard();
        } else if broken && !state.was_broken {
            state.pace.back_off();
        }
        let stalls = broken && (self.cgroup.alarm || harm.broken != Some(Reason::PromotionRate));
        if stalls && !state.was_broken && harm.broken != Some(Reason::IoPressure) {
            state.watch.disappoint(self.policy.cold_after, self.now);
        }
        if stalls {
            state.watch.begin_again(self.now);
        }
        state.was_broken = broken;
    }

    /// The smallest request there is, at the beginning of the warm-up and after each breach.
    ///
    /// The kernel ages a cgroup only when it reclaims from it: the first request has all pages looked at and
    /// their access bits cleared (mm/vmscan.c, try_to_inc_max_seq), and what is touched in the cold_after
    /// that follows is young when the first real request comes. Without it that request would find every page
    /// equally young and take them in the order in which they were allocated: in the lab 8 MiB of a tenant's
    /// warm pages for 128 KiB asked.
    fn start_ageing(
        &self,
        state: &mut CgroupState,
        figures: &Figures,
        room: &mut Room,
    ) -> Result<Step, Refused> {
        let (scope, file_only) = self.scope(room).map_err(|(hold, why)| (hold, Some(why)))?;
        if self.policy.mode == Mode::Observe {
            return Err((Reason::WarmingUp, file_only));
        }
        let scope = match scope {
            Scope::Any if self.leaves_the_choice(state) => scope,
            Scope::Any if self.cgroup.memory.has_little_anonymous() => Scope::File,
            Scope::Any => Scope::Anon,
            other => other,
        };
        let step = self.bounded(Step { amount: BATCH, scope, bound: Reason::Ageing, file_only }, figures);
        // No ages are known yet, so nothing that is mapped may go.
        let unmapped = if scope.is_file() { self.unmapped() } else { Bytes::MAX };
        let step = step.at_most(unmapped, Reason::NothingReclaimable);
        if step.amount < BATCH {
            return Err((step.bound, file_only));
        }
        state.watch.age(self.now);
        Ok(super::step::grant(step, state, room))
    }

    /// In observe mode nothing may be written, not even to make the kernel age the pages.
    ///
    /// With an idle-age source there is nothing to wait for: it shows no page as old that it has not watched
    /// for so long.
    fn is_warm(&self, state: &CgroupState) -> bool {
        if state.tracker.is_current(self.policy, self.now) {
            return true;
        }
        let ageing = state.watch.is_ageing() || self.policy.mode == Mode::Observe;
        ageing && self.has_waited(state)
    }

    /// The first reason, in order of weight, for which nothing is asked for now.
    fn must_wait(&self, state: &CgroupState, harm: Harm, figures: &Figures, room: &Room) -> Option<Reason> {
        let checks = [
            // First, so that it can be told by its reason whatever else there is. Who chooses it is not like
            // those that are drawn.
            (self.cgroup.opted_out, Reason::OptedOut),
            (self.budgets.holdout.has(&self.cgroup.path, self.policy.mode), Reason::HeldOut),
            (!self.cgroup.populated, Reason::Unpopulated),
            (self.cgroup.alarm, Reason::Trigger),
            (harm.broken.is_some(), harm.broken.unwrap_or(Reason::Headroom)),
            (self.now < state.calm_from, Reason::CoolingDown),
            (state.history.window(SHORT).is_none(), Reason::FirstSample),
            (room.only_watch.is_some(), room.only_watch.unwrap_or(Reason::Headroom)),
            (self.now < state.retry_from, Reason::Ineffective),
            (figures.reclaim_cpu >= self.budgets.reclaim_cpu, Reason::ReclaimCpu),
            // Of the reasons against anonymous memory the two that speak against what is on its way, too.
            (room.under_scan_pressure && self.is_swapping_out(state), Reason::ScanPressure),
            (self.keeps_tmpfs() && self.is_swapping_out(state), Reason::TmpfsToDisk),
            (self.cgroup.pending == Pending::InFlight, Reason::InFlight),
            (self.cgroup.pending == Pending::Queued, Reason::Queued),
            (self.would_demote_what_must_not(room), Reason::NodeForbidden),
            // Last, because the warm-up begins with a request: nothing above may stand against one.
            (!self.is_warm(state), Reason::WarmingUp),
        ];
        checks.into_iter().find(|(applies, _)| *applies).map(|(_, reason)| reason)
    }

    /// A request is on its way that may take anonymous memory to swap.
    fn is_swapping_out(&self, state: &CgroupState) -> bool {
        self.cgroup.pending.is_any() && !state.promised.is_zero()
    }

    /// Where the kernel demotes it does so with page cache too, whatever it is asked for.
    fn would_demote_what_must_not(&self, room: &Room) -> bool {
        room.for_demotion().is_some() && !self.policy.tiers.allows(TierKind::Node)
    }
}

/// What a byte frees where it goes first.
fn freed(state: &CgroupState, scope: Scope) -> Ratio {
    let first = state.ladder.iter().flat_map(|ladder| &ladder.rungs).find(|rung| rung.kind.is_swap());
    first.filter(|_| !scope.is_file()).map_or(Ratio::ONE, |rung| rung.freed)
}

/// DRAM that a step is to free: what compression leaves of it stays, and what goes on from slower nodes was
/// not there.
fn freed_by(state: &CgroupState, step: Step) -> Bytes {
    match step.scope {
        Scope::Sink => Bytes::ZERO,
        Scope::File | Scope::Demote => step.amount,
        Scope::Anon | Scope::Any => step.amount.scale(freed(state, step.scope)),
    }
}
