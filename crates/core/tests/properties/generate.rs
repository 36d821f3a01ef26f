//! Observations as no kernel would give them: huge, missing, falling, vanishing.

use std::{collections::HashMap, sync::Arc, time::Duration};

use lowtide_core::{
    Above, BlockReads, Budgets, ByType, ByteRate, Bytes, CgroupId, CgroupObservation, Effect,
    HostObservation, Limit, Limits, Lines, Memory, MemoryStat, Mode, NodeId, Pending, Policy, Ratio, Scope,
    Slo, Stall, Stored, SwapBound, Tier, TierId, TierKind, TierRules, ZswapBound,
    confinement::{Confinement, Ways, Why},
    reading::{Cohort, Reading, Resolution, Source},
    scan_pressure::{Kswapd, Zone},
};
use proptest::{option, prelude::*};

/// How many cgroups may be there at once.
pub(crate) const CGROUPS: u64 = 4;
/// The slower node of the host.
const NODE: NodeId = NodeId(1);

/// What is seen at one tick, and how long after the last one.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) after: Duration,
    pub(crate) host: HostObservation,
    pub(crate) cgroups: Vec<CgroupObservation>,
}

pub(crate) fn sequence() -> impl Strategy<Value = Vec<Seen>> {
    prop::collection::vec(seen(), 1..60)
}

/// Boxed: as a nest of tuples one sequence overflows a test's stack.
fn seen() -> BoxedStrategy<Seen> {
    let after = prop_oneof![
        1 => Just(0),
        6 => 100_u64..10_000,
        2 => 10_000_u64..120_000,
        1 => 0_u64..86_400_000,
    ];
    let cgroups = (0..CGROUPS).map(|id| option::weighted(0.9, cgroup(id))).collect::<Vec<_>>();
    (after, host(), cgroups)
        .prop_map(|(after, host, cgroups)| Seen {
            after: Duration::from_millis(after),
            host,
            cgroups: cgroups.into_iter().flatten().collect(),
        })
        .boxed()
}

/// Mostly what a server has, at times nothing or more than there is.
fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        8 => (0_u64..4_000).prop_map(Bytes::mib),
        2 => (0_u64..1_000_000).prop_map(Bytes::new),
        1 => Just(Bytes::ZERO),
        1 => any::<u64>().prop_map(Bytes::new),
    ]
}

/// A counter that mostly stands still, so that not every tick is a breach.
fn counter() -> impl Strategy<Value = Option<Bytes>> {
    prop_oneof![8 => Just(Some(Bytes::ZERO)), 2 => bytes().prop_map(Some), 1 => Just(None)]
}

fn stall() -> impl Strategy<Value = Option<Stall>> {
    let some = prop_oneof![8 => Just(0), 2 => 0_u64..10_000_000, 1 => any::<u64>()];
    option::weighted(0.95, some.prop_map(|micros| Stall { some: Duration::from_micros(micros), full: None }))
}

fn host() -> BoxedStrategy<HostObservation> {
    let tiers = prop::collection::vec(tier(), 0..3);
    let can = (any::<bool>(), any::<bool>());
    let zones = prop::collection::vec(zone(), 0..3);
    let reclaim = (counter(), option::of(0_u64..3), zones, option::of(kswapd()));
    (
        bytes(),
        (bytes(), option::of(bytes())),
        option::of(bytes()),
        reclaim,
        tiers,
        (reads(), added_latency()),
        can,
    )
        .prop_map(|(total, (free, available), low_watermark, reclaim, tiers, (reads, added_latency), can)| {
            let (reclaim_takes_swappiness, demotes) = can;
            let (direct_reclaim, allocation_stalls, zones, kswapd) = reclaim;
            HostObservation {
                total,
                free,
                available,
                low_watermark,
                direct_reclaim,
                allocation_stalls,
                zones,
                kswapd,
                swap_total: None,
                tiers,
                reads,
                added_latency,
                reclaim_takes_swappiness,
                zram: Stored::default(),
                ways: Ways::default(),
                demotes,
            }
        })
        .boxed()
}

fn zone() -> impl Strategy<Value = Zone> {
    (0_u32..2, bytes(), bytes(), bytes(), bytes()).prop_map(|(node, managed, free, low, high)| Zone {
        node,
        managed,
        free,
        low,
        high,
    })
}

fn kswapd() -> impl Strategy<Value = Kswapd> {
    (bytes(), bytes(), any::<u64>()).prop_map(|(scanned, stolen, low_watermark_hits)| Kswapd {
        scanned,
        stolen,
        low_watermark_hits,
    })
}

