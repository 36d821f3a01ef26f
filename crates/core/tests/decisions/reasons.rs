//! Every reason is reached by one departure from a healthy tenant, and says hold or reclaim as it means.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use lowtide_core::{
    Action, ByType, ByteRate, Bytes, Decision, Effect, Limit, Mode, Pending, Ratio, Reason, Scope, Stored,
    SwapBound, Tier, TierKind, TierRule, TierRules, ZswapBound, confinement::Why, reading::Cohort,
    scan_pressure::Kswapd,
};

use crate::bench::{BATCH, Bench, INTERVAL, walked};

/// kswapd looks at much for little, and free memory stays below the high watermark.
fn scan_pressure(bench: &mut Bench) {
    bench.seen.host.zones[0].free = Bytes::mib(59);
    let kswapd = Kswapd { scanned: Bytes::mib(100), stolen: Bytes::mib(10), low_watermark_hits: 1 };
    bench.seen.host.kswapd = Some(kswapd);
}

/// The host uses up what it has, and all of the tenant's anonymous memory is cold.
fn running_short(bench: &mut Bench) {
    let size = ByType { anon: Bytes::mib(600), file: Bytes::ZERO };
    let cohort = Cohort { youngest: Duration::from_hours(1), oldest: None, size };
    bench.cgroup().reading = Some(Arc::new(walked(bench.now, cohort)));
    bench.uses_up(100, Bytes::mib(1_000));
}

/// What a decision amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Holds(Reason),
    /// Nothing may go at all, because page cache alone would have been asked for.
    HoldsFor(Reason, Reason),
    Takes(Scope, Reason),
    /// Page cache only, and why.
    TakesFile(Reason),
}

use Outcome::{Holds, HoldsFor, Takes, TakesFile};

fn outcome(decision: &Decision) -> Outcome {
    match (decision.action, decision.file_only) {
        (Action::Hold, None) => Holds(decision.reason),
        (Action::Hold, Some(why)) => HoldsFor(decision.reason, why),
        (Action::Reclaim { scope: Scope::File, .. }, Some(why)) => TakesFile(why),
        (Action::Reclaim { scope, .. }, _) => Takes(scope, decision.reason),
    }
}

