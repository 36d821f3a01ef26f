use lowtide_core::{Bytes, Ratio};
use serde::Serialize;

/// The host, in the manner of a monitor of its page cache and its reclaim.
#[derive(Debug, Clone, Serialize)]
pub struct Host {
    /// All memory that the kernel manages.
    pub total: Bytes,
    /// All swap; `None` where the kernel does not tell.
    pub swap_total: Option<Bytes>,
    /// Where memory is, by the kernel's names in /proc/meminfo.
    pub memory: Vec<Size>,
    /// Pressure over the time between the samples.
    pub pressure: Vec<Pressure>,
    /// Who reclaims, and how well.
    pub reclaim: Vec<Reclaim>,
    /// Further counters of /proc/vmstat.
    pub events: Vec<Event>,
    /// Zones that have pages, with their watermarks.
    pub zones: Vec<Zone>,
    /// The kswapd threads; none where /proc does not show them.
    pub kswapds: Vec<Kswapd>,
}

/// A size and how it changes.
#[derive(Debug, Clone, Serialize)]
pub struct Size {
    /// The line of /proc/meminfo.
    pub name: &'static str,
    /// Now.
    pub bytes: Bytes,
    /// Bytes a second.
    pub change: Option<f64>,
}

/// Shares of the time in which tasks waited; `None` without two samples, or without PSI.
#[derive(Debug, Clone, Serialize)]
pub struct Pressure {
    /// For what.
    pub resource: &'static str,
    /// Some did.
    pub some: Option<Ratio>,
    /// All did.
    pub full: Option<Ratio>,
}

/// A counter since boot, and its rate.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Counted {
    /// Since boot; bytes where pages are counted.
    pub total: u64,
    /// Of the same, each second.
    pub per_second: Option<f64>,
}

/// Pages that somebody looked at, and those that were got.
#[derive(Debug, Clone, Serialize)]
pub struct Reclaim {
    /// `direct`: tasks that allocate; `kswapd`; `proactive`: memory.reclaim, where the kernel counts that
    /// apart.
    pub by: &'static str,
    /// `pgscan_*`, in bytes.
    pub scanned: Counted,
    /// `pgsteal_*`, in bytes.
    pub stolen: Counted,
    /// What was stolen of what was scanned between the samples; `None` if nothing was.
    pub efficiency: Option<Ratio>,
}

/// Another counter.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// The kernel's name; of those that it counts by zone or by actor the beginning.
    pub name: &'static str,
    /// Whether pages are counted, which are given in bytes.
    pub is_size: bool,
    /// So many.
    #[serde(flatten)]
    pub counted: Counted,
}

/// How full a zone is, by its watermarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// Free memory is at the high watermark or above: kswapd sleeps.
    AboveHigh,
    /// Between low and high: kswapd goes on if it runs, and sleeps on if it sleeps.
    BelowHigh,
    /// kswapd is woken.
    BelowLow,
    /// Tasks reclaim for themselves.
    BelowMin,
}

/// A zone of a node.
#[derive(Debug, Clone, Serialize)]
pub struct Zone {
    /// The number of its node.
    pub node: u32,
    /// Its name.
    pub name: String,
    /// Free bytes.
    pub free: Option<Bytes>,
    /// By how many bytes a second that changes.
    pub change: Option<f64>,
    /// Watermark.
    pub min: Option<Bytes>,
    /// Watermark.
    pub low: Option<Bytes>,
    /// Watermark.
    pub high: Option<Bytes>,
    /// What the zone gives out.
    pub managed: Bytes,
    /// Where `free` stands among the watermarks.
    pub fill: Option<Fill>,
}

/// A kswapd thread.
#[derive(Debug, Clone, Serialize)]
pub struct Kswapd {
    /// Its node.
    pub node: u32,
    /// Its process id.
    pub pid: u32,
    /// Share of a processor between the samples.
    pub cpu: Option<Ratio>,
}

impl Host {
    /// A size by its name.
    #[must_use]
    pub fn size(&self, name: &str) -> Option<Bytes> {
        self.memory.iter().find(|size| size.name == name).map(|size| size.bytes)
    }
}
