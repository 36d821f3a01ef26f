//! The reasons one by one.

use std::time::Duration;

use lowtide_core::{
    Bytes, Ratio,
    watermarks::{Factor, Marks, Reason},
};

use crate::{EVERY, Watched, factor};

#[test]
fn a_host_without_direct_reclaim_is_left_alone() {
    let mut host = Watched::new();
    for _ in 0..100 {
        host.stall(0);
        let decision = host.look();
        assert_eq!((decision.action(), decision.reason), ("hold", Reason::Enough));
    }
}

#[test]
fn direct_reclaim_raises_by_what_was_reclaimed() {
    let mut host = Watched::new();
    // 80 times 32 pages are 10 MiB: 97 ten-thousandths of a GiB.
    host.stall(80);
    let decision = host.look();
    assert_eq!((decision.to, decision.reason), (factor(10 + 97), Reason::DirectReclaim));
    let after = host.look();
    assert_eq!((after.action(), after.reason), ("hold", Reason::Protected), "what it was raised for is past");
    // One stall alone raises by half of what there is.
    host.stall(1);
    assert_eq!(host.look().to, factor(107 + 53));
}

#[test]
fn a_step_takes_no_more_than_a_quarter_of_what_can_be_reclaimed() {
    let mut host = Watched::new();
    host.stall(1 << 20);
    // 528 MiB of 1024: a quarter is 1289 ten-thousandths; the default limit is 1000.
    assert_eq!(host.look().to, factor(1000));
    let mut host = Watched::new();
    (host.seen.file, host.seen.slab) = (Bytes::mib(30), Bytes::mib(2));
    host.stall(1 << 20);
    assert_eq!(host.look().to, factor(10 + 78));
    (host.seen.file, host.seen.slab) = (Bytes::mib(2), Bytes::mib(1));
    host.stall(1);
    assert_eq!(host.look().reason, Reason::NothingReclaimable);
}

#[test]
fn stalls_while_kswapd_failed_are_not_held_against_it_later() {
    let mut host = Watched::new();
    host.seen.gave_up = true;
    host.stall(80);
    assert_eq!(host.look().reason, Reason::KswapdFailing);
    host.seen.gave_up = false;
    host.stall(0);
    assert_eq!(host.look().reason, Reason::Enough);
}

/// A node full of locked pages keeps kswapd from it for ever.
#[test]
fn what_was_raised_goes_back_though_kswapd_fails() {
    let mut host = Watched::new();
    host.stall(80);
    assert!(host.look().to > factor(10));
    host.seen.gave_up = true;
    assert_eq!(host.quiet(Duration::from_hours(2)).to, factor(10));
}

#[test]
fn scanning_without_getting_anything_is_failing() {
    let mut host = Watched::new();
    host.stall(80);
    host.seen.stolen = Bytes::ZERO;
    assert_eq!(host.look().reason, Reason::KswapdFailing);
}

#[test]
fn it_stops_at_what_may_be_lost_and_comes_down_to_it() {
    let mut host = Watched::new();
    host.settings.available_loss = Ratio::percent(2.0);
    host.stall(1 << 20);
    let decision = host.look();
    assert_eq!((decision.to, decision.reason), (decision.figures.limit, Reason::DirectReclaim));
    // 2 % of 1024 MiB in four gaps: 5.12 MiB each, 50 ten-thousandths more than 10.
    assert_eq!(decision.to, factor(60));
    assert!(decision.figures.loss <= Bytes::mib(1024).scale(Ratio::percent(2.0)));
    host.stall(1);
    assert_eq!(host.look().reason, Reason::AtLimit);
    host.settings.available_loss = Ratio::percent(1.0);
    let decision = host.look();
    assert_eq!((decision.action(), decision.reason), ("lower", Reason::Limit));
}

