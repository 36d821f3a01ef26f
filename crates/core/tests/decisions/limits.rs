//! The figures of each bound, and that none of them rounds a small step away.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use lowtide_core::{Action, ByType, Bytes, Limit, Ratio, Reason, Scope, reading::Cohort};

use crate::bench::{BATCH, Bench, INTERVAL, asked, walked};

const MINUTE: Duration = Duration::from_mins(1);

type Protect = fn(&mut Bench, Bytes);

#[test]
fn goes_down_to_what_is_protected_and_no_further() {
    let left = Bytes::mib(1);
    let protections: [(Protect, Reason); 3] = [
        (|bench, amount| bench.policy().limits.floor = amount, Reason::Floor),
        (|bench, amount| bench.memory().min = amount, Reason::Protected),
        (|bench, amount| bench.memory().low = amount, Reason::Protected),
    ];
    for (protect, reason) in protections {
        let mut bench = Bench::eager();
        protect(&mut bench, Bytes::mib(999));
        let decision = bench.decide();
        assert_eq!((asked(&decision), decision.reason), (left, reason));
    }
}

#[test]
fn the_greatest_protection_counts() {
    let mut bench = Bench::eager();
    bench.policy().limits.floor = Bytes::mib(990);
    bench.memory().min = Bytes::mib(998);
    bench.memory().low = Bytes::mib(994);
    let decision = bench.decide();
    assert_eq!((asked(&decision), decision.reason), (Bytes::mib(2), Reason::Protected));
}

#[test]
fn swap_max_bounds_its_own_cgroup() {
    let mut bench = Bench::eager().without_page_cache();
    bench.memory().swap_current = Some(Bytes::mib(7));
    bench.memory().swap_max = Some(Limit::At(Bytes::mib(8)));
    let decision = bench.decide();
    assert_eq!((asked(&decision), decision.reason), (Bytes::mib(1), Reason::SwapMax));
    bench.memory().swap_max = Some(Limit::Max);
    assert_eq!(bench.decide().file_only, None);
}

/// Kind 6.
#[test]
fn swap_max_of_a_cgroup_above_bounds_it_too() {
    let mut bench = Bench::eager().without_page_cache();
    bench.memory().above.swap = Some(Bytes::mib(1));
    let decision = bench.decide();
    assert_eq!((asked(&decision), decision.reason), (Bytes::mib(1), Reason::SwapMax));
    bench.memory().above.swap = Some(Bytes::ZERO);
    assert_eq!(bench.decide().file_only, Some(Reason::SwapMax));
}

/// Kind 6: 9 of 10 bytes are huge pages of hugetlbfs, or locked.
#[test]
fn the_limit_per_minute_is_a_share_of_what_can_go() {
    let mut bench = Bench::eager();
    let all = bench.decide().figures.minute_left;
    let mut bench = Bench::eager();
    bench.memory().current = Bytes::mib(10_000);
    assert_eq!(bench.decide().figures.minute_left, all);
}

#[test]
fn no_more_than_is_on_the_lists() {
    let mut bench = Bench::eager();
    bench.seen.host.tiers.clear();
    bench.memory().stat.inactive_file = Bytes::mib(4);
    bench.memory().stat.active_file = Bytes::mib(1);
    bench.memory().stat.file_mapped = Bytes::mib(2);
    let decision = bench.decide();
    // One is the last of it, two are mapped.
    assert_eq!(decision.action, Action::Reclaim { amount: Bytes::mib(2), scope: Scope::File });
    assert_eq!(decision.reason, Reason::NothingReclaimable);
}

