//! One turn of the loop: what was seen becomes one decision for each cgroup.

mod bounds;
mod case;
mod nodes;
mod part;
mod sinking;
mod step;

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    cgroup::CgroupId,
    cgroup_state::{CgroupState, Turn},
    compression::{self, Claim, Devices},
    confinement::ZswapBound,
    decision::{Decision, Reason},
    effect::{Effect, Scope},
    observation::{CgroupObservation, HostObservation, Observation},
    placement,
    policy::{Budgets, Policy},
    room::BATCH,
    share::interleaved,
    state::State,
    units::Bytes,
};

use case::Case;
use step::Step;

/// Why nothing is asked for, and why not of anonymous memory.
type Refused = (Reason, Option<Reason>);

/// Decides for every cgroup of the observation.
///
/// `now` is any monotonic clock. Policies are looked up by [`CgroupObservation::policy`]; a cgroup with an
/// index beyond `policies` is left out. The returned decisions stand in the order of the observation.
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
    let slow_nodes = seen.host.slow_nodes().is_some();
    let turn = Turn { host: &seen.host, costs: &state.costs, swap, slow_nodes, now };
    let kept = compression::is_kept(&seen.host);
    let mut known = std::mem::take(&mut state.cgroups);
    let mut left_before = std::mem::take(&mut state.kept);
    let mut remembered = HashMap::with_capacity(seen.cgroups.len());
    let mut cases = Vec::with_capacity(seen.cgroups.len());
    for cgroup in &seen.cgroups {
        let Some(policy) = policies.get(cgroup.policy) else { continue };
        let mut memory = recall(&mut known, cgroup, policy, now);
        memory.origins = left_before.remove(&cgroup.id).unwrap_or(memory.origins);
        let elapsed = memory.learn(cgroup, policy, &turn);
        memory.compression.learn(&cgroup.effects, &cgroup.memory, now);
        room.reserve(memory.promised);
        room.missing = room.missing - memory.promised;
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
    // One whose files could not be read this time, or that was no target for a turn, keeps what was learnt of
    // it.
    known.retain(|_, memory| {
        memory.absent = memory.absent.saturating_add(1);
        memory.absent <= LONGEST_ABSENCE
    });
    remembered.extend(known);
    split(&mut remembered, &seen.host);
    state.cgroups = remembered;
    state.turn = state.turn.wrapping_add(1);
    let paths: Vec<&str> = cases.iter().map(|case| &*case.cgroup.path).collect();
    let mut order = interleaved(&paths, state.turn);
    if room.missing >= BATCH {
        let cold = |place: &usize| {
            state.cgroups.get(&cases[*place].cgroup.id).map(|memory| cases[*place].long_idle(memory))
        };
        order.sort_by_cached_key(|place| std::cmp::Reverse(cold(place)));
    }
    let mut decisions: Vec<_> = order
        .into_iter()
        .filter_map(|place| {
            let case = &cases[place];
            let memory = state.cgroups.get_mut(&case.cgroup.id)?;
            memory.asked_first = room.missing >= BATCH && case.long_idle(memory) >= BATCH;
            case.place(memory, &offers);
            memory.sinking = case.sinking(memory);
            let decision = case.decide(memory, &mut room);
            let nobody = !case.cgroup.populated;
            memory.offloaded = if nobody { Bytes::ZERO } else { case.cgroup.memory.offloaded() };
            Some((place, decision))
        })
        .collect();
    decisions.sort_unstable_by_key(|(place, _)| *place);
    state.host.settle(&room);
    decisions.into_iter().map(|(_, decision)| decision).collect()
}

/// Says of every cgroup what of the swap devices is its own.
fn split(cgroups: &mut HashMap<CgroupId, Box<CgroupState>>, host: &HostObservation) {
    let claims: Vec<Claim> = cgroups.values().map(|cgroup| cgroup.compression.claim()).collect();
    let found = compression::split(&claims, &Devices::of(&host.tiers, &host.zram));
    for (cgroup, on_devices) in cgroups.values_mut().zip(found) {
        cgroup.on_devices = on_devices;
    }
}

/// What was learnt under one policy is not held against a cgroup under another; the warm-up goes on.
fn recall(
    known: &mut HashMap<CgroupId, Box<CgroupState>>,
    cgroup: &CgroupObservation,
    policy: &Policy,
    now: Duration,
) -> Box<CgroupState> {
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
        None => Box::new(CgroupState::new(cgroup, policy, now)),
    }
}

/// So many turns without an observation are remembered.
const LONGEST_ABSENCE: u8 = 2;

/// What the kernel swapped out beyond what it was asked: it goes on scanning while pages are on their way to
/// a slow device and not yet counted as reclaimed.
///
/// That is up to as much again: with huge pages 128 MiB were seen to go where 68 were asked for. What is
/// more, the tenant has swapped out by itself at its own memory.max, and is not to spend what the others
/// have.
fn beyond_asked(cgroup: &CgroupObservation) -> Bytes {
    let beyond = |effect: &Effect| {
        let beyond = match effect.scope {
            // Nothing was to go to swap.
            Scope::Demote => effect.offloaded,
            _ => effect.offloaded - effect.requested,
        };
        beyond.min(effect.requested)
    };
    cgroup.effects.iter().map(beyond).sum()
}
