use super::*;
use crate::{
    balancer::{Below, End},
    tier::TierKind,
};
use proptest::prelude::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// 100 MiB of DRAM for pages that compress to a third, `percent` of it taken.
fn store(percent: u64) -> Store {
    Store {
        kind: TierKind::Zram,
        device: "zram0".into(),
        slots: Bytes::mib(1000),
        slots_used: Bytes::mib(percent * 3),
        stored: Bytes::mib(percent * 3),
        resident: Bytes::mib(percent),
        incompressible: Bytes::ZERO,
        resident_limit: Some(Bytes::mib(100)),
        below: Some(Below {
            device: "/dev/b".into(),
            capacity: Bytes::mib(1000),
            used: Bytes::ZERO,
            written: Bytes::ZERO,
            page: Bytes::pages(1),
        }),
    }
}

fn now(seconds: u64) -> Now {
    Now { at: at(seconds), uptime: at(100_000), budget_left: Bytes::mib(10_000), ..Now::default() }
}

fn reason(balancer: &mut Balancer, store: &Store, now: Now) -> (&'static str, Reason) {
    let decision = balancer.decide(store, &Settings::default(), now);
    (decision.settle.name(), decision.reason)
}

#[test]
fn from_the_watermark_down_to_the_low_mark() {
    let mut balancer = Balancer::default();
    for (seconds, percent, expected) in [
        (0, 75, ("hold", Reason::BelowWatermark)),
        (1000, 80, ("sink", Reason::Watermark)),
        (2000, 75, ("sink", Reason::Draining)),
        (3000, 71, ("sink", Reason::Draining)),
        (4000, 70, ("hold", Reason::BelowWatermark)),
        (5000, 75, ("hold", Reason::BelowWatermark)),
        (6000, 95, ("sink", Reason::Watermark)),
    ] {
        assert_eq!(reason(&mut balancer, &store(percent), now(seconds)), expected, "{percent} %");
    }
}

#[test]
fn the_amount_is_what_is_above_the_low_mark_uncompressed() {
    let decision = Balancer::default().decide(&store(90), &Settings::default(), now(0));
    let Settle::Sink { amount, from, .. } = decision.settle else { unreachable!() };
    assert!(Bytes::mib(60) - amount <= Bytes::pages(1), "{amount}");
    assert_eq!(from, Some(at(100_000)));
    assert_eq!(decision.figures.drained_in.map(|time| time.as_millis()), Some(937), "60 MiB at 64 MiB/s");
}

#[test]
fn it_starts_early_when_it_fills_faster_than_it_drains() {
    let mut balancer = Balancer::default();
    assert_eq!(reason(&mut balancer, &store(60), now(0)), ("hold", Reason::BelowWatermark));
    // 15 MiB in 10 s: full in 16 s.
    assert_eq!(reason(&mut balancer, &store(75), now(10)), ("hold", Reason::BelowWatermark));
    assert_eq!(reason(&mut balancer, &store(78), now(11)), ("hold", Reason::BelowWatermark));
    let mut balancer = Balancer::default();
    assert_eq!(reason(&mut balancer, &store(50), now(0)), ("hold", Reason::BelowWatermark));
    assert_eq!(reason(&mut balancer, &store(79), now(10)), ("sink", Reason::Filling));
    assert_eq!(reason(&mut balancer, &store(79), now(1000)), ("sink", Reason::Draining));
}

#[test]
fn without_a_limit_the_fill_is_what_is_in_dram_of_the_slots() {
    let mut store = Store { resident_limit: None, slots: Bytes::mib(300), ..store(90) };
    assert!((store.fill().memory.get() - 0.9).abs() < 1e-9);
    // All slots stay taken when half of it has sunk.
    store.stored = Bytes::mib(135);
    assert!((store.fill().memory.get() - 0.45).abs() < 1e-9 && store.fill().slots.get() > 0.89);
    assert_eq!(reason(&mut Balancer::default(), &store, now(0)), ("hold", Reason::Slots));
}

