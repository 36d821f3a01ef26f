//! What lowtide did to each cgroup so far, and why: the counters behind metrics, and the last decisions for
//! `explain`.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use lowtide_core::{Bytes, CgroupId, Decision, Effect};

/// Decisions kept for each cgroup; repetitions of the same one count as one.
const KEPT: usize = 16;
/// Working sets kept for each cgroup, one a minute: an hour.
const WORKING_SETS: usize = 60;
/// Time from one kept working set to the next.
const APART: Duration = Duration::from_mins(1);

/// The accounts of all cgroups that are observed now. A cgroup that is gone takes its account with it, so
/// that neither memory nor the number of metric series grows with the cgroups that ever were.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Shared with the view of the last turn, which is let go before the next one writes here.
    accounts: HashMap<CgroupId, Arc<Account>>,
}

/// One cgroup's account.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Account {
    /// Asked of the kernel.
    pub requested: Bytes,
    /// What really left DRAM.
    pub effective: Bytes,
    /// Kernel CPU that it took.
    pub reclaim_cpu: Duration,
    /// Decisions by action and reason.
    #[serde(skip)]
    pub decisions: BTreeMap<(&'static str, &'static str), u64>,
    /// The last decisions, newest last.
    pub recent: VecDeque<Entry>,
    /// The last request's effect.
    pub last_effect: Option<Effect>,
    /// The working set over the last hour, newest last.
    pub working_sets: VecDeque<WorkingSet>,
}

/// A working set at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct WorkingSet {
    /// Time since the daemon's start.
    pub at: Duration,
    /// Bytes in DRAM that were touched within cold_after.
    pub size: Bytes,
}

/// A decision and how often it was repeated.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Entry {
    /// Time since the daemon's start of the first of them.
    pub since: Duration,
    /// How many ticks in a row.
    pub ticks: u64,
    /// Asked for in all of them together.
    pub asked: Bytes,
    /// The last of them.
    pub decision: Decision,
}

impl Ledger {
    /// Takes in one tick's decisions.
    pub fn decided(&mut self, decisions: &[Decision], now: Duration) {
        for decision in decisions {
            Arc::make_mut(self.accounts.entry(decision.id).or_default()).decided(decision, now);
        }
    }

    /// Takes in what a request did.
    pub fn took_effect(&mut self, id: CgroupId, effect: &Effect) {
        let Some(account) = self.accounts.get_mut(&id).map(Arc::make_mut) else { return };
        account.requested += effect.requested;
        account.effective += effect.freed.max(effect.offloaded).max(effect.demoted);
        account.reclaim_cpu += effect.cpu;
        account.last_effect = Some(effect.clone());
    }

    /// Takes in how much of a cgroup is in use.
    pub fn works_in(&mut self, id: CgroupId, size: Bytes, now: Duration) {
        let Some(account) = self.accounts.get_mut(&id).map(Arc::make_mut) else { return };
        let sets = &mut account.working_sets;
        if sets.back().is_some_and(|last| now < last.at + APART) {
            return;
        }
        sets.push_back(WorkingSet { at: now, size });
        if sets.len() > WORKING_SETS {
            sets.pop_front();
        }
    }

    /// Forgets every cgroup that is not among `alive`.
    pub fn retain(&mut self, alive: &HashSet<CgroupId>) {
        self.accounts.retain(|id, _| alive.contains(id));
    }

    /// One cgroup's account.
    #[must_use]
    pub fn account(&self, id: CgroupId) -> Option<&Arc<Account>> {
        self.accounts.get(&id)
    }
}

impl Account {
    fn decided(&mut self, decision: &Decision, now: Duration) {
        *self.decisions.entry((decision.action.name(), decision.reason.name())).or_default() += 1;
        let asked = match decision.action {
            lowtide_core::Action::Reclaim { amount, .. } => amount,
            lowtide_core::Action::Hold => Bytes::ZERO,
        };
        if let Some(last) = self.recent.back_mut().filter(|last| last.is_like(decision)) {
            last.ticks += 1;
            last.asked += asked;
            last.decision = decision.clone();
            return;
        }
        // Before, so that there never is one more: it would take twice the room.
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(Entry { since: now, ticks: 1, asked, decision: decision.clone() });
    }
}

impl Entry {
    fn is_like(&self, other: &Decision) -> bool {
        let mine = &self.decision;
        (mine.action.name(), mine.reason, mine.file_only)
            == (other.action.name(), other.reason, other.file_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_core::{Action, Figures, Reason};

    fn decision(reason: Reason) -> Decision {
        Decision {
            id: CgroupId(1),
            path: "/a".into(),
            policy: "p".into(),
            action: Action::Hold,
            reason,
            file_only: None,
            figures: Figures::default(),
        }
    }

    #[test]
    fn repetitions_are_one_entry_and_the_dead_are_forgotten() {
        let mut ledger = Ledger::default();
        for second in 0..5 {
            ledger.decided(&[decision(Reason::WarmingUp)], Duration::from_secs(second));
        }
        ledger.decided(&[decision(Reason::Floor)], Duration::from_secs(5));
        let account = ledger.account(CgroupId(1)).unwrap();
        assert_eq!(account.recent.iter().map(|entry| entry.ticks).collect::<Vec<_>>(), [5, 1]);
        assert_eq!(account.decisions[&("hold", "warming_up")], 5);
        ledger.retain(&HashSet::new());
        assert!(ledger.account(CgroupId(1)).is_none());
        ledger.took_effect(CgroupId(1), &Effect::default());
        assert!(ledger.account(CgroupId(1)).is_none(), "an effect that arrives late opens no account");
    }

    #[test]
    fn the_past_is_bounded() {
        let mut ledger = Ledger::default();
        for turn in 0..1000 {
            let reason = if turn % 2 == 0 { Reason::Floor } else { Reason::Headroom };
            ledger.decided(&[decision(reason)], Duration::from_secs(turn));
        }
        assert_eq!(ledger.account(CgroupId(1)).unwrap().recent.len(), KEPT);
    }
}