/// Of a node that is there, one that is not, or none.
fn added_latency() -> impl Strategy<Value = HashMap<NodeId, Duration>> {
    let node = prop::sample::select(vec![NODE, NodeId(7)]);
    prop::collection::hash_map(node, any::<u64>().prop_map(Duration::from_nanos), 0..2)
}

/// Of a device that is there, one that is not, or none.
fn reads() -> impl Strategy<Value = HashMap<Arc<str>, BlockReads>> {
    let device = prop::sample::select(vec!["zram", "disk", "gone"]);
    let reads = (any::<u64>(), any::<u64>())
        .prop_map(|(count, millis)| BlockReads { count, time: Duration::from_millis(millis) });
    prop::collection::hash_map(device.prop_map(Arc::from), reads, 0..2)
}

fn tier() -> impl Strategy<Value = Tier> {
    let kinds = vec![TierKind::Node, TierKind::Zswap, TierKind::Zram, TierKind::Disk];
    let kind = prop::sample::select(kinds);
    let optional = (option::weighted(0.2, bytes()), option::weighted(0.2, Just(TierId::from("zram"))));
    (kind, bytes(), bytes(), bytes(), bytes(), optional).prop_map(
        |(kind, capacity, used, stored, resident, (resident_limit, above))| Tier {
            kind,
            device: if kind == TierKind::Node { TierId::Node(NODE) } else { kind.name().into() },
            priority: None,
            capacity,
            used,
            stored,
            resident,
            resident_limit,
            above,
        },
    )
}

fn confined() -> impl Strategy<Value = Confinement> {
    let limit = prop_oneof![Just(Bytes::ZERO), bytes()];
    let swap = option::weighted(0.2, limit.prop_map(|limit| SwapBound { limit, why: Why::Forbidden }));
    let zswap = prop::sample::select(vec![ZswapBound::Free, ZswapBound::Stays]);
    (swap, zswap).prop_map(|(swap, zswap)| Confinement { swap, zswap, ..Confinement::default() })
}

fn cgroup(id: u64) -> BoxedStrategy<CgroupObservation> {
    let rarely = || prop::bool::weighted(0.05);
    let flags = (prop::bool::weighted(0.95), rarely(), rarely(), pending());
    let reading = option::weighted(0.5, reading());
    let memory = (memory(), confined());
    (memory, stall(), stall(), flags, prop::collection::vec(effect(), 0..2), reading)
        .prop_map(
            move |(
                (memory, confined),
                memory_pressure,
                io_pressure,
                (populated, opted_out, alarm, pending),
                effects,
                reading,
            )| {
                CgroupObservation {
                    id: CgroupId(id),
                    path: "/any".into(),
                    processor_time: None,
                    reads: [].into(),
                    policy: usize::try_from(id).unwrap_or_default(),
                    populated,
                    opted_out,
                    memory,
                    confined,
                    memory_pressure,
                    io_pressure,
                    alarm,
                    pending,
                    effects,
                    reading: reading.map(Arc::new),
                }
            },
        )
        .boxed()
}

fn pending() -> impl Strategy<Value = Pending> {
    prop_oneof![18 => Just(Pending::Nothing), 1 => Just(Pending::Queued), 1 => Just(Pending::InFlight)]
}

/// Of any time, with cohorts in any order.
fn reading() -> impl Strategy<Value = Reading> {
    let source = prop::sample::select(vec![Source::Mglru, Source::DamonVaddr]);
    let age = || prop_oneof![8 => 0_u64..1_000_000, 1 => any::<u64>()].prop_map(Duration::from_millis);
    let cohort =
        (age(), option::of(age()), bytes(), bytes()).prop_map(|(youngest, span, anon, file)| Cohort {
            youngest,
            oldest: span.map(|span| youngest.saturating_add(span)),
            size: ByType { anon, file },
        });
    let cohorts = (prop::collection::vec(cohort, 0..6), any::<bool>());
    (source, age(), age(), cohorts).prop_map(|(source, at, every, (mut cohorts, has_slow))| {
        let slow = if has_slow { cohorts.split_off(cohorts.len() / 2) } else { Vec::new() };
        Reading {
            source,
            at,
            every,
            cohorts: cohorts.into(),
            slow: Some(slow.into()),
            resolution: Resolution::Walks,
            left: None,
            touched: None,
        }
    })
}

