//! The operator's hand on swap: what swapoff brings back is nobody's fault, and a device that comes is worth
//! a try.

use crate::{observation::HostObservation, tier::TierId};

/// The swap devices at the last tick.
#[derive(Debug, Default)]
pub(crate) struct SwapDevices {
    known: Option<Vec<(TierId, Option<i32>)>>,
    /// Pages were brought back up to the last tick. The kernel adds up its statistics now and then: some may
    /// show only now.
    brought_back: bool,
}

/// What became of them since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SwapChange {
    /// Pages were brought back by swapoff: they count as refaults (`unuse_pte_range` reads them in as a fault
    /// would, mm/swapfile.c), and no task touched them.
    pub(crate) brought_back: bool,
    /// A device came or went: what failed before may work now.
    pub(crate) other_devices: bool,
}

impl SwapDevices {
    pub(crate) fn observe(&mut self, host: &HostObservation) -> SwapChange {
        let devices = host.tiers.iter().filter(|tier| tier.has_slots());
        let now: Vec<_> = devices.map(|tier| (tier.device.clone(), tier.priority)).collect();
        let leaving = !host.swap_leaving().is_zero();
        let before = self.known.replace(now);
        let now = self.known.as_deref().unwrap_or_default();
        let before = before.as_deref().unwrap_or(now);
        let gone = before.iter().any(|device| !now.contains(device));
        let brings_back = gone || leaving;
        let brought_back = std::mem::replace(&mut self.brought_back, brings_back) || brings_back;
        SwapChange { brought_back, other_devices: gone || now.len() != before.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tier::{Tier, TierKind},
        units::Bytes,
    };

    fn host(devices: &[&str], swap_total: Option<u64>) -> HostObservation {
        let tier = |device: &&str| Tier {
            kind: TierKind::Disk,
            device: (*device).into(),
            priority: Some(1),
            capacity: Bytes::mib(64),
            used: Bytes::mib(20),
            stored: Bytes::mib(20),
            resident: Bytes::ZERO,
            resident_limit: None,
            above: None,
        };
        let tiers = devices.iter().map(tier).collect();
        HostObservation { tiers, swap_total: swap_total.map(Bytes::mib), ..HostObservation::default() }
    }

    #[test]
    fn devices_come_and_go() {
        let mut devices = SwapDevices::default();
        let change = |brought_back, other_devices| SwapChange { brought_back, other_devices };
        assert_eq!(devices.observe(&host(&["a"], None)), change(false, false));
        assert_eq!(devices.observe(&host(&["a", "b"], None)), change(false, true));
        assert_eq!(devices.observe(&host(&["b", "a"], Some(128))), change(false, false));
        // Being switched off: 20 of 64 MiB still there.
        assert_eq!(devices.observe(&host(&["a", "b"], Some(84))), change(true, false));
        assert_eq!(devices.observe(&host(&["a"], Some(64))), change(true, true));
        assert_eq!(devices.observe(&host(&["a"], Some(64))), change(true, false));
        assert_eq!(devices.observe(&host(&["a"], Some(64))), change(false, false));
    }

    #[test]
    fn a_device_that_leaves_has_no_room() {
        let room = |total| host(&["a", "b"], Some(total)).swap().unwrap().free;
        assert_eq!((room(128), room(84)), (Bytes::mib(88), Bytes::mib(44)));
    }
}
