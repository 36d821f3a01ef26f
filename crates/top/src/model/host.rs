use std::time::Duration;

use lowtide_core::{Bytes, Ratio, Stall};
use lowtide_host::{Counter, Meminfo, Unit};
use serde::Serialize;

use super::rate::{change, per_second};
use crate::sample;

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
    /// `direct`: tasks that allocate; `kswapd`; `proactive`: memory.reclaim, where the kernel counts that apart.
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
    /// What `now` says, and `before`, which is `over` earlier.
    pub(super) fn new(now: &sample::Host, before: Option<&sample::Host>, over: Option<Duration>) -> Self {
        let counted = |counter| counted(now, before, over, counter);
        let events = EVENTS.iter().filter_map(|counter| {
            let is_size = counter.unit() == Unit::Pages;
            Some(Event { name: counter.name(), is_size, counted: counted(*counter)? })
        });
        let reclaim = RECLAIM.iter().filter_map(|(by, scan, steal)| {
            let (scanned, stolen) = (counted(*scan)?, counted(*steal)?);
            let share = |scanned: f64, stolen: f64| (scanned > 0.0).then(|| Ratio::new(stolen / scanned));
            let efficiency = scanned
                .per_second
                .zip(stolen.per_second)
                .and_then(|(scanned, stolen)| share(scanned, stolen));
            Some(Reclaim { by, scanned, stolen, efficiency })
        });
        Self {
            total: now.meminfo.total,
            swap_total: now.meminfo.swap_total,
            memory: sizes(&now.meminfo, before.map(|before| &before.meminfo), over),
            pressure: pressure(now, before, over),
            reclaim: reclaim.collect(),
            events: events.collect(),
            zones: zones(now, before, over),
            kswapds: kswapds(now, before, over),
        }
    }

    /// A size by its name.
    #[must_use]
    pub fn size(&self, name: &str) -> Option<Bytes> {
        self.memory.iter().find(|size| size.name == name).map(|size| size.bytes)
    }
}

const RECLAIM: [(&str, Counter, Counter); 3] = [
    ("direct", Counter::ScanDirect, Counter::StealDirect),
    ("kswapd", Counter::ScanKswapd, Counter::StealKswapd),
    ("proactive", Counter::ScanProactive, Counter::StealProactive),
];

const EVENTS: [Counter; 19] = [
    Counter::AllocStall,
    Counter::ScanDirectThrottle,
    Counter::LowWatermarkHitQuickly,
    Counter::HighWatermarkHitQuickly,
    Counter::PageOutRun,
    Counter::Allocated,
    Counter::Freed,
    Counter::SwapIn,
    Counter::SwapOut,
    Counter::ZswapIn,
    Counter::ZswapOut,
    Counter::ZswapWriteback,
    Counter::Demoted,
    Counter::Promoted,
    Counter::RefaultAnon,
    Counter::RefaultFile,
    Counter::MajorFault,
    Counter::CompactStall,
    Counter::OomKill,
];

/// Pages are given as bytes.
fn counted(
    now: &sample::Host,
    before: Option<&sample::Host>,
    over: Option<Duration>,
    counter: Counter,
) -> Option<Counted> {
    let value = |host: &sample::Host| match counter.unit() {
        Unit::Pages => host.counters.bytes(counter).map(Bytes::get),
        Unit::Times => host.counters.get(counter),
    };
    let total = value(now)?;
    Some(Counted { total, per_second: per_second(Some(total), before.and_then(value), over) })
}

fn sizes(now: &Meminfo, before: Option<&Meminfo>, over: Option<Duration>) -> Vec<Size> {
    type Line = (&'static str, fn(&Meminfo) -> Option<Bytes>);
    const LINES: [Line; 10] = [
        ("MemFree", |meminfo| Some(meminfo.free)),
        ("MemAvailable", |meminfo| meminfo.available),
        ("Active(anon)", |meminfo| meminfo.active_anon),
        ("Inactive(anon)", |meminfo| meminfo.inactive_anon),
        ("Active(file)", |meminfo| meminfo.active_file),
        ("Inactive(file)", |meminfo| meminfo.inactive_file),
        ("Unevictable", |meminfo| meminfo.unevictable),
        ("SReclaimable", |meminfo| meminfo.slab_reclaimable),
        ("SUnreclaim", |meminfo| meminfo.slab_unreclaimable),
        ("SwapFree", |meminfo| meminfo.swap_free),
    ];
    let line = |(name, of): &Line| {
        let bytes = of(now)?;
        Some(Size { name, bytes, change: change(Some(bytes), before.and_then(of), over) })
    };
    LINES.iter().filter_map(line).collect()
}

fn pressure(now: &sample::Host, before: Option<&sample::Host>, over: Option<Duration>) -> Vec<Pressure> {
    type Of = fn(&sample::Pressure) -> Option<Stall>;
    const RESOURCES: [(&str, Of); 3] = [
        ("memory", |pressure| pressure.memory),
        ("io", |pressure| pressure.io),
        ("cpu", |pressure| pressure.cpu),
    ];
    let each = RESOURCES.iter().map(|(resource, of)| {
        let (now, before) = (of(&now.pressure), before.and_then(|before| of(&before.pressure)));
        let some = |stall: Option<Stall>| stall.map(|stall| stall.some);
        let full = |stall: Option<Stall>| stall.and_then(|stall| stall.full);
        Pressure {
            resource,
            some: share(some(now), some(before), over),
            full: share(full(now), full(before), over),
        }
    });
    each.collect()
}

fn zones(now: &sample::Host, before: Option<&sample::Host>, over: Option<Duration>) -> Vec<Zone> {
    let each = now.zones.iter().map(|zone| {
        let is_same = |other: &&lowtide_host::Zone| (other.node, &other.name) == (zone.node, &zone.name);
        let earlier = before.and_then(|before| before.zones.iter().find(is_same)).and_then(|zone| zone.free);
        Zone {
            node: zone.node,
            name: zone.name.clone(),
            free: zone.free,
            change: change(zone.free, earlier, over),
            min: zone.min,
            low: zone.low,
            high: zone.high,
            managed: zone.managed,
            fill: Fill::of(zone),
        }
    });
    each.collect()
}

impl Fill {
    fn of(zone: &lowtide_host::Zone) -> Option<Self> {
        let free = zone.free?;
        let (min, low, high) = (zone.min?, zone.low?, zone.high?);
        Some(match free {
            free if free < min => Self::BelowMin,
            free if free < low => Self::BelowLow,
            free if free < high => Self::BelowHigh,
            _ => Self::AboveHigh,
        })
    }
}

fn kswapds(now: &sample::Host, before: Option<&sample::Host>, over: Option<Duration>) -> Vec<Kswapd> {
    let each = now.kswapds.iter().map(|thread| {
        let is_same = |other: &&lowtide_host::Kswapd| (other.node, other.pid) == (thread.node, thread.pid);
        let earlier = before.and_then(|before| before.kswapds.iter().find(is_same)).map(|thread| thread.cpu);
        Kswapd { node: thread.node, pid: thread.pid, cpu: share(Some(thread.cpu), earlier, over) }
    });
    each.collect()
}

/// Of the time between the samples.
fn share(now: Option<Duration>, before: Option<Duration>, over: Option<Duration>) -> Option<Ratio> {
    let spent = now?.checked_sub(before?)?;
    over.filter(|over| !over.is_zero()).map(|over| Ratio::new(spent.as_secs_f64() / over.as_secs_f64()))
}
