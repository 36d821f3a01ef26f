//! Pressure triggers: the kernel's own alarm for a sudden rise, faster than any tick.
//!
//! A trigger costs the kernel a thread per cgroup (kernel/sched/psi.c, psi_trigger_create), so one is armed
//! only when lowtide first reclaims from a cgroup, and goes with the cgroup.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use lowtide_cgroup::Cgroup;
use lowtide_core::{CgroupId, Ratio, Slo, share::names};
use lowtide_psi::{ArmError, Kind, Resource, Trigger};
use tokio::{io::Interest, sync::mpsc, task::AbortHandle};

use crate::descriptor;

/// The window of a trigger: with it, a rise is told within a second, on every kernel. Without
/// CAP_SYS_RESOURCE the kernel takes multiples of 2 s only.
pub(crate) const WINDOW: Duration = Duration::from_secs(1);

/// A sudden rise is this many times what the SLO allows on average.
const SUDDEN: f64 = 10.0;
/// Not less, lest a handful of faults raise the alarm; not more, lest nothing does.
const LEAST: Duration = Duration::from_millis(20);
const MOST: Duration = Duration::from_millis(500);

/// The stall within [`WINDOW`] that counts as sudden for a tenant with this SLO.
#[must_use]
pub(crate) fn threshold(slo: &Slo) -> Duration {
    let share = Ratio::new(slo.memory_pressure.get() * SUDDEN).clamped();
    WINDOW.mul_f64(share.get()).clamp(LEAST, MOST)
}

/// A trigger that fired, or that is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alarm {
    /// The cgroup.
    pub(crate) id: CgroupId,
    /// `false` if the cgroup is gone: the trigger can be forgotten.
    pub(crate) fired: bool,
}

/// Each trigger costs a kernel thread, with its stack: beyond so many, the interval and the counters that are
/// read between two chunks of a request say when to stop.
const MOST_ARMED: usize = 256;
/// What has not been asked for anything for so long needs its trigger less than what is asked now.
const UNUSED: Duration = Duration::from_mins(2);

/// All armed triggers.
#[derive(Debug)]
pub(crate) struct Triggers {
    armed: HashMap<CgroupId, Armed>,
    alarms: mpsc::UnboundedSender<Alarm>,
}

#[derive(Debug)]
struct Armed {
    threshold: Duration,
    path: Arc<str>,
    /// When its cgroup was asked for something last.
    asked: Duration,
    task: AbortHandle,
}

impl Triggers {
    /// No triggers yet; alarms are sent to `alarms`.
    #[must_use]
    pub(crate) fn new(alarms: mpsc::UnboundedSender<Alarm>) -> Self {
        Self { armed: HashMap::new(), alarms }
    }

    /// Arms a trigger for `cgroup`, which is asked for something `now`, unless one is armed with the same
    /// threshold. Where there are as many as there may be, another one gives way, if it needs its own less;
    /// else there is none.
    pub(crate) fn arm(&mut self, cgroup: &Cgroup, slo: &Slo, now: Duration) -> Result<(), ArmError> {
        let stall = threshold(slo);
        if let Some(armed) = self.armed.get_mut(&cgroup.id()) {
            armed.asked = now;
            if armed.threshold == stall {
                return Ok(());
            }
        }
        let is_new = !self.armed.contains_key(&cgroup.id());
        let other = (is_new && self.armed.len() >= MOST_ARMED).then(|| self.gives_way(cgroup.path(), now));
        if other == Some(None) {
            return Ok(());
        }
        let arm = |stall, window| {
            Trigger::arm(cgroup.dir(), Resource::Memory.cgroup_file(), Kind::Some, stall, window)
        };
        let trigger = match arm(stall, WINDOW) {
            Err(ArmError::NotPermitted { .. }) => arm(stall * 2, WINDOW * 2)?,
            other => other?,
        };
        if let Some(other) = other.flatten() {
            self.disarm(other);
        }
        let task = tokio::spawn(watch(trigger, cgroup.id(), self.alarms.clone())).abort_handle();
        let armed = Armed { threshold: stall, path: Arc::clone(cgroup.path()), asked: now, task };
        if let Some(before) = self.armed.insert(cgroup.id(), armed) {
            before.task.abort();
        }
        Ok(())
    }

    /// A request to the cgroup has not ended: it needs its trigger.
    pub(crate) fn needs(&mut self, id: CgroupId, now: Duration) {
        if let Some(armed) = self.armed.get_mut(&id) {
            armed.asked = now;
        }
    }

