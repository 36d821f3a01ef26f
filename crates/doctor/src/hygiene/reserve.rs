//! vm.min_free_kbytes: what the kernel keeps for those who cannot wait, such as packets that arrive. lowtide leaves it alone.

use std::time::Duration;

use lowtide_core::{ByteRate, Bytes, Ratio};
use lowtide_kernfs::{Root, parse::integer};

use super::{Waste, total};
use crate::{finding::Evidence, sight::Sight};

const FILE: &str = "proc/sys/vm/min_free_kbytes";
/// Nobody but those who cannot wait may use it, so more is lost to all others.
const MOST: Ratio = Ratio::percent(5.0);
/// The kernel's own default moves a little with what is hot-plugged.
const NEARLY: Ratio = Ratio::percent(90.0);
/// So long kswapd may take to wake up on a busy host. A judgement.
const WAKING: Duration = Duration::from_millis(2);
/// Who cannot wait may take half of it (ALLOC_MIN_RESERVE, `__zone_watermark_ok`, mm/page_alloc.c).
const PART_OF_ATOMIC: u64 = 2;

/// What is wrong with it, if anything.
pub(super) fn reserve(sight: &Sight) -> Option<Waste> {
    let look = sight.look(FILE);
    let value = Bytes::kib(integer(look.text()?).ok()?);
    let total = total(sight)?;
    let own = own_default(total);
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
    if value < own.scale(NEARLY) {
        let why = format!(
            "it was lowered: the kernel's own default here is {own}. Packets that arrive cannot wait for reclaim, and are dropped when \
             it is used up"
        );
        let remedy =
            "remove it from /etc/sysctl.d and set the kernel's own default: sysctl -w vm.min_free_kbytes=N";
        return Some(waste(None, why, remedy, vec![look.evidence()]));
    }
    let (name, speed) = fastest(&sight.root)?;
    let burst = speed.over(WAKING);
    (value.get() / PART_OF_ATOMIC < burst.get()).then(|| {
        let why = format!(
            "{name} brings {burst} in the {} ms that kswapd may take to wake up, and packets may take half of {value}: what is more \
             is dropped",
            WAKING.as_millis()
        );
        let remedy = "sysctl -w vm.min_free_kbytes=N with twice what the interface brings in that time";
        let evidence = vec![look.evidence(), Evidence::new(format!("sys/class/net/{name}/speed"), speed.to_string())];
        waste(None, why, remedy, evidence)
    })
}

/// What the kernel sets at the boot: four times the square root of the host's KiB, within 128 KiB and 256 MiB
/// (`calculate_min_free_kbytes`, mm/page_alloc.c of 6.1 and later). khugepaged raises it where huge pages are on.
fn own_default(total: Bytes) -> Bytes {
    let kib = total.get() >> 10;
    Bytes::kib(kib.saturating_mul(16).isqrt().clamp(128, 256 << 10))
}

/// The fastest network interface that is up; one that is down, and one that has no speed, says so by an error or by -1.
fn fastest(root: &Root) -> Option<(String, ByteRate)> {
    use lowtide_kernfs::Files;
    let entries = root.dir("sys/class/net").and_then(|dir| dir.entries()).ok()?;
    // Each is a link to its device.
    let names = entries.files.into_iter().chain(entries.directories);
    let speed = |name: String| {
        let text = root.read(format!("sys/class/net/{name}/speed")).ok()?;
        let megabits = integer(&text).ok()?;
        Some((name, ByteRate::per_second(Bytes::new(megabits.saturating_mul(1_000_000 / 8)))))
    };
    names.filter_map(speed).max_by_key(|(_, rate)| rate.bytes)
}
