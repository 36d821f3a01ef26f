//! What two looks at the host say.

use std::time::Duration;

use lowtide_core::{Bytes, Ratio, Stall};
use lowtide_host::{Counter, Meminfo, Unit};

use super::{
    host::{Counted, Event, Fill, Host, Kswapd, Pressure, Reclaim, Size, Zone},
    rate::{change, per_second},
};
use crate::sample;

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