/// kswapd need not sleep through a whole turn for that.
#[test]
fn what_could_not_be_answered_is_not_held_against_the_host_for_ever() {
    let mut host = Watched::new();
    host.settings.available_loss = Ratio::percent(2.0);
    host.stall(1 << 20);
    let limit = host.look().to;
    host.stall(1);
    assert_eq!(host.look().reason, Reason::AtLimit);
    let mut reasons = Vec::new();
    for _ in 0..60 {
        host.stall(0);
        reasons.push(host.look().reason);
    }
    assert_eq!(reasons[0], Reason::Protected);
    assert!(reasons.contains(&Reason::Calm) && host.factor < limit, "{reasons:?}");
}

#[test]
fn a_calm_host_gets_its_own_factor_back_in_four_protection_times() {
    let mut host = Watched::new();
    host.stall(800);
    let raised = host.look().to;
    let mut steps = Vec::new();
    let start = host.now;
    while host.factor > Factor::LEAST {
        let decision = host.look();
        if decision.action() == "lower" {
            assert_eq!(decision.reason, Reason::Calm);
            steps.push((host.now.saturating_sub(start), decision.from.get() - decision.to.get()));
        }
    }
    assert_eq!(steps.len(), 4);
    let above = f64::from(raised.get() - 10);
    assert!((f64::from(steps[0].1) / above - 0.25).abs() < 0.01, "{steps:?} from {raised}");
    assert!(steps[0].0 >= Duration::from_mins(5) && steps[3].0 < Duration::from_mins(21), "{steps:?}");
    assert_eq!(host.look().reason, Reason::Enough);
}

#[test]
fn a_kswapd_with_a_lot_to_do_keeps_its_head_start() {
    let mut host = Watched::new();
    host.stall(800);
    let raised = host.look().to;
    for _ in 0..200 {
        host.stall(0);
        host.seen.kswapd_cpu = host.seen.kswapd_cpu.map(|cpu| cpu + EVERY / 5);
        assert!(matches!(host.look().reason, Reason::Protected | Reason::KswapdBusy));
    }
    assert_eq!(host.factor, raised);
    // With little to do it begins to give it up.
    for _ in 0..200 {
        host.stall(0);
        host.seen.kswapd_cpu = host.seen.kswapd_cpu.map(|cpu| cpu + EVERY / 20);
        host.look();
    }
    assert!(host.factor < raised);
    assert_eq!(host.quiet(Duration::from_hours(1)).to, Factor::LEAST);
}

#[test]
fn a_kswapd_that_cannot_be_seen_is_busy_while_it_reclaims() {
    let mut host = Watched::new();
    host.seen.kswapd_cpu = None;
    host.stall(800);
    let raised = host.look().to;
    for _ in 0..200 {
        host.stall(0);
        host.look();
    }
    assert_eq!(host.factor, raised);
    assert_eq!(host.quiet(Duration::from_hours(1)).to, Factor::LEAST);
}

#[test]
fn memory_that_falls_faster_than_kswapd_was_seen_to_reclaim_is_met_in_time() {
    let mut host = Watched::new();
    // kswapd brought back 2 MiB in 6 s; then free memory falls by 40 MiB in each.
    host.stall(0);
    host.look();
    let mut decisions = Vec::new();
    while host.seen.zones[0].free > Bytes::mib(20) {
        host.seen.zones[0].free = host.seen.zones[0].free - Bytes::mib(40);
        decisions.push(host.look());
    }
    let raised = decisions.iter().find(|decision| decision.action() == "raise").unwrap();
    assert_eq!(raised.reason, Reason::Predicted);
    assert!(raised.figures.free > Marks::at(&host.seen.zones, raised.from).low, "before it is too late");
    assert_eq!(host.seen.allocation_stalls, 0);
}

#[test]
fn no_fall_is_met_that_kswapd_keeps_up_with() {
    let mut host = Watched::new();
    for _ in 0..20 {
        host.stall(0);
        host.seen.stolen += Bytes::mib(100);
        host.seen.zones[0].free = host.seen.zones[0].free - Bytes::mib(10);
        assert_eq!(host.look().reason, Reason::Enough);
    }
}
