use std::{collections::VecDeque, time::Duration};

use super::{Moment, Reason, rest::Rest};
use crate::units::Bytes;

/// So many dying cgroups are a leak and no delay, and `lowtide doctor` finds them: the kernel frees them one
/// by one as their last pages go.
const MANY: u64 = 1000;
/// What was begun goes on down to this.
const FEW: u64 = MANY / 2;
/// Asked for in one step.
const STEP: Bytes = Bytes::mib(32);
/// Asked for in a minute, at most.
pub const RELEASED_A_MINUTE: Bytes = Bytes::mib(128);
/// After so much that released none it rests: a page of each of the many may be anywhere among it.
const IN_VAIN: Bytes = Bytes::mib(512);
/// A hundredth of them is progress; fewer may have gone by themselves.
const PART: u64 = 100;
/// Where no subtree may be asked, they are looked for again after so long: that walks all cgroups.
const NOWHERE: Duration = Duration::from_mins(1);
const MINUTE: Duration = Duration::from_mins(1);

/// What the kernel told at one moment, of the root of the hierarchy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DyingSeen {
    /// Removed cgroups that still own memory.
    pub dying: u64,
    /// Living ones.
    pub living: u64,
}

/// What is decided at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Releasing {
    /// Why.
    pub reason: Reason,
    /// What is asked for; nothing unless a step begins.
    pub amount: Bytes,
    /// Removed cgroups that still own memory.
    pub dying: u64,
    /// Living ones.
    pub living: u64,
    /// What may still be asked for in this minute.
    pub minute_left: Bytes,
}

/// When page cache is reclaimed to release dying cgroups.
#[derive(Debug, Clone, Default)]
pub struct DyingCgroups {
    is_treating: bool,
    /// The fewest since it began, or last rested.
    fewest: Option<u64>,
    /// Asked for since then.
    in_vain: Bytes,
    asked: VecDeque<(Duration, Bytes)>,
    rest: Rest,
    nowhere_until: Option<Duration>,
}

impl DyingCgroups {
    /// What is to be done now. `busy` while another piece of work is under way.
    pub fn decide(&mut self, seen: DyingSeen, moment: Moment, busy: bool, now: Duration) -> Releasing {
        while self.asked.front().is_some_and(|(at, _)| now.saturating_sub(*at) >= MINUTE) {
            self.asked.pop_front();
        }
        self.is_treating =
            if self.is_treating { seen.dying >= FEW } else { seen.dying >= MANY && seen.dying > seen.living };
        if self.is_treating {
            self.learn(seen.dying, now);
        } else {
            self.fewest = None;
        }
        let minute_left = RELEASED_A_MINUTE - self.asked.iter().map(|(_, amount)| *amount).sum();
        let objection = self.objection(moment, busy, minute_left, now);
        let (reason, amount) = objection.map_or((Reason::Dying, STEP), |reason| (reason, Bytes::ZERO));
        if !amount.is_zero() {
            self.asked.push_back((now, amount));
        }
        Releasing { reason, amount, dying: seen.dying, living: seen.living, minute_left }
    }

    fn learn(&mut self, dying: u64, now: Duration) {
        let Some(fewest) = self.fewest else {
            self.fewest = Some(dying);
            self.in_vain = Bytes::ZERO;
            return;
        };
        if dying + (fewest / PART).max(1) <= fewest {
            self.fewest = Some(dying);
            self.in_vain = Bytes::ZERO;
            self.rest = Rest::default();
        } else if self.in_vain >= IN_VAIN {
            self.rest.in_vain(now);
            // What is there when it has rested is what it begins with.
            self.fewest = Some(dying);
            self.in_vain = Bytes::ZERO;
        }
    }

    fn objection(&self, moment: Moment, busy: bool, left: Bytes, now: Duration) -> Option<Reason> {
        if !self.is_treating {
            Some(Reason::FewDying)
        } else if busy {
            Some(Reason::UnderWay)
        } else if !self.rest.is_over(now) {
            Some(Reason::NoProgress)
        } else if self.nowhere_until.is_some_and(|until| now < until) {
            Some(Reason::NoSubtree)
        } else if left < STEP {
            Some(Reason::MinuteSpent)
        } else {
            moment.objection()
        }
    }

    /// A step ended, and so much was asked for.
    pub fn ended(&mut self, requested: Bytes) {
        self.in_vain += requested;
    }

    /// A step found no subtree that may be asked.
    pub fn nowhere(&mut self, now: Duration) {
        self.nowhere_until = Some(now.saturating_add(NOWHERE));
    }
}

#[cfg(test)]
#[path = "dying_tests.rs"]
mod tests;