#[test]
fn what_speaks_against_it() {
    let full = Below { used: Bytes::mib(1000) - Bytes::pages(1), ..store(85).below.unwrap() };
    let strained = |strain| Now { strain, ..now(0) };
    for (store, now, expected) in [
        (Store { below: None, ..store(85) }, now(0), Reason::NoBacking),
        (Store { below: Some(full), ..store(85) }, now(0), Reason::BackingFull),
        (store(85), Now { in_flight: true, ..now(0) }, Reason::InFlight),
        (store(85), Now { budget_left: Bytes::new(4095), ..now(0) }, Reason::WriteBudget),
        (store(95), strained(Strain::Trigger), Reason::Trigger),
        (store(89), strained(Strain::Io), Reason::IoPressure),
        (store(89), strained(Strain::Memory), Reason::MemoryPressure),
    ] {
        assert_eq!(reason(&mut Balancer::default(), &store, now), ("hold", expected));
    }
    for strain in [Strain::Memory, Strain::Io] {
        let nearly_full = reason(&mut Balancer::default(), &store(91), strained(strain));
        assert_eq!(nearly_full, ("sink", Reason::Watermark), "a full store is the greater harm");
    }
}

#[test]
fn what_a_run_says_about_the_next_one() {
    let settings = Settings::default();
    let emptied = Some(settings.min_age);
    for (run, expected) in [
        (Run { end: End::Failed, ..Run::default() }, ("hold", Reason::Failed)),
        (Run { end: End::Busy, ..Run::default() }, ("sink", Reason::Busy)),
        (Run { emptied, ..Run::default() }, ("sink", Reason::NothingOld)),
        (Run { emptied, moved: Bytes::mib(1), ..Run::default() }, ("sink", Reason::Watermark)),
        (Run { end: End::Full, ..Run::default() }, ("hold", Reason::BackingFull)),
    ] {
        let mut balancer = Balancer::default();
        assert_eq!(reason(&mut balancer, &store(90), now(0)), ("sink", Reason::Watermark));
        balancer.ran(&store(90), run, at(5));
        assert_eq!(reason(&mut balancer, &store(90), now(10)), expected, "{run:?}");
        assert!(!run.goes_on(settings.min_age), "{run:?}");
    }
    assert!(Run { moved: Bytes::mib(1), ..Run::default() }.goes_on(settings.min_age));
}

/// The run that filled the slower device is no reason to stay away once a part of that is free again.
#[test]
fn a_device_that_was_full_is_tried_again_when_pages_have_left_it() {
    let with = |used| {
        let below = store(90).below.map(|below| Below { used, ..below });
        Store { below, ..store(90) }
    };
    let mut balancer = Balancer::default();
    reason(&mut balancer, &with(Bytes::mib(100)), now(0));
    balancer.ran(
        &with(Bytes::mib(100)),
        Run { moved: Bytes::mib(50), end: End::Full, ..Run::default() },
        at(5),
    );
    for (mib, expected) in [(150, Reason::BackingFull), (149, Reason::Watermark)] {
        assert_eq!(reason(&mut balancer, &with(Bytes::mib(mib)), now(10)).1, expected, "{mib} MiB");
    }
}

#[test]
fn a_device_that_fails_is_tried_ever_more_rarely() {
    let mut balancer = Balancer::default();
    let failed = Run { end: End::Failed, ..Run::default() };
    let mut seconds = 0;
    for pause in [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600] {
        balancer.ran(&store(90), failed, at(seconds));
        assert_eq!(reason(&mut balancer, &store(90), now(seconds + pause - 1)), ("hold", Reason::Failed));
        seconds += pause;
        assert_eq!(reason(&mut balancer, &store(90), now(seconds)), ("sink", Reason::Failed), "{pause} s");
    }
    balancer.ran(&store(90), Run { end: End::Stopped, ..Run::default() }, at(seconds));
    balancer.ran(&store(90), failed, at(seconds));
    assert_eq!(reason(&mut balancer, &store(90), now(seconds + 3599)), ("hold", Reason::Failed));
    balancer.ran(&store(90), Run { moved: Bytes::mib(1), ..Run::default() }, at(seconds));
    balancer.ran(&store(90), failed, at(seconds));
    assert_eq!(reason(&mut balancer, &store(90), now(seconds + 10)), ("sink", Reason::Failed));
}

