//! The promises of core, checked after each tick.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use lowtide_core::{
    Action, Budgets, Bytes, CgroupId, CgroupObservation, Decision, Effect, HostObservation, Mode,
    Observation, Policy, Reason, Scope, State, tick,
};
use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::generate::{Seen, budgets, policies, sequence};

const MINUTE: Duration = Duration::from_mins(1);
/// A cgroup is remembered while it is observed, and for two turns more.
const REMEMBERED: usize = 3;

/// Who says what requests did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effects {
    /// The generator: anything.
    Any,
    /// Each request did what it was asked, by the next tick.
    AsAsked,
}

/// Runs a sequence and checks every decision; returns how many bytes were asked for in all.
fn check(
    sequence: Vec<Seen>,
    policies: &[Policy],
    budgets: &Budgets,
    effects: Effects,
) -> Result<Bytes, TestCaseError> {
    let mut state = State::default();
    let mut now = Duration::from_secs(1);
    let mut asked = Asked::default();
    let mut recent = Vec::new();
    for Seen { after, host, mut cgroups } in sequence {
        now += after;
        if effects == Effects::AsAsked {
            asked.confirm(&mut cgroups);
        }
        let seen = Observation { host, cgroups };
        let decisions = tick(&mut state, &seen, policies, budgets, now);
        prop_assert_eq!(decisions.len(), seen.cgroups.len());
        recent.push(seen.cgroups.iter().map(|cgroup| cgroup.id).collect::<Vec<_>>());
        let remembered: HashSet<_> = recent.iter().rev().take(REMEMBERED).flatten().collect();
        prop_assert_eq!(state.len(), remembered.len(), "nobody is remembered for longer");
        for (decision, cgroup) in decisions.iter().zip(&seen.cgroups) {
            prop_assert_eq!(decision.id, cgroup.id);
            figures_are_finite(decision)?;
            allowed(decision, cgroup, &policies[cgroup.policy], &seen.host)?;
        }
        within_swap(&decisions, &seen.host, budgets)?;
        asked.forget_vanished(&seen.cgroups);
        for (decision, cgroup) in decisions.iter().zip(&seen.cgroups) {
            let limit = cgroup.memory.footprint().scale(policies[cgroup.policy].limits.per_minute);
            let (amount, minute) = asked.note(decision, now);
            let watch = effects == Effects::AsAsked && !amount.is_zero();
            prop_assert!(!watch || minute <= limit, "{minute} within a minute, limit {limit}");
        }
    }
    Ok(asked.total)
}

/// What was asked for, of each cgroup.
#[derive(Default)]
struct Asked {
    last: HashMap<CgroupId, Vec<(Duration, Bytes)>>,
    unconfirmed: HashMap<CgroupId, Bytes>,
    total: Bytes,
}

impl Asked {
    /// A request that is still in flight is confirmed when it is not any more.
    fn confirm(&mut self, cgroups: &mut [CgroupObservation]) {
        for cgroup in cgroups {
            cgroup.effects.clear();
            if cgroup.pending.is_any() {
                continue;
            }
            if let Some(requested) = self.unconfirmed.remove(&cgroup.id) {
                cgroup.effects.push(Effect { requested, freed: requested, ..Effect::default() });
            }
        }
    }

    /// A cgroup that was not seen is a new one when it comes back.
    fn forget_vanished(&mut self, cgroups: &[CgroupObservation]) {
        let is_there = |id: &CgroupId| cgroups.iter().any(|cgroup| cgroup.id == *id);
        self.last.retain(|id, _| is_there(id));
        self.unconfirmed.retain(|id, _| is_there(id));
    }

    /// Returns what is asked now, and within the last minute.
    fn note(&mut self, decision: &Decision, now: Duration) -> (Bytes, Bytes) {
        let Action::Reclaim { amount, .. } = decision.action else { return (Bytes::ZERO, Bytes::ZERO) };
        self.total += amount;
        self.unconfirmed.insert(decision.id, amount);
        let last = self.last.entry(decision.id).or_default();
        last.push((now, amount));
        last.retain(|(at, _)| now.saturating_sub(*at) < MINUTE);
        (amount, last.iter().map(|(_, amount)| *amount).sum())
    }
}

fn figures_are_finite(decision: &Decision) -> TestCaseResult {
    let figures = &decision.figures;
    let optional = [figures.memory_pressure, figures.memory_pressure_minute, figures.io_pressure];
    let shares =
        [figures.promotion_rate, figures.accuracy, figures.headroom, figures.price, figures.reclaim_cpu];
    for share in optional.into_iter().flatten().chain(shares) {
        prop_assert!(share.get().is_finite(), "{figures:?}");
    }
    for share in [figures.accuracy, figures.headroom, figures.price] {
        prop_assert!(share.get() <= 1.0, "{figures:?}");
    }
    Ok(())
}

