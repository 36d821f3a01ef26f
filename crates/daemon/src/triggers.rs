//! Pressure triggers: the kernel's own alarm for a sudden rise, faster than any tick.
//!
//! A trigger costs the kernel a thread per cgroup (kernel/sched/psi.c, psi_trigger_create), so one is armed only when
//! lowtide first reclaims from a cgroup, and goes with the cgroup.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use lowtide_cgroup::Cgroup;
use lowtide_core::{CgroupId, Ratio, Slo};
use lowtide_psi::{ArmError, Kind, Resource, Trigger};
use tokio::{io::Interest, sync::mpsc, task::AbortHandle};

use crate::descriptor;

/// The window of a trigger: with it, a rise is told within a second, on every kernel. Without CAP_SYS_RESOURCE the
/// kernel takes multiples of 2 s only.
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

/// Each trigger costs a kernel thread, with its stack: beyond so many, the interval and the counters that are read
/// between two chunks of a request say when to stop.
const MOST_ARMED: usize = 256;

/// All armed triggers.
#[derive(Debug)]
pub(crate) struct Triggers {
    armed: HashMap<CgroupId, (Duration, AbortHandle)>,
    alarms: mpsc::UnboundedSender<Alarm>,
}

impl Triggers {
    /// No triggers yet; alarms are sent to `alarms`.
    #[must_use]
    pub(crate) fn new(alarms: mpsc::UnboundedSender<Alarm>) -> Self {
        Self { armed: HashMap::new(), alarms }
    }

    /// Arms a trigger for `cgroup`, unless one is armed with the same threshold.
    pub(crate) fn arm(&mut self, cgroup: &Cgroup, slo: &Slo) -> Result<(), ArmError> {
        let stall = threshold(slo);
        let known = self.armed.get(&cgroup.id());
        if known.is_some_and(|(armed, _)| *armed == stall)
            || (known.is_none() && self.armed.len() >= MOST_ARMED)
        {
            return Ok(());
        }
        let arm = |stall, window| {
            Trigger::arm(cgroup.dir(), Resource::Memory.cgroup_file(), Kind::Some, stall, window)
        };
        let trigger = match arm(stall, WINDOW) {
            Err(ArmError::NotPermitted { .. }) => arm(stall * 2, WINDOW * 2)?,
            other => other?,
        };
        let task = tokio::spawn(watch(trigger, cgroup.id(), self.alarms.clone()));
        if let Some((_, before)) = self.armed.insert(cgroup.id(), (stall, task.abort_handle())) {
            before.abort();
        }
        Ok(())
    }

    /// Disarms the trigger of a cgroup that is gone.
    pub(crate) fn disarm(&mut self, id: CgroupId) {
        if let Some((_, task)) = self.armed.remove(&id) {
            task.abort();
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
        self.armed.values().for_each(|(_, task)| task.abort());
    }
}

/// Sends an alarm at each event, until the cgroup is gone.
///
/// The kernel tells of an event once a window at most, so this cannot spin; but a removed cgroup reports an error for
/// ever, so the first error ends it.
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
        // epoll has asked the kernel already, and with that taken the event (psi_trigger_poll clears it): a poll of
        // our own would find nothing.
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

    #[test]
    fn the_threshold_follows_the_slo_within_bounds() {
        let at = |percent| threshold(&Slo { memory_pressure: Ratio::percent(percent), ..Slo::default() });
        assert_eq!(at(0.01), LEAST);
        assert_eq!(at(0.5), Duration::from_millis(50));
        assert_eq!(at(50.0), MOST);
    }
}
