//! Memory that was given a place in swap and stays in DRAM all the same.

use std::fmt;

use lowtide_core::{Bytes, TierId};

/// Memory that does not get into swap.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Stuck {
    /// So much of it.
    pub size: Bytes,
    /// The device that the kernel gives new pages to.
    pub device: TierId,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, device } = self;
        write!(
            f,
            "{size} of the tenants' memory have a place in swap and stay in DRAM all the same. If the kernel's log says \
             `Write-error on swap-device`, {device} fails, or is zram at its mem_limit: mend it, or `swapoff {device}`, so that \
             pages go to the next device. Nothing is lost by a write that fails"
        )
    }
}
