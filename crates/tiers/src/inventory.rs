use lowtide_core::{Bytes, Tier, TierKind};
use lowtide_kernfs::{Result, Root};

use crate::{SwapDevice, Zram, Zswap, swaps};

/// Every place where offloaded pages can live now: zswap if it is on or holds pages, then the swap devices, those
/// of the highest priority first.
pub fn read(root: &Root) -> Result<Vec<Tier>> {
    let mut devices = swaps(root)?;
    devices.sort_by_key(|device| std::cmp::Reverse(device.priority));
    let zswap = Zswap::read(root)?.filter(Zswap::is_in_use);
    let in_zswap = zswap.map_or(Bytes::ZERO, |zswap| zswap.stored);
    let alone = devices.len() == 1;
    let mut tiers: Vec<Tier> = zswap.as_ref().map(zswap_tier).into_iter().collect();
    for device in &devices {
        match device.zram() {
            Some(name) => match Zram::read(root, name) {
                Ok(Some(zram)) => tiers.push(zram_tier(device, &zram)),
                Ok(None) => {}
                // A device that is reset between two reads answers ENODEV.
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error),
            },
            // Which device a page in zswap has its slot on is known only if there is but one.
            None => tiers.push(disk_tier(device, if alone { in_zswap } else { Bytes::ZERO })),
        }
    }
    Ok(tiers)
}

fn zswap_tier(zswap: &Zswap) -> Tier {
    Tier {
        kind: TierKind::Zswap,
        device: "zswap".into(),
        priority: None,
        capacity: zswap.pool_limit,
        used: zswap.stored,
        stored: zswap.stored,
        resident: zswap.resident,
        resident_limit: None,
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
    }
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
    }
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
