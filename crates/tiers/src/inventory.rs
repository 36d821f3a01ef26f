use std::cmp::Reverse;

use lowtide_core::{Bytes, LeftOut, Tier, TierId, TierKind, left_out::Kind};
use lowtide_kernfs::{Result, Root};

use crate::{Backing, SlowNode, SwapDevice, Zram, Zswap, demotion_nodes, swaps};

/// Every place where offloaded pages can live now: slower nodes, zswap if it is on or holds pages, then the
/// swap devices, those of the highest priority first, each zram device with its backing device after it.
///
/// A device that cannot be read says nothing about the others. It is among them without any room, so that no
/// more is sent there, and a policy that forbids its kind still sees it.
pub fn read(root: &Root, left_out: &mut LeftOut) -> Result<Vec<Tier>> {
    let found = swaps(root, left_out)?.into_iter();
    let mut devices: Vec<_> = found.filter_map(|device| Device::read(root, device, left_out)).collect();
    devices.sort_by_key(|device| Reverse(device.priority()));
    let zswap = left_out.unless(Kind::Device, Zswap::read(root)).flatten().filter(Zswap::is_in_use);
    let elsewhere = zswap.map_or(Bytes::ZERO, |zswap| held_for_the_disk(&zswap, &devices));
    let behind = devices.iter().flat_map(|device| match device {
        Device::Zram(swap, zram, backing) => {
            let below = backing.as_ref().and_then(|backing| backing_tier(swap, zram, backing));
            std::iter::once(zram_tier(swap, zram)).chain(below)
        }
        Device::Unreadable(swap) => std::iter::once(unreadable_tier(swap)).chain(None),
        Device::Disk(swap) => std::iter::once(disk_tier(swap, elsewhere)).chain(None),
    });
    let nodes = demotion_nodes(root, left_out)?;
    let nodes = nodes.iter().map(node_tier);
    Ok(nodes.chain(zswap.as_ref().map(zswap_tier)).chain(behind).collect())
}

/// A swap device and what else is known of it.
enum Device {
    Zram(SwapDevice, Zram, Option<Backing>),
    /// A zram device whose files are not understood.
    Unreadable(SwapDevice),
    Disk(SwapDevice),
}

impl Device {
    /// `None` for a zram device that goes away meanwhile: its files are missing, or answer ENODEV.
    fn read(root: &Root, device: SwapDevice, left_out: &mut LeftOut) -> Option<Self> {
        let Some(name) = device.zram() else { return Some(Self::Disk(device)) };
        match Zram::read(root, name) {
            Ok(Some(zram)) => {
                let backing = left_out.unless(Kind::Device, Backing::read(root, name)).flatten();
                Some(Self::Zram(device, zram, backing))
            }
            Ok(None) => None,
            Err(error) if error.is_gone() => None,
            Err(error) => {
                left_out.add(Kind::Device, &error.to_string());
                Some(Self::Unreadable(device))
            }
        }
    }

    const fn priority(&self) -> i32 {
        let (Self::Zram(device, ..) | Self::Unreadable(device) | Self::Disk(device)) = self;
        device.priority
    }
}

/// How much of what zswap stores has its slot on the disk, if there is one disk; with several nobody knows
/// which.
///
/// What has its slot on a zram device is at most the slots there whose data the device does not have.
fn held_for_the_disk(zswap: &Zswap, devices: &[Device]) -> Bytes {
    if devices.iter().filter(|device| matches!(device, Device::Disk(_))).count() != 1 {
        return Bytes::ZERO;
    }
    let for_zram = devices.iter().map(|device| match device {
        Device::Zram(swap, zram, _) => swap.used - zram.original,
        Device::Unreadable(_) | Device::Disk(_) => Bytes::ZERO,
    });
    zswap.stored - for_zram.sum()
}

fn node_tier(node: &SlowNode) -> Tier {
    Tier {
        kind: TierKind::Node,
        device: TierId::Node(node.id()),
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
        device: TierId::Zswap,
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
        device: TierId::Device(device.shown().into()),
        priority: Some(device.priority),
        capacity: slots(device),
        used: device.used,
        stored: zram.stored(),
        resident: zram.resident,
        resident_limit: zram.resident_limit,
        above: None,
    }
}

fn unreadable_tier(device: &SwapDevice) -> Tier {
    Tier {
        kind: TierKind::Zram,
        device: TierId::Device(device.shown().into()),
        priority: Some(device.priority),
        capacity: device.used,
        used: device.used,
        stored: Bytes::ZERO,
        resident: Bytes::ZERO,
        resident_limit: None,
        above: None,
    }
}

/// What was removed while in use is not filled any further: nobody can switch it off again.
fn slots(device: &SwapDevice) -> Bytes {
    if device.deleted { device.used } else { device.size }
}

/// `None` for one whose size nobody tells.
fn backing_tier(device: &SwapDevice, zram: &Zram, backing: &Backing) -> Option<Tier> {
    Some(Tier {
        kind: TierKind::Disk,
        device: TierId::Device(backing.path.as_str().into()),
        priority: None,
        capacity: backing.capacity?,
        used: zram.backing,
        stored: zram.backing,
        resident: Bytes::ZERO,
        resident_limit: None,
        above: Some(TierId::Device(device.shown().into())),
    })
}

fn disk_tier(device: &SwapDevice, in_zswap: Bytes) -> Tier {
    Tier {
        kind: TierKind::Disk,
        device: TierId::Device(device.shown().into()),
        priority: Some(device.priority),
        capacity: slots(device),
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
