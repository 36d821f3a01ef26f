//! A host that is about to run short: who is asked first, how hard, and what still stands against it.

use std::{sync::Arc, time::Duration};

use lowtide_core::{Action, ByType, Bytes, Cohort, Decision, Effect, Ratio, Reason, Stall};

use crate::bench::{Bench, asked, tenant, walked};

/// Two tenants that each have been idle for a while with so much of their 600 MiB.
fn bench(cold: [u64; 2]) -> Bench {
    let mut bench = Bench::warm().without_page_cache();
    bench.seen.cgroups = [1, 2].map(tenant).to_vec();
    let mut bench = bench.without_page_cache();
    (0..3).for_each(|_| drop(bench.tick()));
    for (cgroup, cold) in bench.seen.cgroups.iter_mut().zip(cold) {
        let size = ByType { anon: Bytes::mib(cold), file: Bytes::ZERO };
        // Too young for what it is worth at the price of an hour without haste.
        let idle = Cohort { youngest: Duration::from_mins(6), oldest: None, size };
        let young = ByType { anon: Bytes::mib(600 - cold), file: Bytes::ZERO };
        let hot = Cohort { youngest: Duration::ZERO, oldest: Some(Duration::from_secs(10)), size: young };
        let mut reading = walked(bench.now, idle);
        reading.cohorts = Arc::new([idle, hot]);
        cgroup.reading = Some(Arc::new(reading));
    }
    bench
}

fn by_tenant(decisions: &[Decision]) -> Vec<(Reason, u64)> {
    decisions.iter().map(|decision| (decision.reason, asked(decision).get() >> 20)).collect()
}

#[test]
fn who_has_most_cold_memory_is_asked_first_and_for_more_at_once() {
    let calm = by_tenant(&bench([100, 400]).tick());
    let mut bench = bench([100, 400]);
    // 20 MiB a second were 1200 in a minute, and have just ended; 1090 can be had.
    bench.uses_up(20, Bytes::mib(1_090));
    let short = by_tenant(&bench.tick());
    assert_eq!(short[1].0, Reason::RunningShort, "{short:?}");
    assert!(short[1].1 >= 4 * calm[1].1.max(1), "{calm:?} {short:?}");
    assert_ne!(short[0].0, Reason::RunningShort, "what is missing was found: {short:?}");
}

#[test]
fn the_next_one_is_asked_too_where_one_is_not_enough() {
    let mut bench = bench([100, 400]);
    bench.uses_up(40, Bytes::mib(400));
    let short = by_tenant(&bench.tick());
    let asked_for = |place: usize| matches!(short[place].0, Reason::RunningShort | Reason::PerMinute);
    assert!(asked_for(0) && asked_for(1), "{short:?}");
}

#[test]
fn as_long_as_there_is_enough_nobody_is_asked_in_haste() {
    let mut bench = bench([100, 400]);
    bench.uses_up(20, Bytes::mib(4_000));
    assert!(by_tenant(&bench.tick()).iter().all(|(reason, _)| *reason != Reason::RunningShort));
}

#[test]
fn a_host_with_little_free_and_much_page_cache_is_not_short() {
    let mut bench = bench([100, 400]);
    bench.seen.host.zones[0].free = Bytes::mib(60);
    bench.uses_up(20, Bytes::mib(10_000));
    assert!(by_tenant(&bench.tick()).iter().all(|(reason, _)| *reason != Reason::RunningShort));
}

/// The price is all that is remembered of a breach.
#[test]
fn who_has_just_broken_its_slo_is_asked_little() {
    let wanted = |breaks: bool| {
        let mut bench = bench([100, 400]);
        bench.seen.cgroups[1].alarm = breaks;
        bench.seen.cgroups[1].effects =
            vec![Effect { requested: Bytes::mib(9), freed: Bytes::mib(9), ..Effect::default() }];
        bench.tick();
        bench.uses_up(40, Bytes::mib(400));
        bench.tick()[1].figures.price
    };
    assert!(wanted(true) < wanted(false), "{} {}", wanted(true), wanted(false));
}

/// It is the host's need, and not the tenant's fault: its SLO, its floor and its share a minute hold.
#[test]
fn the_tenants_own_bounds_hold() {
    let mut broken = bench([100, 400]);
    broken.uses_up(40, Bytes::mib(400));
    broken.seen.cgroups[1].memory_pressure = Some(Stall { some: Duration::from_hours(1), full: None });
    let decisions = broken.tick();
    assert_eq!((decisions[1].action, decisions[1].reason), (Action::Hold, Reason::MemoryPressure));
    let mut floor = bench([100, 400]);
    floor.policy().limits.floor = Bytes::mib(2_000);
    floor.uses_up(40, Bytes::mib(400));
    assert!(floor.tick().iter().all(|decision| decision.reason == Reason::Floor));
    let mut slow = bench([100, 400]);
    slow.policy().limits.per_minute = Ratio::percent(1.0);
    slow.uses_up(40, Bytes::mib(400));
    let minute = slow.seen.cgroups[1].memory.current.scale(Ratio::percent(1.0));
    assert!(asked(&slow.tick()[1]) <= minute);
}
