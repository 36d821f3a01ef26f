use proptest::prelude::*;

use super::*;
use crate::{cost::Basis, reading::CLASSES};

const GIB: Bytes = Bytes::mib(1024);

fn offer(kind: TierKind, micros: u64, freed: f64) -> Offer {
    Offer {
        kind,
        device: kind.name().into(),
        fault: FaultCost { time: Duration::from_micros(micros), basis: Basis::Measured },
        freed: Ratio::new(freed),
        expected: Ratio::new(freed),
        has_room: true,
        after: Duration::ZERO,
    }
}

/// zram at 20 µs that frees 0.7, a disk at `micros` below it.
fn offers(micros: u64) -> [Offer; 2] {
    [offer(TierKind::Zram, 20, 0.7), offer(TierKind::Disk, micros, 1.0)]
}

/// What was never watched: 0.1 / age.
fn rates() -> Rates {
    super::super::Touches::default().rates(GIB)
}

fn price(share: f64) -> Price {
    Price { share: Ratio::new(share), pressure: Ratio::percent(1.0 / 9.0), footprint: GIB, scarce: false }
}

fn ages(ladder: &Ladder) -> Vec<Option<u64>> {
    ladder.rungs.iter().map(|rung| rung.from.map(|from| from.as_secs())).collect()
}

#[test]
fn a_gib_is_worth_the_same_in_every_large_cgroup_and_more_in_a_small_one() {
    let of = |footprint| Price { footprint, ..price(1.0) }.per_page() * 262_144.0;
    for (footprint, worth) in
        [(Bytes::mib(65_536), 0.01), (GIB, 0.01), (Bytes::mib(32), 0.128 / 9.0), (Bytes::ZERO, 0.0)]
    {
        assert!((of(footprint) - worth).abs() < 1e-9 || worth == 0.0, "{footprint}: {}", of(footprint));
    }
    assert!(of(Bytes::ZERO).is_finite());
}

#[test]
fn colder_memory_belongs_on_slower_tiers() {
    // A page is worth 0.01 / 262144 = 3.8e-8: zram from 1.3e-3 touches a second on, the disk from 1.4e-4 on
    // (100 µs).
    let ladder = Ladder::lean(&offers(100), &rates(), price(1.0));
    assert_eq!(ages(&ladder), [Some(60), Some(600)]);
    assert!((ladder.price_per_gib - 0.01).abs() < 1e-9);
}

#[test]
fn a_device_that_gets_slower_begins_later() {
    let from = |micros| ages(&Ladder::lean(&offers(micros), &rates(), price(1.0)))[1];
    assert_eq!(from(100), Some(600));
    assert_eq!(from(1000), Some(2 * 3600));
    assert_eq!(from(100_000), None);
}

#[test]
fn a_lower_price_moves_every_rung_up() {
    let at = |share| ages(&Ladder::lean(&offers(100), &rates(), price(share)));
    assert_eq!(at(0.25), [Some(300), Some(3600)]);
}

#[test]
fn nothing_begins_before_the_cut_or_what_the_policy_says() {
    let mut offers = offers(100);
    offers[0].after = Duration::from_mins(7);
    offers[1].after = Duration::from_hours(6);
    let ladder = Ladder::lean(&offers, &rates(), price(1.0));
    assert_eq!(ages(&ladder), [Some(420), Some(6 * 3600)]);
}

#[test]
fn a_full_tier_is_passed_over() {
    let mut offers = offers(100);
    offers[0].has_room = false;
    let ladder = Ladder::lean(&offers, &rates(), price(1.0));
    assert_eq!(ages(&ladder), [None, Some(300)]);
}

proptest! {
    /// Whatever is on offer: a slower tier never begins before a faster one that is worth it, and the stall
    /// that is expected of what is placed never exceeds what it is worth.
    #[test]
    fn the_stall_expected_is_within_the_price(
        offers in prop::collection::vec((1_u64..100_000, 0.0..1.0_f64), 1..5),
        share in 0.01..1.0_f64,
        raw in prop::collection::vec(1e-7..1.0_f64, CLASSES),
    ) {
        let mut offers: Vec<_> = offers.into_iter().map(|(micros, freed)| offer(TierKind::Disk, micros, freed)).collect();
        offers.sort_by_key(|offer| offer.fault.time);
        let mut raw: [f64; CLASSES] = raw.try_into().unwrap();
        raw.sort_by(|a, b| b.total_cmp(a));
        let rates = Rates::of(raw);
        let price = price(share);
        let ladder = Ladder::lean(&offers, &rates, price);
        let begun: Vec<_> = ladder.rungs.iter().filter_map(|rung| rung.from).collect();
        prop_assert!(begun.is_sorted(), "{begun:?}");
        for rung in ladder.rungs.iter().filter(|rung| rung.from.is_some()) {
            let stall = rung.touched.get() * rung.fault.time.as_secs_f64() * 262_144.0;
            prop_assert!(stall <= ladder.price_per_gib * (1.0 + 1e-9), "{stall}");
        }
    }
}