    /// Whose trigger goes to the cgroup at `path`: the one that has not been used for the longest, if it is
    /// not used any more; else, at the first level at which a neighbour on the way there has more than its
    /// share, one of the neighbour's.
    fn gives_way(&self, path: &str, now: Duration) -> Option<CgroupId> {
        let mut among: Vec<_> = self.armed.iter().map(|(id, armed)| (*id, armed)).collect();
        let (unused, armed) = oldest(&among)?;
        if now.saturating_sub(armed.asked) >= UNUSED {
            return Some(unused);
        }
        for (level, own) in names(path).enumerate() {
            let name = |armed: &Armed| names(&armed.path).nth(level).map(str::to_owned);
            let mut counts: BTreeMap<Option<String>, usize> = BTreeMap::new();
            for (_, armed) in &among {
                *counts.entry(name(armed)).or_default() += 1;
            }
            let own = Some(own.to_owned());
            let here = counts.get(&own).copied().unwrap_or(0);
            let (most, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
            // One less of theirs is still as many as there will be here.
            let gives = count > here + 1;
            let wanted = if gives { most } else { own };
            among.retain(|(_, armed)| name(armed) == wanted);
            if gives {
                return oldest(&among).map(|(id, _)| id);
            }
        }
        None
    }

    /// Disarms the trigger of a cgroup that is gone.
    pub(crate) fn disarm(&mut self, id: CgroupId) {
        if let Some(armed) = self.armed.remove(&id) {
            armed.task.abort();
        }
    }

    /// Disarms every trigger of a cgroup that is not among `alive`.
    pub(crate) fn retain(&mut self, alive: &HashSet<CgroupId>) {
        let gone: Vec<_> = self.armed.keys().filter(|id| !alive.contains(id)).copied().collect();
        for id in gone {
            self.disarm(id);
        }
    }
}

impl Drop for Triggers {
    fn drop(&mut self) {
        self.armed.values().for_each(|armed| armed.task.abort());
    }
}

/// The one that has not been used for the longest.
fn oldest<'a>(armed: &[(CgroupId, &'a Armed)]) -> Option<(CgroupId, &'a Armed)> {
    armed.iter().min_by_key(|(_, armed)| armed.asked).copied()
}

/// Sends an alarm at each event, until the cgroup is gone.
///
/// The kernel tells of an event once a window at most, so this cannot spin; but a removed cgroup reports an
/// error for ever, so the first error ends it.
async fn watch(trigger: Trigger, id: CgroupId, alarms: mpsc::UnboundedSender<Alarm>) {
    let interest = Interest::PRIORITY | Interest::ERROR;
    let descriptor = match descriptor::register(trigger, interest) {
        Ok(descriptor) => descriptor,
        Err(error) => {
            tracing::warn!(%error, "a pressure trigger cannot be watched: relying on the interval alone");
            let _ = alarms.send(Alarm { id, fired: false });
            return;
        }
    };
    loop {
        let Ok(mut guard) = descriptor.ready(interest).await else { return };
        // epoll has asked the kernel already, and with that taken the event (psi_trigger_poll clears it): a
        // poll of our own would find nothing.
        let ready = guard.ready();
        guard.clear_ready();
        let fired = !ready.is_error();
        if fired && !ready.is_priority() {
            continue;
        }
        if alarms.send(Alarm { id, fired }).is_err() || !fired {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where tenants may be.
    const PARENTS: [&str; 3] = ["", "/system.slice", "/kubepods.slice/burstable"];

    /// With `count` armed triggers of `many`, asked for something at `asked`.
    fn triggers(parent: &str, count: u64, asked: u64) -> Triggers {
        let mut triggers = Triggers::new(mpsc::unbounded_channel().0);
        (0..count).for_each(|number| add(&mut triggers, number, &format!("{parent}/many"), asked + number));
        triggers
    }

    fn add(triggers: &mut Triggers, id: u64, parent: &str, asked: u64) {
        let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
        let asked = Duration::from_millis(asked);
        let armed = Armed { threshold: LEAST, path: format!("{parent}/{id}").into(), asked, task };
        triggers.armed.insert(CgroupId(id), armed);
    }

    /// Kind 2: all of them went to whoever came first, and stayed.
    #[tokio::test]
    async fn triggers_go_where_reclaim_is() {
        for parent in PARENTS {
            let triggers = triggers(parent, 256, 1000);
            let (own, other) = (format!("{parent}/many/new"), format!("{parent}/few/new"));
            let later = Duration::from_secs(1) + UNUSED;
            assert_eq!(triggers.gives_way(&own, later), Some(CgroupId(0)), "not used for long");
            let now = Duration::from_secs(2);
            assert_eq!(triggers.gives_way(&own, now), None, "all are in use, and they are its own");
            assert_eq!(triggers.gives_way(&other, now), Some(CgroupId(0)), "beyond its share");
        }
    }

    #[tokio::test]
    async fn subtrees_come_to_the_same_share() {
        for parent in PARENTS {
            let mut triggers = triggers(parent, 256, 0);
            let now = Duration::from_secs(2);
            let mut given = 0;
            for number in 1000..2000 {
                let few = format!("{parent}/few");
                let Some(other) = triggers.gives_way(&format!("{few}/{number}"), now) else { break };
                triggers.disarm(other);
                add(&mut triggers, number, &few, 2000);
                given += 1;
            }
            assert_eq!(given, 128, "{parent}");
            assert_eq!(triggers.gives_way(&format!("{parent}/many/x"), now), None, "nor is it taken back");
        }
    }

    #[test]
    fn the_threshold_follows_the_slo_within_bounds() {
        let at = |percent| threshold(&Slo { memory_pressure: Ratio::percent(percent), ..Slo::default() });
        assert_eq!(at(0.01), LEAST);
        assert_eq!(at(0.5), Duration::from_millis(50));
        assert_eq!(at(50.0), MOST);
    }
}
