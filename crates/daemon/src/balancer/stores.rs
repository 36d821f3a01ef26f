//! The fast tiers that pages can sink from: each zram device that is swapped on.
//!
//! The core knows a [`Store`] and what lies below it, not what it is made of. zswap over a disk would be another store
//! here, and another mover.

use lowtide_core::{
    Bytes, TierKind,
    balancer::{Below, Store},
};
use lowtide_kernfs::{Error, Root, page_size};
use lowtide_tiers::{Backing, SwapDevice, Zram};

/// Every store now.
pub(super) fn read(root: &Root) -> Result<Vec<Store>, Error> {
    let devices = lowtide_tiers::swaps(root)?;
    let mut stores = Vec::new();
    for device in &devices {
        match store(root, device) {
            Ok(found) => stores.extend(found),
            Err(error) if error.is_gone() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(stores)
}

/// `None` for a device that is no zram, or goes away meanwhile.
fn store(root: &Root, device: &SwapDevice) -> Result<Option<Store>, Error> {
    let Some(name) = device.zram() else { return Ok(None) };
    let Some(zram) = Zram::read(root, name)? else { return Ok(None) };
    // Without a size nobody knows when it is full, nor what it may be written: as good as none.
    let below = Backing::read(root, name)?.and_then(|backing| {
        Some(Below {
            device: backing.path.as_str().into(),
            capacity: backing.capacity?,
            used: zram.backing,
            written: zram.backing_written,
            page: Bytes::new(page_size() as u64),
        })
    });
    Ok(Some(Store {
        kind: TierKind::Zram,
        device: name.into(),
        slots: device.size,
        slots_used: device.used,
        stored: zram.stored(),
        resident: zram.resident,
        resident_limit: zram.resident_limit,
        below,
    }))
}

/// Written to the device below the zram device `name` so far; `None` if it is gone.
pub(super) fn written(root: &Root, name: &str) -> Result<Option<Bytes>, Error> {
    Ok(Zram::read(root, name)?.map(|zram| zram.backing_written))
}
