//! What was saved, net: offloaded bytes less the DRAM that their tiers take for them.

mod meter;

use std::sync::Arc;

use crate::{
    observation::{Memory, Tier, TierKind},
    units::{Bytes, Ratio},
};

pub use meter::{Held, Meter};

/// One cgroup's share of one tier.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Placed {
    /// What kind of tier.
    pub kind: TierKind,
    /// Which one.
    pub device: Arc<str>,
    /// Uncompressed bytes.
    pub bytes: Bytes,
    /// DRAM that the tier takes for them.
    pub resident: Bytes,
}

impl Placed {
    /// Kind and device of the tier: `zram /dev/zram0`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.kind.name(), self.device)
    }
}

/// Where a cgroup's offloaded bytes live.
///
/// zswap is accounted by the kernel for each cgroup, size and cost. For the swap devices the kernel tells only how
/// many slots a cgroup has on all of them together: these are shared out in proportion to what each device and the
/// backing devices below them store, at the device's own mean compression. With one device that is exact but for the
/// compression of this cgroup's own pages. What is on a slower node frees as much DRAM.
#[must_use]
pub fn placement(memory: &Memory, tiers: &[Tier]) -> Vec<Placed> {
    let in_zswap = memory.stat.zswapped.unwrap_or_default().min(memory.offloaded());
    let on_devices = memory.offloaded() - in_zswap;
    let devices = || tiers.iter().filter(|tier| tier.kind.is_swap_device());
    let stored: Bytes = devices().map(|tier| tier.stored).sum();
    let zswap = tiers.iter().filter(|tier| tier.kind == TierKind::Zswap).map(|tier| Placed {
        kind: tier.kind,
        device: Arc::clone(&tier.device),
        bytes: in_zswap,
        resident: memory.zswap_current.unwrap_or_default(),
    });
    let on_device = |tier: &Tier| {
        let bytes = on_devices.scale(tier.stored.share_of(stored));
        let resident = bytes.scale(tier.resident_share());
        Placed { kind: tier.kind, device: Arc::clone(&tier.device), bytes, resident }
    };
    let nodes = tiers.iter().filter(|tier| tier.kind == TierKind::Node).map(|tier| Placed {
        kind: tier.kind,
        device: Arc::clone(&tier.device),
        bytes: memory.slow.get(&tier.device).copied().unwrap_or_default().total(),
        resident: Bytes::ZERO,
    });
    nodes.chain(zswap).chain(devices().map(on_device)).collect()
}

/// Offloaded bytes less the DRAM that is taken for them.
#[must_use]
pub fn net(placed: &[Placed]) -> Bytes {
    placed.iter().map(|part| part.bytes - part.resident).sum()
}

/// For the host: what all tiers store, less what they take, less `own`, the daemon's own memory. May be negative:
/// a daemon that saved nothing has cost something.
#[must_use]
pub fn host_net(tiers: &[Tier], own: Bytes) -> i64 {
    let saved: Bytes = tiers.iter().map(|tier| tier.stored - tier.resident).sum();
    saved.signed_sub(own)
}

/// Share of the offloaded bytes that DRAM got back.
#[must_use]
pub fn efficiency(placed: &[Placed]) -> Ratio {
    net(placed).share_of(placed.iter().map(|part| part.bytes).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::MemoryStat;

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
        let placed = placement(&memory, &[tier(TierKind::Zram, 200, 50)]);
        assert_eq!(net(&placed), Bytes::mib(75));
        assert_eq!(efficiency(&placed), Ratio::new(0.75));
    }

    #[test]
    fn what_sank_to_a_backing_device_is_saved_whole() {
        let memory = Memory { swap_current: Some(Bytes::mib(100)), ..Memory::default() };
        let below = Tier { above: Some("zram".into()), ..tier(TierKind::Disk, 150, 0) };
        let placed = placement(&memory, &[tier(TierKind::Zram, 50, 25), below]);
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
        let placed = placement(&memory, &[tier(TierKind::Zswap, 600, 200), tier(TierKind::Disk, 40, 0)]);
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
        assert_eq!(net(&placement(&memory, &[tier(TierKind::Disk, 100, 0)])), Bytes::mib(70));
    }

    #[test]
    fn the_daemon_pays_for_itself() {
        assert_eq!(host_net(&[tier(TierKind::Zram, 3, 1)], Bytes::mib(5)), -3 * (1 << 20));
    }
}