fn memory() -> BoxedStrategy<Memory> {
    let protection = || prop_oneof![5 => Just(Bytes::ZERO), 1 => bytes()];
    let swap_max = prop_oneof![
        2 => Just(None),
        2 => Just(Some(Limit::Max)),
        1 => bytes().prop_map(|max| Some(Limit::At(max))),
    ];
    let size = (bytes(), bytes()).prop_map(|(anon, file)| ByType { anon, file });
    let slow = prop::collection::btree_map(Just(NODE), size, 0..2);
    let sizes = (bytes(), option::of(bytes()), option::of(bytes()));
    let above = (option::of(bytes()), option::of(bytes()), any::<bool>())
        .prop_map(|(swap, zswap, stays_in_zswap)| Above { swap, no_swap: false, zswap, stays_in_zswap });
    (sizes, protection(), protection(), swap_max, above, stat(), slow)
        .prop_map(|((current, swap_current, zswap_current), min, low, swap_max, above, stat, slow)| Memory {
            current,
            swap_current,
            min,
            low,
            swap_max,
            swap_high: None,
            above,
            zswap_current,
            stat,
            slow,
        })
        .boxed()
}

fn stat() -> impl Strategy<Value = MemoryStat> {
    let lists = (bytes(), bytes(), bytes(), bytes());
    (lists, counter(), counter(), counter(), option::of(bytes())).prop_map(
        |((inactive_anon, active_anon, inactive_file, active_file), refault, activate, writeback, cached)| {
            MemoryStat {
                inactive_anon,
                active_anon,
                inactive_file,
                active_file,
                swap_cached: cached,
                refault_anon: refault,
                activate_file: activate,
                zswap_writeback: writeback,
                ..MemoryStat::default()
            }
        },
    )
}

fn stored() -> impl Strategy<Value = Stored> {
    (bytes(), bytes(), bytes(), bytes()).prop_map(|(original, compressed, incompressible, sunk)| Stored {
        original,
        compressed,
        incompressible,
        sunk,
    })
}

fn effect() -> impl Strategy<Value = Effect> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let scope = prop::sample::select(vec![Scope::Any, Scope::Anon, Scope::Demote, Scope::Sink]);
    let sizes = (bytes(), bytes(), bytes(), bytes(), option::of(stored()));
    (scope, sizes, any::<u64>(), flags).prop_map(
        |(scope, (requested, freed, offloaded, demoted, stored), cpu, (partial, stopped, vanished))| Effect {
            scope,
            demoted,
            requested,
            freed,
            offloaded,
            stored,
            cpu: Duration::from_secs(cpu),
            wall: Duration::ZERO,
            partial,
            stopped,
            vanished,
        },
    )
}

/// One policy for each cgroup.
pub(crate) fn policies() -> impl Strategy<Value = Vec<Policy>> {
    prop::collection::vec(policy(), usize::try_from(CGROUPS).unwrap_or_default())
}

fn share() -> impl Strategy<Value = Ratio> {
    prop_oneof![3 => 0.0..1.0_f64, 1 => Just(0.0), 1 => Just(f64::MAX)].prop_map(Ratio::new)
}

fn policy() -> impl Strategy<Value = Policy> {
    let mode = prop::sample::select(vec![Mode::Observe, Mode::File, Mode::Full, Mode::Full]);
    let floor = prop_oneof![3 => Just(Bytes::ZERO), 1 => bytes()];
    (mode, share(), share(), option::of(share()), 0_u64..20, floor, 0.0..1.0_f64).prop_map(
        |(mode, memory_pressure, io_pressure, promotion_rate, cold_after, floor, per_minute)| Policy {
            name: "any".into(),
            mode,
            slo: Slo { memory_pressure, io_pressure, promotion_rate, ..Slo::default() },
            cold_after: Duration::from_secs(cold_after),
            tiers: TierRules::Any,
            tmpfs_to_disk: false,
            limits: Limits { floor, per_minute: Ratio::new(per_minute) },
            lines: Lines::around(Duration::from_secs(cold_after)),
        },
    )
}

pub(crate) fn budgets() -> impl Strategy<Value = Budgets> {
    (share(), bytes(), 0.0..1.0_f64, share(), bytes()).prop_map(
        |(reclaim_cpu, swap_out, reserve, watermark_distance, direct_reclaim)| Budgets {
            reclaim_cpu,
            swap_out: ByteRate::per_second(swap_out),
            swap_reserve: Ratio::new(reserve),
            watermark_distance,
            direct_reclaim: ByteRate::per_second(direct_reclaim),
            ..Budgets::default()
        },
    )
}
