use super::*;
use proptest::prelude::*;

const WALK: Duration = Duration::from_secs(10);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn piece(youngest: u64, oldest: Option<u64>, mib: u64) -> Piece {
    Piece { youngest: seconds(youngest), oldest: oldest.map(seconds), size: Bytes::mib(mib) }
}

/// What MGLRU shows right after a walk every 10 s: two closed generations and the lump.
fn generations(hot: u64, warm: u64, lump: u64) -> Vec<Piece> {
    vec![piece(0, Some(10), hot), piece(10, Some(20), warm), piece(20, None, lump)]
}

fn between(faulted: u64, gone: u64) -> Between {
    let gone = Bytes::mib(gone);
    Between { elapsed: WALK, faulted: Bytes::mib(faulted), gone, may_be_gone: gone }
}

/// Learns, and tells what was touched that this source shows as old.
fn learn(ages: &mut Ages, reading: Vec<Piece>, gone: u64) -> Vec<(u64, u64)> {
    let seen = ages.learn(reading, between(0, gone));
    let touched = seen.touched().iter();
    let old = touched.filter(|touched| touched.age >= WALK * 2);
    old.map(|touched| (touched.age.as_secs(), touched.size.get() >> 20)).collect()
}

fn idle(ages: &Ages, at_least: u64) -> u64 {
    let pieces = ages.pieces().iter().filter(|piece| piece.youngest >= seconds(at_least));
    pieces.map(|piece| piece.size.get() >> 20).sum()
}

#[test]
fn a_steady_tenant_grows_old_beyond_what_the_source_can_tell() {
    let mut ages = Ages::default();
    for _ in 0..40 {
        assert_eq!(learn(&mut ages, generations(70, 0, 120), 0), []);
    }
    assert_eq!([idle(&ages, 20), idle(&ages, 300), idle(&ages, 410)], [120, 120, 120]);
    assert_eq!(idle(&ages, 420), 0);
}

#[test]
fn what_becomes_idle_later_is_younger_than_what_was_idle_before() {
    let mut ages = Ages::default();
    (0..10).for_each(|_| drop(learn(&mut ages, generations(100, 0, 50), 0)));
    // 60 MiB stop being touched.
    drop(learn(&mut ages, generations(40, 60, 50), 0));
    (0..5).for_each(|_| drop(learn(&mut ages, generations(40, 0, 110), 0)));
    assert_eq!([idle(&ages, 60), idle(&ages, 61), idle(&ages, 160)], [110, 50, 50]);
}

#[test]
fn a_touch_of_everything_is_seen_with_the_age_it_ended() {
    let mut ages = Ages::default();
    (0..10).for_each(|_| drop(learn(&mut ages, generations(40, 0, 120), 0)));
    let touched = learn(&mut ages, generations(160, 0, 0), 0);
    assert_eq!(touched, [(115, 120)]);
    assert_eq!(idle(&ages, 10), 0);
}

#[test]
fn a_part_that_is_touched_is_taken_to_be_the_youngest_of_the_idle() {
    let mut ages = Ages::default();
    (0..10).for_each(|_| drop(learn(&mut ages, generations(70, 0, 120), 0)));
    drop(learn(&mut ages, generations(40, 30, 120), 0));
    drop(learn(&mut ages, generations(40, 0, 150), 0));
    let touched = learn(&mut ages, generations(70, 0, 120), 0);
    assert_eq!(touched, [(25, 30)]);
    assert_eq!(idle(&ages, 100), 120);
}

#[test]
fn memory_that_left_was_not_touched() {
    let mut ages = Ages::default();
    (0..10).for_each(|_| drop(learn(&mut ages, generations(40, 0, 120), 0)));
    assert_eq!(learn(&mut ages, generations(40, 0, 20), 0), []);
    // 20 MiB taken, 30 MiB allocated meanwhile.
    assert_eq!(learn(&mut ages, generations(70, 0, 0), 20), []);
}

