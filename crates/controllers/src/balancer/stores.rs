//! The fast tiers that pages can sink from: each zram device that is swapped on.
//!
//! The core knows a [`Store`] and what lies below it, not what it is made of. zswap over a disk would be
//! another store here, and another mover.

use std::sync::Arc;

use lowtide_core::{
    Bytes, LeftOut, TierKind,
    balancer::{Below, Store},
};
use lowtide_kernfs::{Error, Root, page_size};
use lowtide_tiers::{Backing, SwapDevice, Zram};

/// A store by its name: what it is, or why it cannot be read.
pub(super) type Found = (Arc<str>, Result<Store, Error>);

/// Every store now.
pub(super) fn read(root: &Root) -> Result<Vec<Found>, Error> {
    // The loop tells what is left out of the list.
    let devices = lowtide_tiers::swaps(root, &mut LeftOut::default())?;
    let named = devices.iter().filter_map(|device| Some((device.zram()?, device)));
    let read = named.filter_map(|(name, device)| match store(root, name, device) {
        Err(error) if error.is_gone() => None,
        found => Some((name.into(), found.transpose()?)),
    });
    Ok(read.collect())
}

/// `None` for a device that goes away meanwhile.
fn store(root: &Root, name: &str, device: &SwapDevice) -> Result<Option<Store>, Error> {
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
        incompressible: zram.incompressible.unwrap_or_default(),
        resident_limit: zram.resident_limit,
        below,
    }))
}

/// Written to the device below the zram device `name` so far; `None` if it is gone.
pub(super) fn written(root: &Root, name: &str) -> Result<Option<Bytes>, Error> {
    Ok(Zram::read(root, name)?.map(|zram| zram.backing_written))
}
