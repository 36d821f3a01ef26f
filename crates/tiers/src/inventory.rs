use std::cmp::Reverse;

use lowtide_core::{Bytes, Tier, TierKind};
use lowtide_kernfs::{Result, Root};

use crate::{Backing, SlowNode, SwapDevice, Zram, Zswap, demotion_nodes, swaps};

/// Every place where offloaded pages can live now: slower nodes, zswap if it is on or holds pages, then the swap devices,
/// those of the highest priority first, each zram device with its backing device after it.
pub fn read(root: &Root) -> Result<Vec<Tier>> {
    let mut devices = Vec::new();
    for device in swaps(root)? {
        if let Some(device) = Device::read(root, device)? {
            devices.push(device);
        }
    }
    devices.sort_by_key(|device| Reverse(device.priority()));
    let zswap = Zswap::read(root)?.filter(Zswap::is_in_use);
    let elsewhere = zswap.map_or(Bytes::ZERO, |zswap| held_for_the_disk(&zswap, &devices));
    let behind = devices.iter().flat_map(|device| match device {
        Device::Zram(swap, zram, backing) => {
            let below = backing.as_ref().and_then(|backing| backing_tier(swap, zram, backing));
            std::iter::once(zram_tier(swap, zram)).chain(below)
        }
        Device::Disk(swap) => std::iter::once(disk_tier(swap, elsewhere)).chain(None),
    });
    let nodes = demotion_nodes(root)?;
    let nodes = nodes.iter().map(node_tier);
    Ok(nodes.chain(zswap.as_ref().map(zswap_tier)).chain(behind).collect())
}

/// A swap device and what else is known of it.
enum Device {
    Zram(SwapDevice, Zram, Option<Backing>),
    Disk(SwapDevice),
}

impl Device {
    /// `None` for a zram device that goes away meanwhile: its files are missing, or answer ENODEV.
    fn read(root: &Root, device: SwapDevice) -> Result<Option<Self>> {
        let Some(name) = device.zram() else { return Ok(Some(Self::Disk(device))) };
        match Zram::read(root, name) {
            Ok(Some(zram)) => {
                let backing = Backing::read(root, name)?;
                Ok(Some(Self::Zram(device, zram, backing)))
            }
            Ok(None) => Ok(None),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }

    const fn priority(&self) -> i32 {
        let (Self::Zram(device, ..) | Self::Disk(device)) = self;
        device.priority
    }
}

/// How much of what zswap stores has its slot on the disk, if there is one disk; with several nobody knows which.
///
/// What has its slot on a zram device is at most the slots there whose data the device does not have.
fn held_for_the_disk(zswap: &Zswap, devices: &[Device]) -> Bytes {
    if devices.iter().filter(|device| matches!(device, Device::Disk(_))).count() != 1 {
        return Bytes::ZERO;
    }
    let for_zram = devices.iter().map(|device| match device {
        Device::Zram(swap, zram, _) => swap.used - zram.original,
        Device::Disk(_) => Bytes::ZERO,
    });
    zswap.stored - for_zram.sum()
}

fn node_tier(node: &SlowNode) -> Tier {
    Tier {
        kind: TierKind::Node,
        device: node.name().into(),
        priority: None,
        capacity: node.capacity,
        used: node.used,
        stored: node.stored,
        resident: Bytes::ZERO,
        resident_limit: None,
        above: None,
    }
}

fn zswap_tier(zswap: &Zswap) -> Tier {
    Tier {
        kind: TierKind::Zswap,
        device: "zswap".into(),
        priority: None,
        capacity: zswap.pool_limit,
        used: zswap.resident,
        stored: zswap.stored,
        resident: zswap.resident,
        resident_limit: None,
        above: None,
    }
}

fn zram_tier(device: &SwapDevice, zram: &Zram) -> Tier {
    Tier {
        kind: TierKind::Zram,
        device: device.path.as_str().into(),
        priority: Some(device.priority),
        capacity: device.size,
        used: device.used,
        stored: zram.stored(),
        resident: zram.resident,
        resident_limit: zram.resident_limit,
        above: None,
    }
}

/// `None` for one whose size nobody tells.
fn backing_tier(device: &SwapDevice, zram: &Zram, backing: &Backing) -> Option<Tier> {
    Some(Tier {
        kind: TierKind::Disk,
        device: backing.path.as_str().into(),
        priority: None,
        capacity: backing.capacity?,
        used: zram.backing,
        stored: zram.backing,
        resident: Bytes::ZERO,
        resident_limit: None,
        above: Some(device.path.as_str().into()),
    })
}

fn disk_tier(device: &SwapDevice, in_zswap: Bytes) -> Tier {
    Tier {
        kind: TierKind::Disk,
        device: device.path.as_str().into(),
        priority: Some(device.priority),
        capacity: device.size,
        used: device.used,
        stored: device.used - in_zswap,
        resident: Bytes::ZERO,
        resident_limit: None,
        above: None,
    }
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
