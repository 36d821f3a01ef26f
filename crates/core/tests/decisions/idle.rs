//! Idle ages: what they may be believed of, and what they may not.

use std::{sync::Arc, time::Duration};

use lowtide_core::{Action, ByType, Bytes, Cohort, Decision, Ratio, Reading, Reason, Scope, reading::Left};

use crate::bench::{Bench, walked};

/// An hour old, all of it.
fn idle(bench: &mut Bench, anon: Bytes) {
    let size = ByType { anon, file: Bytes::mib(400) };
    let cohort = Cohort { youngest: Duration::from_hours(1), oldest: None, size };
    bench.cgroup().reading = Some(Arc::new(walked(bench.now, cohort)));
}

fn scope(decision: &Decision) -> Option<Scope> {
    match decision.action {
        Action::Reclaim { scope, .. } => Some(scope),
        Action::Hold => None,
    }
}

#[test]
fn tmpfs_looks_idle_however_often_it_is_read_so_it_is_not_counted() {
    let mut bench = Bench::warm();
    bench.policy().slo.memory_pressure = Ratio::percent(10.0);
    idle(&mut bench, Bytes::mib(600));
    bench.memory().stat.shmem = Bytes::mib(590);
    let decision = bench.decide();
    assert_eq!(decision.figures.idle, Some(Bytes::mib(10)));
    bench.memory().stat.shmem = Bytes::mib(700);
    let decision = bench.decide();
    assert_eq!(decision.figures.idle, Some(Bytes::ZERO));
    assert_ne!(scope(&decision), Some(Scope::Anon));
}

#[test]
fn a_kernel_that_chooses_the_type_itself_is_asked_no_earlier_than_without_ages() {
    for (anon, waits) in [(600, true), (600, false), (0, false)] {
        let mut bench = if waits { Bench::fresh() } else { Bench::warm() };
        bench.seen.host.reclaim_takes_swappiness = false;
        if waits {
            bench.tick();
        }
        idle(&mut bench, Bytes::mib(anon));
        let decision = bench.decide();
        if waits {
            assert_eq!((scope(&decision), decision.reason), (None, Reason::NothingCold), "{anon}");
        } else {
            assert_eq!(scope(&decision), Some(Scope::Any), "{anon} MiB idle");
        }
    }
}

#[test]
fn what_was_learnt_outlives_a_turn_in_which_the_cgroup_could_not_be_read() {
    let mut bench = Bench::eager();
    let before = bench.decide();
    let seen = std::mem::take(&mut bench.seen.cgroups);
    (0..2).for_each(|_| drop(bench.tick()));
    bench.seen.cgroups.clone_from(&seen);
    assert!(bench.decide().figures.price >= before.figures.price, "the price is still known");
    bench.seen.cgroups.clear();
    (0..3).for_each(|_| drop(bench.tick()));
    bench.seen.cgroups = seen;
    assert_eq!(bench.decide().reason, Reason::FirstSample, "but not for ever");
}

/// What left by request although it was in use is a reason to go on more slowly.
#[test]
fn the_pace_follows_the_precision_that_sampled_pages_show() {
    let wanted = |cold| {
        let mut bench = Bench::warm().without_page_cache();
        bench.policy().slo.memory_pressure = Ratio::percent(10.0);
        idle(&mut bench, Bytes::mib(600));
        let reading = bench.cgroup().reading.as_deref().cloned().unwrap();
        bench.cgroup().reading = Some(Arc::new(Reading { left: Some(Left { pages: 400, cold }), ..reading }));
        bench.decide().figures.wanted
    };
    let share = wanted(100).share_of(wanted(400)).get();
    // A quarter, at the upper end of its interval.
    assert!((0.25..0.32).contains(&share), "{share}");
}
