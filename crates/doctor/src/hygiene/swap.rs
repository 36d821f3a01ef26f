//! Swap devices that work against each other.

use lowtide_core::LeftOut;
use lowtide_tiers::{Zswap, swaps};

use super::Waste;
use crate::{finding::Evidence, sight::Sight};

/// A page that zswap writes back to zram is decompressed and compressed anew, and was in DRAM both times.
pub(super) fn zswap_over_zram(sight: &Sight) -> Option<Waste> {
    let devices = swaps(&sight.root, &mut LeftOut::default()).ok()?;
    let first = devices.iter().max_by_key(|device| device.priority)?;
    let enabled = Zswap::read(&sight.root).ok()??.enabled;
    let device = first.shown();
    (enabled && first.zram().is_some()).then(|| Waste {
        name: "zswap_over_zram",
        bytes: None,
        why: format!(
            "zswap stands in front of {device}: what it writes back is compressed twice and leaves no DRAM"
        ),
        remedy: "echo N > /sys/module/zswap/parameters/enabled, or give swap on a disk the higher priority",
        evidence: vec![
            sight.look("sys/module/zswap/parameters/enabled").evidence(),
            Evidence::new("proc/swaps", format!("{device}, priority {}", first.priority)),
        ],
    })
}
