//! Did it work: what the loop makes of the requests that it made, and of what came back.

use std::time::Duration;

use lowtide_core::{Action, Bytes, Effect, Pending, Ratio, Reason, Stall};

use crate::bench::{Bench, INTERVAL, asked};

fn fruitless() -> Effect {
    Effect { requested: Bytes::mib(10), partial: true, ..Effect::default() }
}

/// Ticks until something is asked for, at most an hour.
fn ticks_until_asked(bench: &mut Bench) -> u32 {
    (1..=1_800).find(|_| !asked(&bench.decide()).is_zero()).unwrap_or(u32::MAX)
}

#[test]
fn waits_twice_as_long_after_each_fruitless_request() {
    let mut bench = Bench::warm();
    for expected in [2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        bench.cgroup().effects = vec![fruitless()];
        // The effect is learnt in the first of these ticks.
        assert_eq!(ticks_until_asked(&mut bench), expected + 1);
    }
    bench.cgroup().effects =
        vec![Effect { requested: Bytes::mib(10), freed: Bytes::mib(1), ..Effect::default() }];
    assert_eq!(ticks_until_asked(&mut bench), 1, "a tenth of what was asked is fruit enough");
    bench.cgroup().effects = vec![fruitless()];
    assert_eq!(ticks_until_asked(&mut bench), 3, "and makes good for what was before");
}

/// EAGAIN is "less than asked"; a request that was stopped or whose cgroup vanished proves nothing.
#[test]
fn only_the_amount_is_judged() {
    let no_proof = [
        Effect { freed: Bytes::mib(2), ..fruitless() },
        Effect { offloaded: Bytes::mib(2), ..fruitless() },
        Effect { stopped: true, ..fruitless() },
        Effect { vanished: true, ..fruitless() },
        Effect { requested: Bytes::ZERO, ..fruitless() },
    ];
    for effect in no_proof {
        let mut bench = Bench::warm();
        bench.cgroup().effects = vec![effect.clone()];
        assert!(!asked(&bench.decide()).is_zero(), "{effect:?}");
    }
}

#[test]
fn one_request_at_a_time() {
    let mut bench = Bench::warm();
    bench.cgroup().pending = Pending::InFlight;
    for _ in 0..100 {
        assert_eq!(bench.decide().reason, Reason::InFlight);
    }
    bench.cgroup().pending = Pending::Nothing;
    let after = bench.decide();
    // Waiting saves nothing up: the step is that of one interval.
    assert!(asked(&after) <= Bytes::mib(400).scale(Ratio::new(INTERVAL.as_secs_f64() / 60.0)));
}

#[test]
fn a_trigger_stops_until_pressure_is_back_under_the_slo() {
    let mut bench = Bench::warm();
    let before = bench.act().figures.price;
    bench.cgroup().alarm = true;
    let stopped = bench.decide();
    assert_eq!((stopped.action, stopped.reason), (Action::Hold, Reason::Trigger));
    assert!(stopped.figures.price < before.of(Ratio::new(0.3)));
    // 200 ms of stall: over 0.1 % of a minute for a minute.
    bench.cgroup().memory_pressure = Some(Stall { some: Duration::from_millis(200), full: None });
    let quiet: Vec<_> = (0..28).map(|_| bench.decide()).collect();
    assert!(quiet.iter().all(|decision| decision.action == Action::Hold), "within the minute");
    assert!(ticks_until_asked(&mut bench) <= 5, "and the SLO holds again after it");
}

#[test]
fn a_trigger_alone_is_ten_seconds_of_calm() {
    let mut bench = Bench::warm();
    bench.act();
    bench.cgroup().alarm = true;
    bench.decide();
    let reasons: Vec<_> = (0..5).map(|_| bench.decide().reason).collect();
    assert_eq!(reasons[..4], [Reason::CoolingDown; 4]);
    assert_eq!(reasons[4], Reason::Ageing, "what was known of the pages' ages is not relied on");
}

