use proptest::prelude::*;
use rstest::rstest;

use super::*;

const VMSTAT: &str = "pgalloc_dma 1\npgalloc_dma32 2\npgalloc_normal 4\nallocstall_normal 4\nallocstall_movable 2\npgsteal_direct 5\n\
    pgscan_direct 7\npgscan_direct_throttle 3\npgdemote_kswapd 8\npgdemote_direct 1\npgpromote_success 2\npgpromote_candidate 9\n\
    kswapd_low_wmark_hit_quickly 11\nzswpin 6\npswpin 5\n";

#[rstest]
#[case(Counter::Allocated, Some(7))]
#[case(Counter::AllocStall, Some(6))]
#[case(Counter::ScanDirect, Some(7))]
#[case(Counter::ScanDirectThrottle, Some(3))]
#[case(Counter::StealDirect, Some(5))]
#[case(Counter::Demoted, Some(9))]
#[case(Counter::Promoted, Some(2))]
#[case(Counter::LowWatermarkHitQuickly, Some(11))]
#[case(Counter::SwapIn, Some(5))]
#[case(Counter::ZswapIn, Some(6))]
#[case(Counter::ScanProactive, None)]
fn by_name(#[case] counter: Counter, #[case] expected: Option<u64>) {
    assert_eq!(Counters::parse(VMSTAT).unwrap().get(counter), expected);
}

#[test]
fn what_counts_times_is_no_size() {
    let counters = Counters::parse(VMSTAT).unwrap();
    assert_eq!(counters.bytes(Counter::ScanDirect), Some(Bytes::pages(7)));
    assert_eq!(counters.bytes(Counter::AllocStall), None);
}

#[test]
fn each_has_its_own_name_and_place() {
    for (index, counter) in Counter::ALL.into_iter().enumerate() {
        assert_eq!(counter as usize, index, "{counter:?}");
        let text = format!("{} 1\n", counter.name());
        let counted = Counters::parse(&text).unwrap();
        let having = Counter::ALL.iter().filter(|other| counted.get(**other).is_some());
        assert_eq!(having.collect::<Vec<_>>(), [&counter]);
    }
}

#[rstest]
#[case::missing_value("pgfree\n")]
#[case::max("pgfree max\n")]
#[case::negative("pgfree -1\n")]
#[case::overflow("pgfree 18446744073709551616\n")]
fn bad(#[case] text: &str) {
    assert!(Counters::parse(text).is_err());
}

#[test]
fn sums_saturate_and_nothing_is_nothing() {
    let text = format!("pgalloc_dma {0}\npgalloc_normal {0}\n", u64::MAX);
    assert_eq!(Counters::parse(&text).unwrap().get(Counter::Allocated), Some(u64::MAX));
    assert_eq!(Counters::parse("").unwrap(), Counters::default());
    assert_eq!(Counters::parse("garbage\n\u{0}\n").unwrap(), Counters::default());
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = Counters::parse(&text);
    }
}
