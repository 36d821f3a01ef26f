use lowtide_core::{Bytes, Ratio};
use lowtide_kernfs::{
    Fault, Files, Result, Root,
    parse::{integer, keyed, switch},
};

const ENABLED: &str = "sys/module/zswap/parameters/enabled";
const MAX_POOL_PERCENT: &str = "sys/module/zswap/parameters/max_pool_percent";

/// zswap, from its module parameters and /proc/meminfo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Zswap {
    /// New pages are stored in it.
    pub enabled: bool,
    /// DRAM that the pool may take: max_pool_percent of all memory.
    pub pool_limit: Bytes,
    /// DRAM that the pool takes (meminfo `Zswap`).
    pub resident: Bytes,
    /// Uncompressed bytes stored (meminfo `Zswapped`).
    pub stored: Bytes,
}

impl Zswap {
    /// `None` where the kernel has no zswap.
    pub fn read(root: &Root) -> Result<Option<Self>> {
        let Some(enabled) = root.parse_record(ENABLED, switch)? else { return Ok(None) };
        let percent = root.parse_record(MAX_POOL_PERCENT, integer)?.unwrap_or_default().min(100);
        let sizes = root.parse_optional("proc/meminfo", Sizes::parse)?.unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "at most 100")]
        let share = Ratio::percent(percent as f64);
        Ok(Some(Self {
            enabled,
            pool_limit: sizes.total.scale(share),
            resident: sizes.zswap,
            stored: sizes.zswapped,
        }))
    }

    /// On, or off and still holding pages.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.enabled || !self.stored.is_zero()
    }
}

/// The lines of /proc/meminfo that are about zswap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sizes {
    total: Bytes,
    zswap: Bytes,
    zswapped: Bytes,
}

impl Sizes {
    fn parse(text: &str) -> Result<Self, Fault> {
        let mut sizes = Self::default();
        for line in keyed(text) {
            match line.key {
                "MemTotal" => sizes.total = line.kib()?,
                "Zswap" => sizes.zswap = line.kib()?,
                "Zswapped" => sizes.zswapped = line.kib()?,
                _ => {}
            }
        }
        Ok(sizes)
    }
}

#[cfg(test)]
#[path = "zswap_tests.rs"]
mod tests;
