//! What was saved over time: placements, added up turn by turn.

use std::{collections::BTreeMap, time::Duration};

use super::Placed;
use crate::units::{ByteTime, Bytes};

/// What was saved, and what it cost, while somebody looked.
///
/// What counts is what lies in swap or on slower nodes because lowtide asked for it
/// ([`Origins`](super::Origins)). What the kernel would have swapped out later by itself counts too: without
/// a group that is left alone nobody can tell it apart.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meter {
    /// For how long.
    pub watched: Duration,
    /// The daemon's own memory.
    pub own: ByteTime,
    /// What lay in the host's swap because somebody else put it there; in no other figure.
    #[serde(default)]
    pub others: ByteTime,
    /// By kind and device of the tier: `zram /dev/zram0`.
    pub tiers: BTreeMap<String, Held>,
    /// By policy.
    pub policies: BTreeMap<String, Held>,
    /// Kernel CPU spent on reclaim.
    pub reclaim_cpu: Duration,
    /// CPU of looking, deciding, and idle ages.
    pub watching_cpu: Duration,
    /// What was faulted back after it had been reclaimed.
    pub promoted: Bytes,
}

/// Memory that was kept elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Uncompressed.
    pub offloaded: ByteTime,
    /// DRAM that was taken for it.
    pub resident: ByteTime,
}

impl Held {
    fn add(&mut self, part: &Placed, time: Duration) {
        self.offloaded += ByteTime::of(part.bytes, time);
        self.resident += ByteTime::of(part.resident, time);
    }

    /// Offloaded less resident, GiB·h.
    #[must_use]
    pub fn net_gib_hours(self) -> f64 {
        self.offloaded.gib_hours() - self.resident.gib_hours()
    }
}

impl Meter {
    /// A turn: for `time`, the daemon itself had `own`, and `others` lay in swap that somebody else put
    /// there.
    pub fn turn(&mut self, time: Duration, own: Bytes, others: Bytes) {
        self.watched += time;
        self.own += ByteTime::of(own, time);
        self.others += ByteTime::of(others, time);
    }

    /// For `time`, memory of a cgroup under `policy` was where lowtide had `sent` it.
    pub fn hold(&mut self, time: Duration, policy: &str, sent: &[Placed]) {
        for part in sent.iter().filter(|part| !part.bytes.is_zero()) {
            entry(&mut self.policies, policy).add(part, time);
            entry(&mut self.tiers, &part.name()).add(part, time);
        }
    }

    /// All policies together.
    #[must_use]
    pub fn held(&self) -> Held {
        let mut sum = Held::default();
        for held in self.policies.values() {
            sum.offloaded += held.offloaded;
            sum.resident += held.resident;
        }
        sum
    }

    /// Offloaded, less what the tiers took for it, less the daemon's own memory; GiB·h. Negative if lowtide
    /// took more than it gave.
    #[must_use]
    pub fn net_gib_hours(&self) -> f64 {
        self.held().net_gib_hours() - self.own.gib_hours()
    }

    /// Whether every figure is one that can have been added up.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let held = self.tiers.values().chain(self.policies.values());
        self.own.is_sound()
            && self.others.is_sound()
            && held.into_iter().all(|held| held.offloaded.is_sound() && held.resident.is_sound())
    }
}

fn entry<'a>(parts: &'a mut BTreeMap<String, Held>, name: &str) -> &'a mut Held {
    parts.entry(name.to_owned()).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::TierKind;

    fn placed(kind: TierKind, bytes: u64, resident: u64) -> Placed {
        Placed { kind, device: kind.name().into(), bytes: Bytes::mib(bytes), resident: Bytes::mib(resident) }
    }

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn net_is_what_is_left_when_tiers_and_daemon_are_paid() {
        let mut meter = Meter::default();
        let parts = [placed(TierKind::Zram, 1024, 256), placed(TierKind::Disk, 512, 0)];
        for policy in ["web", "batch"] {
            meter.hold(HOUR, policy, &parts);
        }
        meter.turn(HOUR, Bytes::mib(512), Bytes::mib(300));
        assert!((meter.net_gib_hours() - 2.0).abs() < 1e-9, "{}", meter.net_gib_hours());
        assert!((meter.policies["web"].net_gib_hours() - 1.25).abs() < 1e-9);
        assert!((meter.tiers["zram zram"].net_gib_hours() - 1.5).abs() < 1e-9);
        assert!((meter.tiers["disk disk"].net_gib_hours() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_daemon_that_saves_nothing_costs_something() {
        let mut meter = Meter::default();
        meter.turn(HOUR, Bytes::mib(1024), Bytes::ZERO);
        meter.hold(HOUR, "web", &[placed(TierKind::Zram, 0, 0)]);
        assert!((meter.net_gib_hours() + 1.0).abs() < 1e-9);
        assert!(meter.policies.is_empty() && meter.is_sound());
    }
}