/// What a single request may be.
fn allowed(
    decision: &Decision,
    cgroup: &CgroupObservation,
    policy: &Policy,
    host: &HostObservation,
) -> TestCaseResult {
    let Action::Reclaim { amount, scope } = decision.action else { return Ok(()) };
    let memory = &cgroup.memory;
    prop_assert!(policy.mode != Mode::Observe);
    prop_assert!(cgroup.populated && !cgroup.opted_out && !cgroup.pending.is_any() && !cgroup.alarm);
    prop_assert!(amount >= Bytes::kib(128), "{amount}");
    let protected = policy.limits.floor.max(memory.min).max(memory.low);
    prop_assert!(amount <= memory.current - protected, "{amount} of {}", memory.current);
    match scope {
        Scope::Any | Scope::Anon => {
            prop_assert!(policy.mode == Mode::Full && decision.file_only.is_none());
            let used = memory.swap_current.unwrap_or_default();
            prop_assert!(memory.swap_max.is_none_or(|max| amount <= max.room(used)));
            prop_assert!(memory.above.swap.is_none_or(|room| amount <= room));
        }
        Scope::Demote => {
            prop_assert!(
                policy.mode == Mode::Full && decision.figures.idle.is_some_and(|idle| amount <= idle)
            );
            prop_assert!(host.slow_nodes().is_some_and(|nodes| amount <= nodes.free));
            prop_assert!(amount <= memory.current - memory.demoted().total());
        }
        Scope::Sink => {
            prop_assert!(policy.mode == Mode::Full && host.swap().is_some());
            prop_assert!(decision.figures.sinkable.is_some_and(|sinkable| amount <= sinkable));
            let used = memory.swap_current.unwrap_or_default();
            prop_assert!(memory.swap_max.is_none_or(|max| amount <= max.room(used)));
            prop_assert!(memory.above.swap.is_none_or(|room| amount <= room));
            prop_assert!(amount <= memory.demoted().anon);
        }
        Scope::File => {
            let kernel_sees_to_it =
                host.swap().is_none() || memory.swap_max.is_some_and(|max| max.bytes().is_zero());
            prop_assert!(host.reclaim_takes_swappiness || kernel_sees_to_it);
            let mapped = memory.stat.file_mapped - memory.stat.shmem;
            let nothing_else = policy.mode == Mode::File || host.swap().is_none();
            let stays = if nothing_else { mapped.min(Bytes::mib(4)) } else { mapped };
            prop_assert!(amount <= memory.stat.inactive_file + memory.stat.active_file - stays);
        }
    }
    Ok(())
}

/// What one tick asks for altogether.
fn within_swap(decisions: &[Decision], host: &HostObservation, budgets: &Budgets) -> TestCaseResult {
    let anonymous: Bytes = decisions
        .iter()
        .map(|decision| match decision.action {
            Action::Reclaim { amount, scope: Scope::Any | Scope::Anon | Scope::Sink } => amount,
            _ => Bytes::ZERO,
        })
        .sum();
    let room = host.swap().map_or(Bytes::ZERO, |swap| swap.free - swap.total.scale(budgets.swap_reserve));
    prop_assert!(anonymous <= room, "{anonymous} into {room}");
    let is_why = |decision: &Decision| {
        decision.reason == Reason::ScanPressure || decision.file_only == Some(Reason::ScanPressure)
    };
    let under_scan_pressure = decisions.iter().any(is_why);
    prop_assert!(!under_scan_pressure || anonymous.is_zero(), "{anonymous} under scan pressure");
    Ok(())
}

proptest! {
    // A sequence is a few hundred observations: many inputs in each case.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_seen(sequence in sequence(), policies in policies(), budgets in budgets()) {
        check(sequence, &policies, &budgets, Effects::Any)?;
    }

    #[test]
    fn whatever_is_seen_while_requests_do_as_asked(
        sequence in sequence(),
        policies in policies(),
        budgets in budgets(),
    ) {
        check(sequence, &policies, &budgets, Effects::AsAsked)?;
    }

    #[test]
    fn the_same_twice(sequence in sequence(), policies in policies(), budgets in budgets()) {
        let run = || check(sequence.clone(), &policies, &budgets, Effects::AsAsked);
        prop_assert_eq!(run()?, run()?);
    }
}

/// Properties about requests prove nothing if the generator never leads to one.
#[test]
fn the_generator_leads_to_requests() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut with_requests = 0;
    for _ in 0..40 {
        let inputs = (sequence(), policies(), budgets()).new_tree(&mut runner).unwrap().current();
        let total = check(inputs.0, &inputs.1, &inputs.2, Effects::AsAsked).unwrap();
        with_requests += u32::from(!total.is_zero());
    }
    assert!(with_requests >= 20, "{with_requests} of 40 sequences lead to a request");
}
