//! What was saved, net: offloaded bytes less the DRAM that their tiers take for them.

mod meter;
mod origin;

use crate::{
    cgroup::Memory,
    compression::{Claim, Devices, OnDevices, on_devices, split},
    stored::Stored,
    tier::{Tier, TierId, TierKind},
    units::Bytes,
};

pub use meter::{Held, Meter};
pub use origin::{Origin, Origins};

/// One cgroup's share of one tier.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Placed {
    /// What kind of tier.
    pub kind: TierKind,
    /// Which one.
    pub device: TierId,
    /// Uncompressed bytes.
    pub bytes: Bytes,
    /// DRAM that the tier takes for them.
    pub resident: Bytes,
}

impl Placed {
    /// Kind and device of the tier: `zram /dev/zram0`.
    #[must_use]
    pub fn name(&self) -> String {
        self.device.name(self.kind)
    }

    /// Whether the cgroup has nothing there, and nothing is taken for it.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.bytes.is_zero() && self.resident.is_zero()
    }
}

/// Where a cgroup's offloaded bytes live.
///
/// zswap is accounted by the kernel for each cgroup, size and cost. For the swap devices the kernel tells
/// only how many slots a cgroup has on all of them together; `on_devices` says what of each kind is its own,
/// and devices of one kind have as much of it as they have of all. What is on a slower node frees as much
/// DRAM.
pub(crate) fn placement(memory: &Memory, tiers: &[Tier], on_devices: &OnDevices) -> Vec<Placed> {
    let place = |tier: &Tier| {
        let of_kind = || tiers.iter().filter(|other| is_like(other, tier));
        let part = |of: fn(&Tier) -> Bytes| of(tier).share_of(of_kind().map(of).sum());
        let stored = |own: Bytes| own.scale(part(|tier| tier.stored));
        let (bytes, resident) = match (tier.kind, &tier.above) {
            (TierKind::Node, _) => (memory.on_node(&tier.device).total(), Bytes::ZERO),
            (TierKind::Zswap, _) => {
                let stored = memory.stat.zswapped.unwrap_or_default().min(memory.offloaded());
                (stored, memory.zswap_current.unwrap_or_default())
            }
            (TierKind::Zram, _) => {
                (stored(on_devices.zram), on_devices.resident.scale(part(|tier| tier.resident)))
            }
            (TierKind::Disk, Some(_)) => (stored(on_devices.below), Bytes::ZERO),
            (TierKind::Disk, None) => (stored(on_devices.disks), Bytes::ZERO),
        };
        Placed { kind: tier.kind, device: tier.device.clone(), bytes, resident }
    };
    tiers.iter().map(place).collect()
}

/// As [`placement`], for a cgroup of which nothing is known: it has as much of each device as it has of all,
/// at the mean compression of that device.
pub(crate) fn even(memory: &Memory, tiers: &[Tier]) -> Vec<Placed> {
    let claim = Claim { bytes: on_devices(memory), mix: None };
    let found = split(&[claim], &Devices::of(tiers, &Stored::default()));
    placement(memory, tiers, &found.first().copied().unwrap_or_default())
}

/// Whether pages lie in both for the same reason.
fn is_like(a: &Tier, b: &Tier) -> bool {
    a.kind == b.kind && a.above.is_some() == b.above.is_some()
}

/// Offloaded bytes less the DRAM that is taken for them.
#[must_use]
pub fn net(placed: &[Placed]) -> Bytes {
    placed.iter().map(|part| part.bytes - part.resident).sum()
}

/// For the host: `saved` of all cgroups, less `own`, the daemon's own memory. May be negative: a daemon that
/// saved nothing has cost something.
#[must_use]
pub fn host_net(saved: Bytes, own: Bytes) -> i64 {
    saved.signed_sub(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::MemoryStat;

    fn tier(kind: TierKind, stored: u64, resident: u64) -> Tier {
        Tier {
            kind,
            device: kind.name().into(),
            priority: None,
            capacity: Bytes::mib(4096),
            used: Bytes::mib(stored),
            stored: Bytes::mib(stored),
            resident: Bytes::mib(resident),
            resident_limit: None,
            above: None,
        }
    }

    #[test]
    fn zram_costs_its_compressed_share() {
        let memory = Memory { swap_current: Some(Bytes::mib(100)), ..Memory::default() };
        let placed = even(&memory, &[tier(TierKind::Zram, 200, 50)]);
        assert_eq!(net(&placed), Bytes::mib(75));
    }

    #[test]
    fn what_sank_to_a_backing_device_is_saved_whole() {
        let memory = Memory { swap_current: Some(Bytes::mib(100)), ..Memory::default() };
        let below = Tier { above: Some("zram".into()), ..tier(TierKind::Disk, 150, 0) };
        let placed = even(&memory, &[tier(TierKind::Zram, 50, 25), below]);
        assert_eq!(placed.iter().map(|part| part.bytes).collect::<Vec<_>>(), [25, 75].map(Bytes::mib));
        assert_eq!(net(&placed), Bytes::mib(87) + Bytes::kib(512));
    }

    #[test]
    fn zswap_is_taken_from_the_cgroup_itself_and_not_counted_on_the_disk_under_it() {
        let memory = Memory {
            swap_current: Some(Bytes::mib(100)),
            zswap_current: Some(Bytes::mib(20)),
            stat: MemoryStat { zswapped: Some(Bytes::mib(60)), ..MemoryStat::default() },
            ..Memory::default()
        };
        let placed = even(&memory, &[tier(TierKind::Zswap, 600, 200), tier(TierKind::Disk, 40, 0)]);
        assert_eq!(placed[0].bytes, Bytes::mib(60));
        assert_eq!(placed[1].bytes, Bytes::mib(40));
        assert_eq!(net(&placed), Bytes::mib(80));
    }

    #[test]
    fn pages_that_are_in_dram_too_are_not_saved() {
        let memory = Memory {
            swap_current: Some(Bytes::mib(100)),
            stat: MemoryStat { swap_cached: Some(Bytes::mib(30)), ..MemoryStat::default() },
            ..Memory::default()
        };
        assert_eq!(net(&even(&memory, &[tier(TierKind::Disk, 100, 0)])), Bytes::mib(70));
    }

    #[test]
    fn the_daemon_pays_for_itself() {
        assert_eq!(host_net(Bytes::mib(2), Bytes::mib(5)), -3 * (1 << 20));
    }
}
