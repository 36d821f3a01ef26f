//! vm.min_free_kbytes: what the kernel keeps for those who cannot wait, such as packets that arrive. lowtide
//! leaves it alone.

use lowtide_core::{Bytes, Ratio};
use lowtide_kernfs::parse::integer;

use super::{Waste, total, zones};
use crate::sight::Sight;

const FILE: &str = "proc/sys/vm/min_free_kbytes";
/// Nobody but those who cannot wait may use it, so more is lost to all others.
const MOST: Ratio = Ratio::percent(5.0);
/// The kernel's own default moves a little with what is hot-plugged.
const NEARLY: Ratio = Ratio::percent(90.0);
/// What is wrong with it, if anything.
pub(super) fn reserve(sight: &Sight) -> Option<Waste> {
    let look = sight.look(FILE);
    let value = Bytes::kib(integer(look.text()?).ok()?);
    let total = total(sight)?;
    let own = own_default(total - movable(sight));
    let waste =
        |bytes, why, remedy, evidence| Waste { name: "min_free_kbytes", bytes, why, remedy, evidence };
    if value > total.scale(MOST) {
        let why = format!(
            "{value} of {total} may be used by nobody who can wait; the kernel's own default here is {own}"
        );
        let remedy = "sysctl -w vm.min_free_kbytes=N with the default, or with what the network needs; to have kswapd begin earlier, \
                      vm.watermark_scale_factor costs less (`watermarks: { adapt: true }` sets it when it is needed)";
        return Some(waste(Some(value), why, remedy, vec![look.evidence()]));
    }
    (value < own.scale(NEARLY)).then(|| {
        let why = format!(
            "it was lowered: the kernel's own default here is {own}. Packets that arrive cannot wait for reclaim, and are dropped when \
             it is used up"
        );
        let remedy =
            "remove it from /etc/sysctl.d and set the kernel's own default: sysctl -w vm.min_free_kbytes=N";
        waste(None, why, remedy, vec![look.evidence()])
    })
}

/// What the kernel sets at the boot: four times the square root of the KiB that are not only for movable
/// pages, within 128 KiB and 256 MiB (`calculate_min_free_kbytes`, mm/page_alloc.c of 6.1 and later).
/// khugepaged raises it where huge pages are on.
fn own_default(total: Bytes) -> Bytes {
    let kib = total.get() >> 10;
    Bytes::kib(kib.saturating_mul(16).isqrt().clamp(128, 256 << 10))
}

/// What lies in zones that only movable pages are taken from, of which the default takes no notice
/// (`nr_free_buffer_pages`, mm/page_alloc.c).
fn movable(sight: &Sight) -> Bytes {
    zones(sight).iter().filter(|zone| zone.name == "Movable").map(|zone| zone.managed).sum()
}