/// The record can be checked by hand: `wanted` is what its own figures say.
#[test]
fn a_step_follows_from_the_figures_it_is_recorded_with() {
    let mut bench = Bench::warm();
    bench.cgroup().memory_pressure = Some(Stall { some: Duration::from_millis(2), full: None });
    bench.memory().stat.refault_anon = Some(Bytes::kib(512));
    let step = bench.decide();
    let figures = step.figures;
    let eagerness = figures.price.of(figures.headroom).of(figures.accuracy);
    let pace = Ratio::percent(40.0).of(Ratio::new(INTERVAL.as_secs_f64() / 60.0));
    let by_hand = figures.footprint.scale(pace.of(eagerness));
    assert!(by_hand.signed_sub(figures.wanted).abs() <= 1, "{by_hand}, recorded {}", figures.wanted);
    assert_eq!(asked(&step), figures.wanted);
}

/// One breach is one step back, however long the minute remembers it.
#[test]
fn the_price_halves_once_for_a_breach() {
    let mut bench = Bench::warm();
    let before = bench.act().figures.price;
    bench.memory().stat.refault_anon = Some(Bytes::mib(50));
    let at_once = bench.decide().figures.price;
    assert!(at_once < before.of(Ratio::new(0.6)), "{before}, then {at_once}");
    for _ in 0..20 {
        let decision = bench.decide();
        assert_eq!((decision.reason, decision.figures.price), (Reason::MemoryPressure, at_once));
    }
}

/// A tenant that stalls by itself says nothing about requests that were not made.
#[test]
fn a_breach_that_lowtide_cannot_have_caused_stops_it_and_changes_nothing_else() {
    let mut bench = Bench::warm();
    let before = bench.decide().figures.price;
    bench.cgroup().memory_pressure = Some(Stall { some: Duration::from_millis(200), full: None });
    let held: Vec<_> = (0..20).map(|_| bench.decide()).collect();
    for decision in &held {
        assert_eq!(decision.reason, Reason::MemoryPressure);
        assert!(decision.figures.price >= before);
    }
    let after = (0..20).map(|_| bench.decide()).find(|decision| decision.reason != Reason::MemoryPressure);
    assert_eq!(after.map(|decision| decision.reason), Some(Reason::Headroom), "and no warm-up begins");
}

/// What holds for another reason than the tenant says nothing about the tenant.
#[test]
fn the_price_does_not_rise_while_the_host_holds() {
    let mut bench = Bench::warm();
    let mut prices: Vec<Ratio> = Vec::new();
    for second in 1..=100 {
        bench.seen.host.direct_reclaim = Some(Bytes::mib(100 * second));
        let decision = bench.decide();
        assert_eq!(decision.reason, Reason::DirectReclaim);
        prices.push(decision.figures.price);
    }
    assert!(prices.iter().all(|price| *price == prices[0]));
}

/// After everything came back once, the loop tries again within a quarter of an hour: the past fades.
#[test]
fn wrong_once_is_not_wrong_for_ever() {
    let mut bench = Bench::warm();
    bench.cgroup().effects =
        vec![Effect { requested: Bytes::mib(300), freed: Bytes::mib(300), ..Effect::default() }];
    bench.decide();
    bench.memory().stat.refault_anon = Some(Bytes::mib(300));
    bench.decide();
    let ticks = ticks_until_asked(&mut bench);
    assert!(ticks <= 15 * 30, "{} minutes", ticks / 30);
}

/// The tenant fills what was freed while it is being freed: memory.current does not fall, yet the kernel
/// answered that it had reclaimed all of it. The limit per minute is about that.
#[test]
fn a_busy_tenant_does_not_hide_what_was_taken_from_it() {
    let mut bench = Bench::eager();
    let mut total = Bytes::ZERO;
    for _ in 0..30 {
        let decision = bench.decide();
        let requested = asked(&decision);
        total += requested;
        if !requested.is_zero() {
            bench.cgroup().effects =
                vec![Effect { requested, freed: requested.scale(Ratio::new(0.2)), ..Effect::default() }];
        }
    }
    assert!(total <= Bytes::mib(400), "{total} asked and granted within a minute");
}

/// A pressure file that cannot be read for one tick is no sign of calm.
#[test]
fn one_missing_pressure_sample_is_not_calm() {
    let mut bench = Bench::warm();
    let stall = Some(Stall { some: Duration::from_secs(1), full: None });
    bench.cgroup().memory_pressure = stall;
    assert_eq!(bench.decide().reason, Reason::MemoryPressure);
    bench.cgroup().memory_pressure = None;
    assert_eq!(bench.decide().action, Action::Hold);
}
