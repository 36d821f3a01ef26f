//! How much may go: what price, headroom and what came of it want, within every bound.

use super::{Case, Refused, part::Part};
use crate::{
    cgroup_state::CgroupState,
    decision::{Figures, Reason},
    effect::Scope,
    history::MINUTE,
    mode::Mode,
    placement::SCARCE,
    room::{BATCH, Room},
    units::{Bytes, Ratio},
};

/// Where idle ages tell what is cold, a minute's share may go in half of the minute: nothing has to be
/// probed.
const KNOWN_COLD: Ratio = Ratio::new(2.0);

/// How much of which memory, and what bound it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) amount: Bytes,
    pub(super) scope: Scope,
    pub(super) bound: Reason,
    pub(super) file_only: Option<Reason>,
}

impl Step {
    pub(super) fn at_most(self, limit: Bytes, bound: Reason) -> Self {
        if limit < self.amount { Self { amount: limit, bound, ..self } } else { self }
    }
}

/// What is promised to this cgroup is gone for the next.
pub(super) fn grant(step: Step, state: &mut CgroupState, room: &mut Room) -> Step {
    *state.credit(step.scope) = Bytes::ZERO;
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

/// The price rises only where the tenant itself lets the pace be what it is: one that rose during an hour of
/// holding for some other reason would say nothing about the tenant.
pub(super) fn paced_by_price(outcome: &Result<Step, Refused>) -> bool {
    match outcome {
        Ok(step) => step.bound != Reason::Ageing,
        Err((reason, _)) => matches!(
            reason,
            Reason::StepTooSmall
                | Reason::PerMinute
                | Reason::ObserveMode
                | Reason::NothingCold
                | Reason::NotWorthIt
        ),
    }
}

impl Case<'_> {
    pub(super) fn step(
        &self,
        state: &mut CgroupState,
        figures: &mut Figures,
        room: &mut Room,
    ) -> Result<Step, Refused> {
        let (first, second) = match self.by_node(state, room) {
            Some(part) => (part.map_err(|reason| (reason, None))?, None),
            None => self.parts(state, room)?,
        };
        let part = self.turn_of(first, second, state, figures);
        let Part { scope, cold, rest, file_only } = part;
        let refuse = |reason| (reason, file_only);
        figures.wanted = *state.credit(scope);
        let step = Step { amount: figures.wanted, scope, bound: Reason::Headroom, file_only };
        let step = self.within_room(self.bounded(step, figures), room).at_most(cold, rest);
        let observes = self.policy.mode == Mode::Observe;
        if step.amount < BATCH && step.bound == Reason::Headroom && !observes {
            return Err(refuse(Reason::StepTooSmall));
        }
        // What a bound took away is not saved up: when it lifts, the pace starts from nothing.
        *state.credit(scope) = Bytes::ZERO;
        match step.bound {
            Reason::Headroom if observes => Err(refuse(Reason::ObserveMode)),
            bound if step.amount < BATCH => Err(refuse(bound)),
            _ if observes => Err(refuse(Reason::ObserveMode)),
            _ => Ok(grant(step, state, room)),
        }
    }

    /// Saves up for each of them, and takes the one for which there is more.
    fn turn_of(&self, first: Part, second: Option<Part>, state: &mut CgroupState, figures: &Figures) -> Part {
        let mut due = |part: &Part| {
            let wanted = self.wanted(figures, state, part.scope);
            let credit = state.credit(part.scope);
            *credit = (*credit + wanted).min(figures.minute_left.max(wanted));
            (*credit).min(part.cold)
        };
        let of_first = due(&first);
        second.filter(|second| due(second) > of_first).unwrap_or(first)
    }

    /// A share of the fastest pace that the policy allows, for the time since the last tick.
    fn wanted(&self, figures: &Figures, state: &CgroupState, scope: Scope) -> Bytes {
        let minutes = Ratio::new(self.elapsed.min(MINUTE).as_secs_f64() / MINUTE.as_secs_f64());
        // Of a cgroup with next to no anonymous memory ages would tell nothing.
        let known = self.cold(state).is_some() || self.cgroup.memory.has_little_anonymous();
        let minutes = if known { minutes.of(KNOWN_COLD) } else { minutes };
        let minutes = if state.asked_first { minutes.of(SCARCE) } else { minutes };
        // Where the kernel takes what it likes, as much as the worse of the two allows.
        let by_file = scope.is_file() || (scope == Scope::Any && figures.file.pace < figures.anon.pace);
        let gain = if by_file { figures.file } else { figures.anon };
        let precise = figures.precision.filter(|_| !scope.is_file()).unwrap_or(Ratio::ONE);
        let eagerness = figures.price.of(figures.headroom).of(gain.stayed).of(gain.pace).of(precise);
        self.cgroup.memory.takeable().scale(self.policy.limits.per_minute.of(minutes).of(eagerness))
    }
}
