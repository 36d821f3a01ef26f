use super::*;
use crate::{
    confinement::{Confinement, SwapBound, Ways, Why, ZswapBound},
    tier::Tier,
    tier_rules::{AtMost, TierRule},
    units::Ratio,
};
use proptest::{option, prelude::*, sample::subsequence};

const ALL: Ways = Ways { zswap: true, zram_sinks: false };
const NO_ZSWAP: Ways = Ways { zswap: false, zram_sinks: false };
const UNSET: Own = Own { footprint: Bytes::mib(100), zswap_max: Limit::Max, writeback: Some(true) };

fn host(kinds: &[TierKind], ways: Ways) -> HostObservation {
    let tier = |kind: &TierKind| Tier {
        kind: *kind,
        device: kind.name().into(),
        priority: None,
        capacity: Bytes::mib(1000),
        used: Bytes::ZERO,
        stored: Bytes::ZERO,
        resident: Bytes::ZERO,
        resident_limit: None,
        above: None,
    };
    HostObservation { tiers: kinds.iter().map(tier).collect(), ways, ..HostObservation::default() }
}

fn only(tiers: &[(TierKind, Option<u64>)]) -> TierRules {
    let rule = |(tier, mib): &(TierKind, Option<u64>)| {
        let at_most = mib.map(|mib| AtMost::Bytes(Bytes::mib(mib)));
        (*tier, TierRule { after: None, at_most })
    };
    TierRules::Only(tiers.iter().map(rule).collect())
}

fn bound(mib: u64, why: Why) -> SwapBound {
    SwapBound { limit: Bytes::mib(mib), why }
}

const ZRAM: (TierKind, Option<u64>) = (TierKind::Zram, None);
const ZSWAP: (TierKind, Option<u64>) = (TierKind::Zswap, None);
const DISK: (TierKind, Option<u64>) = (TierKind::Disk, None);

#[test]
fn what_may_get_to_a_disk() {
    use TierKind::{Disk, Zram};
    let sinks = Ways { zram_sinks: true, ..NO_ZSWAP };
    for (rules, kinds, ways, may) in [
        (TierRules::Any, &[Disk][..], NO_ZSWAP, true),
        (TierRules::Any, &[Disk], ALL, true),
        (TierRules::Any, &[Zram, Disk], NO_ZSWAP, true),
        (TierRules::Any, &[Zram], NO_ZSWAP, false),
        (TierRules::Any, &[Zram], sinks, true),
        (TierRules::Any, &[], ALL, false),
        // The cgroup's own knobs keep it from there.
        (only(&[ZSWAP]), &[Disk], ALL, false),
        (only(&[ZRAM]), &[Zram], sinks, false),
        (only(&[DISK]), &[Zram, Disk], NO_ZSWAP, true),
    ] {
        assert_eq!(may_reach_disk(&rules, &host(kinds, ways)), may, "{rules:?} on {kinds:?}, {ways:?}");
    }
}

#[test]
fn each_rule_on_each_host() {
    use TierKind::{Disk, Zram};
    use ZswapBound::{Free, Stays};
    let zero = ZswapBound::AtMost(Bytes::ZERO);
    let sinks = Ways { zram_sinks: true, ..NO_ZSWAP };
    let nothing = |why| Some(bound(0, why));
    for (rules, kinds, ways, swap, zswap) in [
        (only(&[ZSWAP, DISK, ZRAM]), &[Zram, Disk][..], ALL, None, Free),
        (only(&[DISK]), &[Disk], ALL, None, zero),
        // Whether zswap is on or not: a cgroup at 0 from the beginning is never in it.
        (only(&[DISK]), &[Disk], NO_ZSWAP, None, zero),
        (only(&[ZSWAP]), &[Disk], ALL, None, Stays),
        (only(&[ZSWAP]), &[Disk], NO_ZSWAP, nothing(Why::Forbidden), Stays),
        (only(&[ZSWAP, ZRAM]), &[Zram, Disk], ALL, None, Stays),
        (only(&[ZRAM]), &[Zram], NO_ZSWAP, None, zero),
        (only(&[ZRAM]), &[Zram, Disk], NO_ZSWAP, nothing(Why::CannotChoose), Stays),
        (only(&[ZRAM]), &[Zram], sinks, nothing(Why::ZramSinks), Stays),
        (only(&[ZRAM, DISK]), &[Zram], sinks, None, zero),
        (only(&[ZRAM]), &[Disk], NO_ZSWAP, nothing(Why::Forbidden), Stays),
        (only(&[(TierKind::Node, None)]), &[], NO_ZSWAP, nothing(Why::Forbidden), Stays),
        (only(&[ZRAM]), &[], NO_ZSWAP, None, zero),
        (only(&[(Disk, Some(30)), ZSWAP]), &[Disk], ALL, Some(bound(30, Why::AtMost)), Free),
        (only(&[(Disk, Some(30)), (Zram, Some(40))]), &[Zram, Disk], ALL, Some(bound(30, Why::AtMost)), zero),
        (only(&[(TierKind::Zswap, Some(5)), DISK]), &[Disk], ALL, None, ZswapBound::AtMost(Bytes::mib(5))),
        (only(&[(TierKind::Zswap, Some(5))]), &[Disk], ALL, Some(bound(5, Why::ZswapAtMost)), Stays),
        (TierRules::Any, &[Zram, Disk], ALL, None, Free),
    ] {
        let told = confine(&rules, &host(kinds, ways), &UNSET);
        assert_eq!(
            told,
            Confinement { swap, zswap, ..Confinement::default() },
            "{rules:?} on {kinds:?} with {ways:?}"
        );
    }
}

