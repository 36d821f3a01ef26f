use lowtide_core::Bytes;
use lowtide_kernfs::{Fault, parse::keyed};

/// The lines of /proc/vmstat that are used: cumulative since boot.
///
/// Reclaim on behalf of a cgroup, `memory.reclaim` among it, is not in these up to 7.0
/// (`cgroup_reclaim(sc)` is tested before they are counted, mm/vmscan.c), and from 6.17 on `memory.reclaim` counts as
/// `proactive`: they are the host's own distress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vmstat {
    /// `pgsteal_direct`: pages that allocating tasks had to reclaim themselves.
    pub direct_reclaim: Option<Bytes>,
    /// `pgscan_direct`: pages that they looked at for it.
    pub direct_scan: Option<Bytes>,
    /// `allocstall_*`, all zones: how often that happened.
    pub allocation_stalls: Option<u64>,
}

impl Vmstat {
    /// Understands /proc/vmstat.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut vmstat = Self::default();
        for line in keyed(text) {
            match line.key {
                "pgsteal_direct" => vmstat.direct_reclaim = Some(line.pages()?),
                "pgscan_direct" => vmstat.direct_scan = Some(line.pages()?),
                key if key.starts_with("allocstall") => {
                    let stalls = vmstat.allocation_stalls.unwrap_or_default();
                    vmstat.allocation_stalls = Some(stalls.saturating_add(line.number()?));
                }
                _ => {}
            }
        }
        Ok(vmstat)
    }
}
