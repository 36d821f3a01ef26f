use lowtide_core::Bytes;
use lowtide_kernfs::{Fault, parse::keyed};

/// A counter of /proc/vmstat, for people who look at reclaim as it happens. What decisions are made from is
/// in [`Vmstat`](crate::Vmstat), which also says whose reclaim the `pg*_direct` count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counter {
    /// A task had to reclaim before it got its page; of all zones.
    AllocStall,
    /// Looked at by allocating tasks.
    ScanDirect,
    /// Reclaimed by them.
    StealDirect,
    /// A task that was to reclaim had to wait for kswapd instead (`throttle_direct_reclaim`, mm/vmscan.c).
    ScanDirectThrottle,
    /// Looked at by kswapd.
    ScanKswapd,
    /// Reclaimed by kswapd.
    StealKswapd,
    /// Looked at for memory.reclaim; counted from 6.17 on at the latest.
    ScanProactive,
    /// Reclaimed for memory.reclaim.
    StealProactive,
    /// kswapd was woken before it had slept for a tenth of a second: free memory was at the low watermark
    /// again (`kswapd_try_to_sleep`, mm/vmscan.c).
    LowWatermarkHitQuickly,
    /// After a tenth of a second the high watermark was missed again, so kswapd did not go to sleep for long.
    HighWatermarkHitQuickly,
    /// kswapd began to balance a node (`balance_pgdat`, mm/vmscan.c).
    PageOutRun,
    /// Allocated, of all zones.
    Allocated,
    /// Freed.
    Freed,
    /// Read from swap devices.
    SwapIn,
    /// Written to swap devices.
    SwapOut,
    /// Read from zswap.
    ZswapIn,
    /// Stored in zswap.
    ZswapOut,
    /// Written by zswap to its swap device.
    ZswapWriteback,
    /// Moved to slower nodes, by whomever.
    Demoted,
    /// Moved back from there because they were touched.
    Promoted,
    /// Anonymous memory that came back soon after it had left.
    RefaultAnon,
    /// Page cache that was read again soon after it had gone.
    RefaultFile,
    /// A fault that had to wait for a device.
    MajorFault,
    /// A task had to compact memory before it got its pages.
    CompactStall,
    /// A process was killed for want of memory.
    OomKill,
}

/// What a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Pages, shown as bytes.
    Pages,
    /// How often something happened.
    Times,
}

impl Counter {
    /// All of them, stalls first.
    pub const ALL: [Self; 25] = [
        Self::AllocStall,
        Self::ScanDirect,
        Self::StealDirect,
        Self::ScanDirectThrottle,
        Self::ScanKswapd,
        Self::StealKswapd,
        Self::ScanProactive,
        Self::StealProactive,
        Self::LowWatermarkHitQuickly,
        Self::HighWatermarkHitQuickly,
        Self::PageOutRun,
        Self::Allocated,
        Self::Freed,
        Self::SwapIn,
        Self::SwapOut,
        Self::ZswapIn,
        Self::ZswapOut,
        Self::ZswapWriteback,
        Self::Demoted,
        Self::Promoted,
        Self::RefaultAnon,
        Self::RefaultFile,
        Self::MajorFault,
        Self::CompactStall,
        Self::OomKill,
    ];

    /// The kernel's name; of those that are counted by zone or by actor what all of their names begin with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllocStall => "allocstall",
            Self::ScanDirect => "pgscan_direct",
            Self::StealDirect => "pgsteal_direct",
            Self::ScanDirectThrottle => "pgscan_direct_throttle",
            Self::ScanKswapd => "pgscan_kswapd",
            Self::StealKswapd => "pgsteal_kswapd",
            Self::ScanProactive => "pgscan_proactive",
            Self::StealProactive => "pgsteal_proactive",
            Self::LowWatermarkHitQuickly => "kswapd_low_wmark_hit_quickly",
            Self::HighWatermarkHitQuickly => "kswapd_high_wmark_hit_quickly",
            Self::PageOutRun => "pageoutrun",
            Self::Allocated => "pgalloc",
            Self::Freed => "pgfree",
            Self::SwapIn => "pswpin",
            Self::SwapOut => "pswpout",
            Self::ZswapIn => "zswpin",
            Self::ZswapOut => "zswpout",
            Self::ZswapWriteback => "zswpwb",
            Self::Demoted => "pgdemote",
            Self::Promoted => "pgpromote_success",
            Self::RefaultAnon => "workingset_refault_anon",
            Self::RefaultFile => "workingset_refault_file",
            Self::MajorFault => "pgmajfault",
            Self::CompactStall => "compact_stall",
            Self::OomKill => "oom_kill",
        }
    }

    /// What it counts.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::AllocStall
            | Self::ScanDirectThrottle
            | Self::LowWatermarkHitQuickly
            | Self::HighWatermarkHitQuickly
            | Self::PageOutRun
            | Self::MajorFault
            | Self::CompactStall
            | Self::OomKill => Unit::Times,
            _ => Unit::Pages,
        }
    }

    /// The kernel has a line for each zone, or for each actor.
    const fn is_a_sum(self) -> bool {
        matches!(self, Self::AllocStall | Self::Allocated | Self::Demoted)
    }

    fn counts(self, key: &str) -> bool {
        match key.strip_prefix(self.name()) {
            Some("") => true,
            Some(rest) => self.is_a_sum() && rest.starts_with('_'),
            None => false,
        }
    }
}

/// The counters of /proc/vmstat at one moment; those that this kernel does not have are missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters([Option<u64>; Counter::ALL.len()]);

impl Counters {
    /// Understands /proc/vmstat.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut counters = Self::default();
        for line in keyed(text) {
            for counter in Counter::ALL.into_iter().filter(|counter| counter.counts(line.key)) {
                let so_far = &mut counters.0[counter as usize];
                *so_far = Some(so_far.unwrap_or_default().saturating_add(line.number()?));
            }
        }
        Ok(counters)
    }

    /// One of them as the kernel gives it: pages, or times.
    #[must_use]
    pub const fn get(&self, counter: Counter) -> Option<u64> {
        self.0[counter as usize]
    }

    /// One that counts pages, as bytes; `None` for one that counts something else, too.
    #[must_use]
    pub fn bytes(&self, counter: Counter) -> Option<Bytes> {
        self.get(counter).filter(|_| counter.unit() == Unit::Pages).map(Bytes::pages)
    }
}

#[cfg(test)]
#[path = "counters_tests.rs"]
mod tests;