/// On a slower node the lump is only one walk old, by a clock of ticks.
#[test]
fn a_look_that_comes_a_moment_late_forgets_nothing() {
    let mut ages = Ages::default();
    for _ in 0..10 {
        let lump = Piece {
            youngest: WALK.saturating_sub(Duration::from_millis(3)),
            oldest: None,
            size: Bytes::mib(50),
        };
        ages.learn(vec![lump], between(0, 0));
    }
    assert_eq!(idle(&ages, 90), 50);
}

#[test]
fn what_left_were_the_oldest() {
    let mut ages = Ages::default();
    (0..10).for_each(|_| drop(learn(&mut ages, generations(40, 0, 60), 0)));
    // As much becomes idle as was taken, again and again.
    drop(learn(&mut ages, generations(40, 20, 40), 20));
    drop(learn(&mut ages, generations(40, 20, 40), 20));
    assert_eq!(idle(&ages, 100), 20);
    drop(learn(&mut ages, generations(40, 20, 40), 20));
    assert_eq!(idle(&ages, 100), 0);
}

#[test]
fn what_was_freed_while_as_much_was_allocated_was_not_touched() {
    let mut ages = Ages::default();
    (0..10).for_each(|_| drop(learn(&mut ages, generations(40, 0, 120), 0)));
    let touched = ages.learn(generations(160, 0, 0), between(120, 0));
    assert!(touched.touched().iter().all(|touched| touched.seen < seconds(20)), "{touched:?}");
}

#[test]
fn generations_of_seconds_inherit_no_ages() {
    let mut ages = Ages::default();
    for _ in 0..10 {
        ages.learn(vec![piece(0, Some(1), 30), piece(3, None, 90)], between(0, 0));
    }
    assert_eq!(idle(&ages, 4), 0);
}

#[test]
fn two_lumps_do_not_both_inherit_the_same_past() {
    let mut ages = Ages::default();
    for _ in 0..10 {
        ages.learn(generations(0, 0, 100), between(0, 0));
    }
    ages.learn(vec![piece(20, None, 100), piece(20, None, 100)], between(0, 0));
    assert_eq!(idle(&ages, 100), 100);
}

fn any_reading() -> impl Strategy<Value = Vec<Piece>> {
    prop::collection::vec((0_u64..100_000, prop::option::of(0_u64..100_000), 0_u64..500), 0..6).prop_map(
        |pieces| {
            let piece = |(youngest, span, mib): (u64, Option<u64>, u64)| {
                piece(youngest, span.map(|span| youngest + span), mib)
            };
            pieces.into_iter().map(piece).collect()
        },
    )
}

proptest! {
    #[test]
    fn the_total_is_what_was_measured(readings in prop::collection::vec((any_reading(), 0_u64..5_000, 0_u64..400), 1..60)) {
        let mut ages = Ages::default();
        for (reading, elapsed, gone) in readings {
            let known = total(ages.pieces());
            let touched: Bytes = ages
                .learn(reading.clone(), Between { elapsed: seconds(elapsed), ..between(0, gone) })
                .touched()
                .iter()
                .map(|touched| touched.size)
                .sum();
            prop_assert_eq!(total(ages.pieces()), total(&reading));
            prop_assert!(touched <= known);
            let old = |pieces: &[Piece]| -> Bytes { pieces.iter().filter(|piece| piece.youngest > seconds(elapsed + 200_000)).map(|piece| piece.size).sum() };
            prop_assert!(old(ages.pieces()) <= known);
            prop_assert!(ages.pieces().is_sorted_by_key(|piece| std::cmp::Reverse(piece.youngest)));
        }
    }
}

proptest! {
    // Each case is five hours of looks.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_list_stays_short(parts in prop::collection::vec(0_u64..50, 2_000)) {
        let mut ages = Ages::default();
        let mut lump = 0;
        for part in parts {
            ages.learn(generations(10, part, lump), between(0, 0));
            lump += part;
        }
        prop_assert!(ages.pieces().len() <= 100, "{}", ages.pieces().len());
    }
}