/// An age of the time since the boot would mark all pages, however young.
#[test]
fn soon_after_the_boot_nothing_is_old() {
    let min_age = Settings::default().min_age;
    for (uptime, expected) in [
        (Duration::ZERO, ("hold", Reason::NothingOld)),
        (min_age + at(1), ("hold", Reason::NothingOld)),
        (min_age + at(2), ("sink", Reason::Watermark)),
    ] {
        let now = Now { uptime, ..now(0) };
        assert_eq!(reason(&mut Balancer::default(), &store(95), now), expected, "{uptime:?}");
    }
}

#[test]
fn without_access_times_it_marks_all_and_waits_for_the_age() {
    let mut balancer = Balancer::default();
    let minutes = |minutes: u64| now(minutes * 60);
    assert_eq!(reason(&mut balancer, &store(85), minutes(0)), ("sink", Reason::Watermark));
    balancer.ran(&store(85), Run { end: End::Ageless, ..Run::default() }, at(1));
    assert_eq!(reason(&mut balancer, &store(85), minutes(1)), ("mark", Reason::Marking));
    balancer.marked(&"zram0".into(), at(61));
    assert_eq!(reason(&mut balancer, &store(85), minutes(11)), ("hold", Reason::Marking));
    let decision = balancer.decide(&store(85), &Settings::default(), minutes(12));
    assert!(matches!(decision.settle, Settle::Sink { from: None, .. }), "{decision:?}");
    let run = Run { emptied: Some(Settings::default().min_age), moved: Bytes::mib(1), ..Run::default() };
    balancer.ran(&store(75), run, at(725));
    assert_eq!(reason(&mut balancer, &store(75), minutes(13)), ("mark", Reason::Marking));
}

#[test]
fn the_speed_that_was_seen_counts_where_it_is_below_the_rate() {
    let mut balancer = Balancer::default();
    reason(&mut balancer, &store(90), now(0));
    balancer.ran(&store(90), Run { moved: Bytes::mib(40), took: at(10), ..Run::default() }, at(10));
    let decision = balancer.decide(&store(90), &Settings::default(), now(1000));
    assert_eq!(decision.figures.drained_in.map(|time| time.as_secs()), Some(15), "60 MiB at 4 MiB/s");
}

fn any_store() -> impl Strategy<Value = Store> {
    let bytes = || prop_oneof![0_u64..1 << 34, Just(0), Just(u64::MAX)].prop_map(Bytes::new);
    let below = (bytes(), bytes(), bytes()).prop_map(|(capacity, used, written)| Below {
        device: "/dev/b".into(),
        capacity,
        used,
        written,
        page: Bytes::kib(64),
    });
    let numbers = (bytes(), bytes(), bytes(), bytes());
    (numbers, prop::option::of(bytes()), prop::option::of(below)).prop_map(
        |((slots, slots_used, stored, resident), resident_limit, below)| Store {
            kind: TierKind::Zram,
            device: "zram0".into(),
            slots,
            slots_used,
            stored,
            resident,
            incompressible: Bytes::ZERO,
            resident_limit,
            below,
        },
    )
}

proptest! {
    #[test]
    fn never_more_than_the_budget_the_room_or_the_rate(
        stores in prop::collection::vec((any_store(), any::<u64>(), any::<u32>()), 1..20),
    ) {
        let (mut balancer, settings) = (Balancer::default(), Settings::default());
        let mut time = Duration::ZERO;
        for (store, budget, seconds) in stores {
            time += Duration::from_secs(seconds.into());
            let now = Now { at: time, uptime: time, budget_left: Bytes::new(budget), ..Now::default() };
            let decision = balancer.decide(&store, &settings, now);
            if let Settle::Sink { amount, from, .. } = decision.settle {
                let below = store.below.clone().unwrap();
                prop_assert!(amount <= Bytes::new(budget) && amount <= below.capacity - below.used - below.page);
                prop_assert!(amount <= Bytes::mib(640) && !amount.is_zero() && amount == amount.whole(below.page));
                prop_assert!(from.is_some_and(|from| from >= settings.min_age));
                prop_assert!(store.fill().memory > settings.low);
            }
            balancer.ran(&store, Run { moved: Bytes::mib(2), took: at(1), ..Run::default() }, time);
        }
    }

    /// Between the marks, what it does depends on which of them was met last.
    #[test]
    fn it_never_turns_round_between_the_marks(fills in prop::collection::vec(0_u64..=100, 1..60)) {
        let mut balancer = Balancer::default();
        let mut draining = false;
        for (turn, percent) in fills.into_iter().enumerate() {
            // Far apart, so that nothing fills fast.
            let decision = balancer.decide(&store(percent), &Settings::default(), now(turn as u64 * 100_000));
            draining = (draining || percent >= 80) && percent > 70;
            prop_assert_eq!(matches!(decision.settle, Settle::Sink { .. }), draining, "{} %", percent);
        }
    }
}