fn held(swap: SwapBound, zswap: ZswapBound) -> Confinement {
    Confinement { swap: Some(swap), zswap, ..Confinement::default() }
}

#[test]
fn what_the_operator_and_the_kernel_allow_is_never_made_a_trap() {
    let disk = host(&[TierKind::Disk], ALL);
    let stays = Own { writeback: Some(false), ..UNSET };
    let told = confine(&only(&[DISK]), &disk, &stays);
    assert_eq!(told, held(bound(0, Why::NoWayPastZswap), ZswapBound::Free));
    let none = Own { zswap_max: Limit::At(Bytes::ZERO), ..UNSET };
    let told = confine(&only(&[ZSWAP]), &disk, &none);
    assert_eq!(told, held(bound(0, Why::CannotStay), ZswapBound::Free));
    let old = Own { writeback: None, ..UNSET };
    let told = confine(&only(&[ZSWAP]), &disk, &old);
    assert_eq!(told, held(bound(0, Why::CannotStay), ZswapBound::Free));
    let some = Own { zswap_max: Limit::At(Bytes::mib(3)), ..UNSET };
    let told = confine(&only(&[ZSWAP]), &disk, &some);
    assert_eq!(told, held(bound(3, Why::ZswapAtMost), ZswapBound::Stays));
}

/// Only where something writes to it.
#[test]
fn a_backing_device_is_no_swap_device() {
    let mut host = host(&[TierKind::Zram, TierKind::Disk], NO_ZSWAP);
    host.tiers[1].above = Some("zram".into());
    assert_eq!(confine(&only(&[ZRAM]), &host, &UNSET).swap, None);
    host.ways.zram_sinks = true;
    assert_eq!(confine(&only(&[ZRAM]), &host, &UNSET).swap, Some(bound(0, Why::ZramSinks)));
}

#[test]
fn a_share_grows_with_the_cgroup() {
    let rule = TierRule { after: None, at_most: Some(AtMost::OfMemory(Ratio::percent(25.0))) };
    let rules = TierRules::Only([(TierKind::Disk, rule), (TierKind::Zswap, TierRule::default())].into());
    let told = confine(&rules, &host(&[TierKind::Disk], ALL), &UNSET);
    assert_eq!(told.swap, Some(bound(25, Why::AtMost)));
}

fn rules() -> impl Strategy<Value = TierRules> {
    let rule = option::of(0_u64..50)
        .prop_map(|mib| TierRule { after: None, at_most: mib.map(|mib| AtMost::Bytes(Bytes::mib(mib))) });
    (subsequence(TierKind::ALL.to_vec(), 0..=4), prop::collection::vec(rule, 4))
        .prop_map(|(tiers, rules)| TierRules::Only(tiers.into_iter().zip(rules).collect()))
}

fn hosts() -> impl Strategy<Value = HostObservation> {
    let kinds = subsequence(vec![TierKind::Zram, TierKind::Disk], 0..=2);
    (kinds, any::<[bool; 2]>())
        .prop_map(|(kinds, [zswap, zram_sinks])| host(&kinds, Ways { zswap, zram_sinks }))
}

fn owns() -> impl Strategy<Value = Own> {
    let limit = prop_oneof![Just(Limit::Max), (0_u64..40).prop_map(|mib| Limit::At(Bytes::mib(mib)))];
    (limit, option::of(any::<bool>())).prop_map(|(zswap_max, writeback)| Own {
        zswap_max,
        writeback,
        ..UNSET
    })
}

proptest! {
    /// What the kernel then does, by its own rules: which tiers can a page that is swapped out come to lie
    /// in?
    #[test]
    fn not_one_byte_where_it_must_not_go(rules in rules(), host in hosts(), own in owns()) {
        let Confinement { swap, zswap, .. } = confine(&rules, &host, &own);
        let swaps = swap.is_none_or(|bound| !bound.limit.is_zero());
        let into_zswap = swaps && host.ways.zswap && own.zswap_max != Limit::At(Bytes::ZERO)
            && zswap != ZswapBound::AtMost(Bytes::ZERO);
        let past_zswap = swaps && own.writeback != Some(false) && zswap != ZswapBound::Stays;
        prop_assert!(!into_zswap || rules.allows(TierKind::Zswap));
        for tier in &host.tiers {
            prop_assert!(!past_zswap || rules.allows(tier.kind));
            prop_assert!(!past_zswap || tier.kind != TierKind::Zram || !host.ways.zram_sinks
                || rules.allows(TierKind::Disk));
            let most = rules.rule(tier.kind).and_then(|rule| rule.at_most).map(|most| most.of(own.footprint));
            let total = swap.map_or(Bytes::MAX, |bound| bound.limit);
            prop_assert!(!past_zswap || most.is_none_or(|most| total <= most));
        }
    }

    /// A limit of zswap that is reached, and no way on.
    #[test]
    fn never_a_trap(rules in rules(), host in hosts(), own in owns()) {
        let Confinement { swap, zswap, .. } = confine(&rules, &host, &own);
        let limit = match zswap {
            ZswapBound::AtMost(limit) => limit.min(own.zswap_max.bytes()),
            _ => own.zswap_max.bytes(),
        };
        let no_way_on = zswap == ZswapBound::Stays;
        let total = swap.map_or(Bytes::MAX, |bound| bound.limit);
        prop_assert!(!no_way_on || total.is_zero() || total <= limit);
        prop_assert!(own.writeback != Some(false) || !matches!(zswap, ZswapBound::AtMost(_)));
    }
}