/// What went in any sixty seconds is within the limit, whatever the interval; and the limit can be reached.
#[test]
fn the_limit_per_minute_slides() {
    for interval in [300, 2_000, 7_000, 31_000].map(Duration::from_millis) {
        let mut bench = Bench::eager();
        let limit = Bytes::mib(400);
        let mut recent: VecDeque<(Duration, Bytes)> = VecDeque::new();
        let mut most = Bytes::ZERO;
        let ticks = (MINUTE * 10).as_millis() / interval.as_millis();
        for _ in 0..ticks {
            let decision = bench.tick_after(interval).remove(0);
            bench.confirm(&decision);
            recent.push_back((bench.now, asked(&decision)));
            while recent.front().is_some_and(|(at, _)| *at + MINUTE <= bench.now) {
                recent.pop_front();
            }
            let sum = recent.iter().map(|(_, amount)| *amount).sum();
            assert!(sum <= limit, "{sum} within a minute at {interval:?}");
            most = most.max(sum);
        }
        assert!(most >= Bytes::mib(380), "{most} at {interval:?}");
    }
}

/// etmem's steps rounded to zero for two years. Ours are saved up until they are worth a request.
#[test]
fn small_steps_are_saved_up() {
    let mut bench = Bench::eager();
    bench.policy().limits.per_minute = Ratio::percent(0.1);
    bench.now += INTERVAL;
    let minutes = 30;
    let (mut total, mut requests) = (Bytes::ZERO, 0_u32);
    for _ in 0..minutes * 30 {
        let decision = bench.decide();
        bench.confirm(&decision);
        match decision.action {
            Action::Hold => assert!(
                matches!(decision.reason, Reason::StepTooSmall | Reason::PerMinute),
                "{}",
                decision.reason
            ),
            Action::Reclaim { amount, .. } => {
                assert!(amount >= BATCH);
                total += amount;
                requests += 1;
            }
        }
    }
    // 0.1 % of 1000 MiB a minute, less what is left of each minute after whole batches.
    assert!(total > Bytes::mib(24) && total <= Bytes::mib(31), "{total} in {requests} requests");
}

#[test]
fn what_was_saved_up_is_lost_when_harm_is_seen() {
    let mut bench = Bench::warm();
    bench.policy().limits.per_minute = Ratio::percent(0.1);
    bench.decide();
    let saved = bench.decide().figures.wanted;
    bench.cgroup().alarm = true;
    bench.decide();
    let after = (0..20).map(|_| bench.decide()).find(|decision| decision.reason == Reason::StepTooSmall);
    let after = after.expect("it goes on after the calm and a new warm-up");
    assert!(after.figures.wanted < saved, "{} after, {saved} before", after.figures.wanted);
}

#[test]
fn two_ticks_at_once_ask_once() {
    let mut bench = Bench::warm().without_page_cache();
    let first = bench.decide();
    assert!(!asked(&first).is_zero());
    let again = bench.tick_after(Duration::ZERO).remove(0);
    assert_eq!((asked(&again), again.reason), (Bytes::ZERO, Reason::StepTooSmall));
}

/// Of what is mapped only that goes which ages show to be idle: all idle page cache, but for what nobody
/// maps.
#[test]
fn program_text_goes_by_ages_alone() {
    let asked = |idle_file: u64, age: u32| {
        let mut bench = Bench::warm();
        bench.policy().slo.memory_pressure = Ratio::percent(10.0);
        let stat = &mut bench.memory().stat;
        (stat.inactive_file, stat.active_file, stat.file_mapped) =
            (Bytes::mib(2), Bytes::mib(4), Bytes::mib(4));
        let size = ByType { anon: Bytes::ZERO, file: Bytes::mib(idle_file) };
        let cohort = Cohort { youngest: bench.policy().cold_after * age, oldest: None, size };
        bench.cgroup().reading = Some(Arc::new(walked(bench.now, cohort)));
        match bench.decide().action {
            Action::Reclaim { amount, scope: Scope::File } => amount.get() >> 20,
            Action::Reclaim { .. } | Action::Hold => 0,
        }
    };
    // Two MiB are mapped by nobody, the last of which stays.
    assert_eq!([asked(0, 5), asked(2, 5)], [1, 1]);
    assert_eq!(asked(5, 5), 4);
    assert_eq!(asked(5, 2), 1, "too young for what a program's next step may wait for");
}