type Case = (&'static str, fn(&mut Bench), Outcome);

const CASES: &[Case] = &[
    (
        "healthy, page cache mostly mapped",
        |b| b.memory().stat.file_mapped = Bytes::mib(300),
        Takes(Scope::Anon, Reason::Headroom),
    ),
    ("healthy", |_| {}, Takes(Scope::Any, Reason::Headroom)),
    (
        "healthy, old kernel",
        |b| b.seen.host.reclaim_takes_swappiness = false,
        Takes(Scope::Any, Reason::Headroom),
    ),
    ("observe", |b| b.policy().mode = Mode::Observe, Holds(Reason::ObserveMode)),
    ("held out", |b| b.budgets.holdout.share = Ratio::ONE, Holds(Reason::HeldOut)),
    ("opted out", |b| b.cgroup().opted_out = true, Holds(Reason::OptedOut)),
    (
        "opted out, and would be held out",
        |b| {
            b.cgroup().opted_out = true;
            b.budgets.holdout.share = Ratio::ONE;
        },
        Holds(Reason::OptedOut),
    ),
    (
        "opted out under a policy that observes",
        |b| {
            b.cgroup().opted_out = true;
            b.policy().mode = Mode::Observe;
        },
        Holds(Reason::OptedOut),
    ),
    ("young", |b| b.policy().cold_after = Duration::from_hours(1), Holds(Reason::WarmingUp)),
    ("memory stall", |b| stall(&mut b.cgroup().memory_pressure), Holds(Reason::MemoryPressure)),
    ("io stall", |b| stall(&mut b.cgroup().io_pressure), Holds(Reason::IoPressure)),
    (
        "refaults that PSI does not see",
        |b| b.memory().stat.refault_anon = Some(Bytes::mib(100)),
        Holds(Reason::MemoryPressure),
    ),
    ("refaults beyond a bound", |b| bound(b, |stat| &mut stat.refault_anon), Holds(Reason::PromotionRate)),
    (
        "cache refaults beyond a bound",
        |b| bound(b, |stat| &mut stat.activate_file),
        Holds(Reason::PromotionRate),
    ),
    (
        "refaults of a swapoff that is under way",
        |b| {
            b.swap().used = Bytes::mib(1_000);
            b.seen.host.swap_total = Some(Bytes::mib(1_000));
            b.memory().stat.refault_anon = Some(Bytes::mib(100));
        },
        TakesFile(Reason::SwapReserve),
    ),
    (
        "refaults of a swapoff",
        |b| {
            b.seen.host.tiers.clear();
            b.memory().stat.refault_anon = Some(Bytes::mib(100));
        },
        TakesFile(Reason::NoSwap),
    ),
    ("trigger", |b| b.cgroup().alarm = true, Holds(Reason::Trigger)),
    ("after a trigger", after_a_trigger, Holds(Reason::CoolingDown)),
    ("at the floor", |b| b.policy().limits.floor = Bytes::mib(1_000), Holds(Reason::Floor)),
    ("memory.min", |b| b.memory().min = Bytes::mib(1_000), Holds(Reason::Protected)),
    ("memory.low", |b| b.memory().low = Bytes::MAX, Holds(Reason::Protected)),
    ("minute used up", |b| effect(b, 400, 400, Duration::ZERO), Holds(Reason::PerMinute)),
    ("CPU used up", |b| effect(b, 10, 10, Duration::from_secs(6)), Holds(Reason::ReclaimCpu)),
    ("freed nothing", |b| effect(b, 10, 0, Duration::ZERO), Holds(Reason::Ineffective)),
    ("no swap-out", |b| b.budgets.swap_out = ByteRate::per_second(Bytes::ZERO), TakesFile(Reason::SwapOut)),
    ("swap full", |b| b.swap().used = Bytes::mib(4_000), TakesFile(Reason::SwapReserve)),
    ("swap at reserve", |b| b.swap().used = Bytes::mib(3_600), TakesFile(Reason::SwapReserve)),
    ("no swap", |b| b.seen.host.tiers.clear(), TakesFile(Reason::NoSwap)),
    ("no swap, old kernel", no_swap_old_kernel, TakesFile(Reason::NoSwap)),
    ("swap.max 0", |b| b.memory().swap_max = Some(Limit::At(Bytes::ZERO)), TakesFile(Reason::SwapMax)),
    ("swap.high", |b| b.memory().swap_high = Some(Limit::At(Bytes::ZERO)), TakesFile(Reason::SwapMax)),
    ("tmpfs of a pod, and a disk", tmpfs, TakesFile(Reason::TmpfsToDisk)),
    (
        "the same before 6.12",
        tmpfs_before_swappiness,
        HoldsFor(Reason::FileOnlyUnsupported, Reason::TmpfsToDisk),
    ),
    ("tiers forbid", |b| confine(b, Bytes::ZERO), TakesFile(Reason::TierForbidden)),
    ("tiers bound", |b| confine(b, Bytes::mib(50)), TakesFile(Reason::TierAtMost)),
    ("zswap full, and nowhere else to go", no_room_in_zswap, TakesFile(Reason::SwapReserve)),
    ("does not compress", |b| incompressible(b, TierKind::Zram), TakesFile(Reason::Incompressible)),
    (
        "does not compress, a while later",
        |b| {
            incompressible(b, TierKind::Zram);
            b.now += Duration::from_mins(5);
        },
        Takes(Scope::Any, Reason::Incompressible),
    ),
    (
        "does not compress, and goes to a disk",
        |b| incompressible(b, TierKind::Disk),
        Takes(Scope::Any, Reason::Headroom),
    ),
    ("host short", |b| b.seen.host.free = Bytes::mib(50), TakesFile(Reason::LowWatermark)),
    ("scan pressure", scan_pressure, TakesFile(Reason::ScanPressure)),
    ("about to run short", running_short, Takes(Scope::Anon, Reason::RunningShort)),
    (
        "kswapd works hard, and there is plenty of free memory",
        |b| {
            scan_pressure(b);
            b.seen.host.zones[0].free = Bytes::mib(60);
        },
        Takes(Scope::Any, Reason::Headroom),
    ),
    ("file mode", |b| b.policy().mode = Mode::File, TakesFile(Reason::FileMode)),
    ("file mode, old kernel", file_mode_old_kernel, HoldsFor(Reason::FileOnlyUnsupported, Reason::FileMode)),
    (
        "direct reclaim",
        |b| b.seen.host.direct_reclaim = Some(Bytes::mib(1_000)),
        Holds(Reason::DirectReclaim),
    ),
    ("nothing on the lists", no_lists, Holds(Reason::NothingReclaimable)),
    ("in flight", |b| b.cgroup().pending = Pending::InFlight, Holds(Reason::InFlight)),
    ("queued", |b| b.cgroup().pending = Pending::Queued, Holds(Reason::Queued)),
    ("empty", |b| b.cgroup().populated = false, Holds(Reason::Unpopulated)),
    ("slow", |b| b.policy().limits.per_minute = Ratio::percent(0.1), Holds(Reason::StepTooSmall)),
    ("second look", second_look, Takes(Scope::Any, Reason::Ageing)),
    ("nothing idle", nothing_idle, Holds(Reason::NothingCold)),
    ("idle, but not worth its returns", not_worth_it, Holds(Reason::NotWorthIt)),
    ("slower node forbidden", slow_node_forbidden, Holds(Reason::NodeForbidden)),
    ("slower node full", slow_node_full, TakesFile(Reason::NodeReserve)),
    ("just appeared", |b| b.cgroup().id.0 += 1, Holds(Reason::FirstSample)),
];

/// So little comes back that nobody waits for long, and more than the policy allows.
fn bound(bench: &mut Bench, counter: fn(&mut lowtide_core::MemoryStat) -> &mut Option<Bytes>) {
    bench.policy().slo.promotion_rate = Some(Ratio::percent(0.01));
    *counter(&mut bench.memory().stat) = Some(Bytes::kib(128));
}

/// With 50 MiB in swap.
fn confine(bench: &mut Bench, limit: Bytes) {
    bench.memory().swap_current = Some(Bytes::mib(50));
    bench.cgroup().confined.swap = Some(SwapBound { limit, why: Why::AtMost });
}

fn tmpfs(bench: &mut Bench) {
    bench.cgroup().confined.swap = Some(SwapBound { limit: Bytes::ZERO, why: Why::Tmpfs });
}

/// Nothing can be asked for: a kernel without `swappiness=` takes both.
fn tmpfs_before_swappiness(bench: &mut Bench) {
    tmpfs(bench);
    bench.seen.host.reclaim_takes_swappiness = false;
}

fn no_room_in_zswap(bench: &mut Bench) {
    let (kind, capacity) = (TierKind::Zswap, Bytes::mib(100));
    let (used, resident, stored) = (capacity, capacity, Bytes::mib(300));
    let zswap = Tier { kind, capacity, used, resident, stored, ..bench.swap().clone() };
    bench.seen.host.tiers.insert(0, zswap);
    bench.cgroup().confined.zswap = ZswapBound::Stays;
}

/// As a request has shown to zram, that is gone since, or to what is there now.
fn incompressible(bench: &mut Bench, kind: TierKind) {
    let size = Bytes::mib(16);
    let stored = Stored { original: size, compressed: size, incompressible: size, sunk: Bytes::ZERO };
    let effect = Effect { requested: size, freed: size, offloaded: size, ..Effect::default() };
    bench.cgroup().effects = vec![Effect { stored: Some(stored), ..effect }];
    bench.swap().kind = kind;
    bench.tick();
    bench.tick_after(Duration::from_mins(1));
}

fn stall(pressure: &mut Option<lowtide_core::Stall>) {
    *pressure = Some(lowtide_core::Stall { some: Duration::from_millis(100), full: None });
}

fn effect(bench: &mut Bench, requested: u64, freed: u64, cpu: Duration) {
    let (requested, freed) = (Bytes::mib(requested), Bytes::mib(freed));
    bench.cgroup().effects =
        vec![Effect { requested, freed, cpu, partial: freed < requested, ..Effect::default() }];
}

fn second_look(bench: &mut Bench) {
    bench.cgroup().id.0 += 1;
    bench.policy().cold_after = Duration::from_hours(1);
    bench.tick();
}

fn after_a_trigger(bench: &mut Bench) {
    bench.cgroup().alarm = true;
    bench.tick();
}

fn no_swap_old_kernel(bench: &mut Bench) {
    bench.seen.host.reclaim_takes_swappiness = false;
    bench.seen.host.tiers.clear();
}

fn file_mode_old_kernel(bench: &mut Bench) {
    bench.seen.host.reclaim_takes_swappiness = false;
    bench.policy().mode = Mode::File;
}

/// Nor has page cache been watched for long enough.
fn nothing_idle(bench: &mut Bench) {
    bench.policy().cold_after = Duration::from_hours(1);
    let size = ByType { anon: Bytes::mib(600), file: Bytes::mib(400) };
    let cohort = Cohort { youngest: Duration::ZERO, oldest: None, size };
    bench.cgroup().reading = Some(Arc::new(walked(bench.now, cohort)));
}

/// It is old enough to go, but the price is low and the disk slow.
fn not_worth_it(bench: &mut Bench) {
    bench.policy().slo.memory_pressure = Ratio::percent(0.000_1);
    let size = ByType { anon: Bytes::mib(600), file: Bytes::ZERO };
    let cohort = Cohort { youngest: Duration::from_secs(40), oldest: None, size };
    bench.memory().stat.inactive_file = Bytes::ZERO;
    bench.memory().stat.active_file = Bytes::ZERO;
    bench.cgroup().reading = Some(Arc::new(walked(bench.now, cohort)));
}

fn slow_node_forbidden(bench: &mut Bench) {
    bench.slow_node(Bytes::mib(1_000));
    bench.policy().tiers = TierRules::Only([(TierKind::Zram, TierRule::default())].into());
}

fn slow_node_full(bench: &mut Bench) {
    bench.slow_node(Bytes::ZERO);
    let size = ByType { anon: Bytes::mib(600), file: Bytes::ZERO };
    let cohort = Cohort { youngest: Duration::from_hours(1), oldest: None, size };
    bench.cgroup().reading = Some(Arc::new(walked(bench.now, cohort)));
}

fn no_lists(bench: &mut Bench) {
    bench.memory().stat = lowtide_core::MemoryStat::default();
}

#[test]
fn each_case_has_its_reason() {
    for (name, depart, expected) in CASES {
        let mut bench = Bench::warm();
        depart(&mut bench);
        let decision = bench.decide();
        assert_eq!(outcome(&decision), *expected, "{name}");
        if let Action::Reclaim { amount, .. } = decision.action {
            assert!(amount >= BATCH, "{name}: {amount}");
        }
    }
}

#[test]
fn every_reason_is_reached() {
    let reached: BTreeSet<_> = CASES
        .iter()
        .flat_map(|(_, _, outcome)| match *outcome {
            Holds(reason) | Takes(_, reason) => vec![reason],
            HoldsFor(reason, why) => vec![reason, why],
            TakesFile(why) => vec![why],
        })
        .collect();
    assert_eq!(reached, Reason::ALL.iter().copied().collect());
}

#[test]
fn the_weightier_reason_is_the_one_given() {
    let mut bench = Bench::warm();
    stall(&mut bench.cgroup().memory_pressure);
    bench.cgroup().pending = Pending::InFlight;
    bench.policy().mode = Mode::Observe;
    assert_eq!(outcome(&bench.decide()), Holds(Reason::MemoryPressure));
    bench.cgroup().alarm = true;
    assert_eq!(outcome(&bench.decide()), Holds(Reason::Trigger));
    bench.cgroup().populated = false;
    assert_eq!(outcome(&bench.decide()), Holds(Reason::Unpopulated));
}

/// What observe mode says would be done is what full mode does.
#[test]
fn observe_mode_names_the_bounds_too() {
    let mut bench = Bench::warm();
    bench.policy().mode = Mode::Observe;
    bench.policy().limits.floor = Bytes::mib(1_000);
    let decision = bench.decide();
    assert_eq!(outcome(&decision), Holds(Reason::Floor));
    assert!(decision.figures.wanted > BATCH);
}

#[test]
fn one_decision_for_each_cgroup_in_order() {
    let mut bench = Bench::warm();
    bench.seen.cgroups = (1..=50).map(crate::bench::tenant).collect();
    bench.seen.cgroups[7].policy = 1;
    let ids: Vec<_> = bench.tick_after(INTERVAL).iter().map(|decision| decision.id.0).collect();
    let expected: Vec<_> = (1..=50).filter(|id| *id != 8).collect();
    assert_eq!(ids, expected, "a policy that is not there leaves its cgroup out");
    assert_eq!(bench.state.len(), 49);
    bench.seen.cgroups.clear();
    (0..3).for_each(|_| assert!(bench.tick().is_empty()));
    assert!(bench.state.is_empty());
}

/// Dashboards, alerts and runbooks have these: a change here is a new major version.
#[test]
fn numbers_and_names_are_an_interface() {
    let listed: Vec<_> = Reason::ALL.iter().map(|reason| (*reason as u8, reason.name())).collect();
    let pinned = [
        (1, "headroom"),
        (2, "observe_mode"),
        (3, "warming_up"),
        (4, "memory_pressure"),
        (5, "io_pressure"),
        (6, "promotion_rate"),
        (7, "trigger"),
        (8, "cooling_down"),
        (9, "floor"),
        (10, "protected"),
        (11, "per_minute"),
        (12, "reclaim_cpu"),
        (13, "swap_out"),
        (14, "swap_reserve"),
        (15, "no_swap"),
        (16, "swap_max"),
        (17, "low_watermark"),
        (18, "direct_reclaim"),
        (19, "nothing_reclaimable"),
        (20, "in_flight"),
        (21, "ineffective"),
        (22, "unpopulated"),
        (23, "file_only_unsupported"),
        (24, "file_mode"),
        (25, "first_sample"),
        (26, "step_too_small"),
        (27, "ageing"),
        (28, "nothing_cold"),
        (29, "tier_forbidden"),
        (30, "tier_at_most"),
        (31, "node_reserve"),
        (32, "node_forbidden"),
        (33, "incompressible"),
        (34, "not_worth_it"),
        (35, "queued"),
        (36, "held_out"),
        (37, "opted_out"),
        (38, "scan_pressure"),
        (39, "running_short"),
        (40, "tmpfs_to_disk"),
    ];
    assert_eq!(listed, pinned);
}

/// A container writes its first page of tmpfs, or a disk is switched on, while a request waits or runs.
#[test]
fn tmpfs_stops_what_is_being_swapped_out() {
    for pending in [Pending::InFlight, Pending::Queued] {
        let mut bench = Bench::eager();
        assert!(matches!(outcome(&bench.decide()), Takes(Scope::Any, _)));
        bench.cgroup().pending = pending;
        assert!(matches!(outcome(&bench.decide()), Holds(Reason::InFlight | Reason::Queued)));
        tmpfs(&mut bench);
        assert_eq!(outcome(&bench.decide()), Holds(Reason::TmpfsToDisk), "{pending:?}");
        bench.cgroup().pending = Pending::Nothing;
        assert_eq!(outcome(&bench.decide()), TakesFile(Reason::TmpfsToDisk));
        bench.cgroup().pending = pending;
        let held = outcome(&bench.decide());
        assert!(
            matches!(held, Holds(Reason::InFlight | Reason::Queued)),
            "page cache is on its way: {held:?}"
        );
    }
}

/// What speaks against a new request for anonymous memory speaks against the rest of the one that is being
/// written.
#[test]
fn scan_pressure_stops_what_is_being_swapped_out_and_no_request_for_page_cache() {
    let mut bench = Bench::eager();
    assert!(matches!(outcome(&bench.decide()), Takes(Scope::Any, _)));
    bench.cgroup().pending = Pending::InFlight;
    assert_eq!(outcome(&bench.decide()), Holds(Reason::InFlight));
    scan_pressure(&mut bench);
    assert_eq!(outcome(&bench.decide()), Holds(Reason::ScanPressure));
    bench.cgroup().pending = Pending::Nothing;
    assert_eq!(outcome(&bench.decide()), TakesFile(Reason::ScanPressure));
    bench.cgroup().pending = Pending::InFlight;
    assert_eq!(outcome(&bench.decide()), Holds(Reason::InFlight), "page cache alone is on its way");
    bench.cgroup().pending = Pending::Nothing;
    bench.tick_after(Duration::from_secs(30));
    assert!(matches!(outcome(&bench.decide()), Takes(Scope::Any, _)), "it is over");
}