/// Pages belong below from twenty minutes on.
fn placing(seconds: u64) -> Now {
    Now { belong_from: Some(Duration::from_mins(20)), ..now(seconds) }
}

#[test]
fn what_belongs_below_sinks_whatever_the_fill() {
    let mut balancer = Balancer::default();
    let decision = balancer.decide(&store(40), &Settings::default(), placing(0));
    let min_age = Duration::from_mins(20);
    // Of 120 MiB, no more than there are, in the time to the next scan at 64 MiB/s.
    assert_eq!(
        (decision.settle, decision.reason),
        (
            Settle::Sink { amount: Bytes::mib(120), from: Some(at(100_000)), min_age, pages: Pages::All },
            Reason::Placement
        )
    );
    let run = Run { moved: Bytes::mib(30), took: at(1), emptied: Some(min_age), end: End::Done };
    balancer.ran(&store(40), run, at(10));
    let mut after = |seconds| balancer.decide(&store(30), &Settings::default(), placing(seconds)).reason;
    assert_eq!(after(20), Reason::BelowWatermark, "nothing can have grown old enough");
    assert_eq!(after(10 + 150), Reason::Placement, "an eighth of the age later");
}

#[test]
fn what_belongs_below_waits_for_the_write_budget_and_never_goes_younger_than_min_age() {
    let mut balancer = Balancer::default();
    let spent = Now { budget_left: Bytes::ZERO, ..placing(0) };
    assert_eq!(reason(&mut balancer, &store(40), spent), ("hold", Reason::WriteBudget));
    // A drain from full to the low mark takes 30 MiB of DRAM, 90 MiB uncompressed.
    let short = Now { budget_left: Bytes::mib(90), ..placing(0) };
    assert_eq!(reason(&mut balancer, &store(40), short), ("hold", Reason::BelowWatermark));
    let young = Now { belong_from: Some(at(1)), ..now(1) };
    let Settle::Sink { min_age, .. } = balancer.decide(&store(40), &Settings::default(), young).settle else {
        unreachable!()
    };
    assert_eq!(min_age, Settings::default().min_age);
    let nobody_knows = Now { belong_from: None, ..now(2) };
    assert_eq!(reason(&mut balancer, &store(40), nobody_knows), ("hold", Reason::BelowWatermark));
}

#[test]
fn what_did_not_compress_sinks_whatever_the_fill_as_often_as_it_can_have_grown_old() {
    let mut balancer = Balancer::default();
    let store = Store { incompressible: Bytes::mib(20), ..store(40) };
    let min_age = Settings::default().min_age;
    let decision = balancer.decide(&store, &Settings::default(), now(0));
    let pages = Pages::Incompressible;
    assert_eq!(
        (decision.settle, decision.reason),
        (
            Settle::Sink { amount: Bytes::mib(20), from: Some(at(100_000)), min_age, pages },
            Reason::Incompressible
        )
    );
    assert_eq!(reason(&mut balancer, &store, now(74)), ("hold", Reason::BelowWatermark));
    assert_eq!(reason(&mut balancer, &store, now(75)), ("sink", Reason::Incompressible));
    let spent = Now { budget_left: Bytes::ZERO, ..now(150) };
    assert_eq!(reason(&mut balancer, &store, spent), ("hold", Reason::WriteBudget));
    let nowhere = Store { below: None, ..store.clone() };
    assert_eq!(reason(&mut balancer, &nowhere, now(300)), ("hold", Reason::BelowWatermark));
    let few = Store { incompressible: Bytes::kib(512), ..store };
    assert_eq!(reason(&mut balancer, &few, now(600)), ("hold", Reason::BelowWatermark));
}
