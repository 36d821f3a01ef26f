//! Now, as the account of written bytes wants it.

use std::time::{Duration, SystemTime};

use lowtide_core::balancer::Moment;
use lowtide_journal::boot_id;
use lowtide_kernfs::Root;
use nix::time::{ClockId, clock_gettime};

/// Now. What cannot be told is the earliest that it could be, with which the account's day is longer, not
/// shorter.
pub(super) fn now(root: &Root) -> Moment {
    Moment {
        boot_id: boot_id(root).unwrap_or_default(),
        since_boot: uptime(),
        wall: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
    }
}

/// Time since the boot, sleep included: zram's own clock (`zram_accessed`, drivers/block/zram/zram_drv.c).
pub(super) fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}
