use lowtide_core::{Bytes, scan_pressure::Kswapd};
use lowtide_kernfs::{Fault, parse::keyed};

/// The lines of /proc/vmstat that are used: cumulative since boot.
///
/// **Whose reclaim they count changed.** Up to 7.0 reclaim inside a cgroup is left out (`cgroup_reclaim(sc)`
/// is tested first, mm/vmscan.c), so all three are the host's own distress. On 7.3 the two `pg*_direct`
/// contain it: a tenant that ran into its own memory.max raised `pgsteal_direct` by 60 712 there and by
/// nothing on 6.18, while `allocstall_*` stayed at zero on both. `memory.reclaim` is never in them: 7.3
/// counts it as `pgsteal_proactive`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vmstat {
    /// `pgsteal_direct`: pages that allocating tasks had to reclaim themselves.
    pub direct_reclaim: Option<Bytes>,
    /// `pgscan_direct`: pages that they looked at for it.
    pub direct_scan: Option<Bytes>,
    /// `allocstall_*`, all zones: how often that happened.
    pub allocation_stalls: Option<u64>,
    /// `nr_free_pages`: what is free now.
    pub free: Option<Bytes>,
    /// What kswapd did, where all of it is counted.
    pub kswapd: Option<Kswapd>,
}

impl Vmstat {
    /// Understands /proc/vmstat.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut vmstat = Self::default();
        let (mut scanned, mut stolen, mut hits) = (None, None, None);
        for line in keyed(text) {
            match line.key {
                "nr_free_pages" => vmstat.free = Some(line.pages()?),
                "pgscan_kswapd" => scanned = Some(line.pages()?),
                "pgsteal_kswapd" => stolen = Some(line.pages()?),
                "kswapd_low_wmark_hit_quickly" => hits = Some(line.number()?),
                "pgsteal_direct" => vmstat.direct_reclaim = Some(line.pages()?),
                "pgscan_direct" => vmstat.direct_scan = Some(line.pages()?),
                key if key.starts_with("allocstall") => {
                    let stalls = vmstat.allocation_stalls.unwrap_or_default();
                    vmstat.allocation_stalls = Some(stalls.saturating_add(line.number()?));
                }
                _ => {}
            }
        }
        vmstat.kswapd = scanned.zip(stolen).zip(hits).map(|((scanned, stolen), low_watermark_hits)| Kswapd {
            scanned,
            stolen,
            low_watermark_hits,
        });
        Ok(vmstat)
    }
}
