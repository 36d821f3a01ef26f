use std::time::Duration;

use lowtide_core::{
    Bytes,
    watermarks::{Seen, Zone},
};
use lowtide_kernfs::{Files, Result, Root};

use crate::{Counter, Counters, Kswapd, Kswapds, Meminfo, zones};

/// What the watermarks are decided from, as the kernel tells it now; `None` where it does not tell of zones,
/// counters or page cache.
pub fn watermarks(root: &Root, kswapds: &mut Kswapds) -> Result<Option<Seen>> {
    let meminfo = root.parse("proc/meminfo", Meminfo::parse)?;
    let Some(counters) = root.parse_optional("proc/vmstat", Counters::parse)? else { return Ok(None) };
    let Some(zones) = root.parse_optional("proc/zoneinfo", zones)? else { return Ok(None) };
    Ok(seen(&meminfo, &counters, &zones, &kswapds.read(root)?))
}

fn seen(meminfo: &Meminfo, counters: &Counters, zones: &[crate::Zone], kswapds: &[Kswapd]) -> Option<Seen> {
    let in_use = || zones.iter().filter(|zone| !zone.managed.is_zero());
    let cpu: Duration = kswapds.iter().map(|kswapd| kswapd.cpu).sum();
    Some(Seen {
        total: meminfo.total,
        zones: in_use().map(zone).collect::<Option<Vec<_>>>().filter(|zones| !zones.is_empty())?,
        // One node that is full of pages that cannot go says nothing about the others.
        gave_up: in_use().all(|zone| zone.gave_up),
        file: meminfo.active_file? + meminfo.inactive_file?,
        slab: meminfo.slab_reclaimable?,
        allocation_stalls: counters.get(Counter::AllocStall)?,
        runs: counters.get(Counter::PageOutRun)?,
        scanned: counters.bytes(Counter::ScanKswapd)?,
        stolen: counters.bytes(Counter::StealKswapd)?,
        kswapds: u32::try_from(kswapds.len()).unwrap_or(u32::MAX),
        kswapd_cpu: (!kswapds.is_empty()).then_some(cpu),
    })
}

/// The boost is not the factor's (`min_wmark_pages` adds it, include/linux/mmzone.h).
fn zone(zone: &crate::Zone) -> Option<Zone> {
    let min: Bytes = zone.min?;
    Some(Zone { managed: zone.managed, free: zone.free?, min: min - zone.boost.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use lowtide_core::watermarks::{Factor, Marks};
    use rstest::rstest;

    use super::*;

    fn of(kernel: &str) -> Root {
        Root::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kernel)).unwrap()
    }

    /// The kernels were captured at their own factor, 10: what is computed is what each of them shows.
    #[rstest]
    #[case("6.1")]
    #[case("6.12")]
    #[case("6.18")]
    #[case("7.3")]
    fn the_marks_of_each_kernel_are_those_that_it_shows(#[case] kernel: &str) {
        let root = of(kernel);
        let seen = watermarks(&root, &mut Kswapds::default()).unwrap().unwrap();
        let shown = root.parse("proc/zoneinfo", zones).unwrap();
        let sum = |mark: fn(&crate::Zone) -> Option<Bytes>| -> Bytes {
            shown.iter().filter(|zone| !zone.managed.is_zero()).filter_map(mark).sum()
        };
        let marks =
            Marks { min: sum(|zone| zone.min), low: sum(|zone| zone.low), high: sum(|zone| zone.high) };
        assert_eq!(Marks::at(&seen.zones, Factor::LEAST), marks);
        assert_eq!((seen.allocation_stalls, seen.gave_up), (0, false));
        assert!(!seen.file.is_zero() && !seen.slab.is_zero() && seen.managed() <= seen.total);
        // The captured trees have no kswapd in /proc.
        assert_eq!((seen.kswapds, seen.kswapd_cpu), (0, None));
    }

    #[test]
    fn a_boost_is_no_part_of_min() {
        let tree = tempfile::tempdir().unwrap();
        let proc = tree.path().join("proc");
        fs::create_dir(&proc).unwrap();
        let put = |name: &str, text: &str| fs::write(proc.join(name), text).unwrap();
        let root = Root::open(tree.path()).unwrap();
        let look = || watermarks(&root, &mut Kswapds::default()).unwrap();
        put(
            "meminfo",
            "MemTotal: 9 kB\nMemFree: 1 kB\nActive(file): 1 kB\nInactive(file): 2 kB\nSReclaimable: 4 kB\n",
        );
        assert_eq!(look(), None);
        put("vmstat", "allocstall_normal 1\npageoutrun 2\npgscan_kswapd 3\npgsteal_kswapd 4\n");
        put(
            "zoneinfo",
            "Node 0, zone Normal\n pages free 9\n boost 5\n min 12\n managed 90\n node_unreclaimable: 1\n",
        );
        let seen = look().unwrap();
        assert_eq!(seen.zones[0].min, Bytes::pages(7));
        assert_eq!((seen.gave_up, seen.file, seen.stolen), (true, Bytes::kib(3), Bytes::pages(4)));
        put("vmstat", "allocstall_normal 1\n");
        assert_eq!(look(), None, "a kernel that does not count what kswapd does");
    }
}
