use proptest::prelude::*;

use super::*;

const DISTANCE: Ratio = Ratio::percent(0.02);

/// One node: DMA, and 8 GiB with the watermarks of a stock kernel.
fn zones(free: Bytes) -> Vec<Zone> {
    let dma = Zone { managed: Bytes::mib(15), low: Bytes::kib(80), high: Bytes::kib(96), ..Zone::default() };
    let normal = Zone {
        managed: Bytes::mib(8192),
        free,
        low: Bytes::mib(40),
        high: Bytes::mib(48),
        ..Zone::default()
    };
    vec![dma, normal]
}

/// One turn's figures.
#[derive(Debug, Clone, Default)]
struct Host {
    zones: Vec<Zone>,
    stalls: Option<u64>,
    kswapd: Option<Kswapd>,
}

impl Host {
    fn seen(&self) -> Seen<'_> {
        Seen { zones: &self.zones, stalls: self.stalls, kswapd: self.kswapd }
    }
}

fn host(free: Bytes, stalls: u64, kswapd: [u64; 3]) -> Host {
    let [scanned, stolen, low_watermark_hits] = kswapd;
    let kswapd = Kswapd { scanned: Bytes::mib(scanned), stolen: Bytes::mib(stolen), low_watermark_hits };
    Host { zones: zones(free), stalls: Some(stalls), kswapd: Some(kswapd) }
}

/// Seen after a quiet turn with every counter at nothing.
fn after(then: &Host) -> bool {
    let mut guard = Guard::default();
    assert!(!guard.observe(host(Bytes::mib(1024), 0, [0; 3]).seen(), DISTANCE, Duration::ZERO));
    guard.observe(then.seen(), DISTANCE, Duration::from_secs(6))
}

/// Between the low watermark and the high one, and at the low one.
const BETWEEN: Bytes = Bytes::mib(47);
const SHORT: Bytes = Bytes::mib(41);

#[test]
fn tasks_that_reclaim_near_the_watermark_light_it() {
    assert!(after(&host(SHORT, 1, [0; 3])));
    assert!(!after(&host(BETWEEN, 1, [0; 3])), "they wanted contiguous memory");
    assert!(!after(&host(SHORT, 0, [0; 3])), "page cache fills what is free");
}

#[test]
fn kswapd_that_works_for_little_lights_it() {
    assert!(after(&host(BETWEEN, 0, [100, 40, 1])));
    assert!(!after(&host(BETWEEN, 0, [100, 41, 1])), "a stream of page cache that is dropped again");
    assert!(!after(&host(BETWEEN, 0, [100, 40, 0])), "it slept in between");
    assert!(!after(&host(BETWEEN, 0, [0, 0, 1])), "it looked at nothing");
    assert!(!after(&host(Bytes::mib(48), 0, [100, 0, 9])));
}

#[test]
fn a_distance_makes_it_begin_earlier() {
    let mut guard = Guard::default();
    let one_percent = Ratio::percent(1.0);
    let free = Bytes::mib(100);
    assert!(!guard.observe(host(free, 0, [0; 3]).seen(), one_percent, Duration::ZERO));
    assert!(guard.observe(host(free, 1, [0; 3]).seen(), one_percent, Duration::from_secs(6)));
}

#[test]
fn small_zones_are_passed_over_and_each_node_counts() {
    let lack = |zone: Zone| Zone { free: Bytes::ZERO, ..zone };
    let is_short = |zones: &[Zone]| is_any(zones, |zone| zone.free < zone.low);
    let [dma, normal] = zones(Bytes::mib(1024))[..] else { panic!("two zones") };
    assert!(!is_short(&[lack(dma), normal]));
    let second = Zone { node: 1, ..normal };
    assert!(!is_short(&[dma, normal, second]));
    assert!(is_short(&[dma, normal, lack(second)]), "the other node has plenty");
    assert!(!is_short(&[]));
}

#[test]
fn it_is_over_half_a_minute_after_it_was_seen_last() {
    let mut guard = Guard::default();
    let mut look = |second: u64, stalls| {
        guard.observe(host(SHORT, stalls, [0; 3]).seen(), DISTANCE, Duration::from_secs(second))
    };
    assert!(!look(0, 7), "counted since boot");
    assert!(look(6, 8));
    assert!(look(12, 8));
    assert!(look(24, 9));
    assert!(look(53, 9));
    assert!(!look(54, 9));
    assert!(!look(60, 9));
    assert!(look(66, 10));
}

#[test]
fn a_kernel_that_does_not_count_lights_nothing() {
    assert!(!after(&Host { zones: zones(Bytes::ZERO), ..Host::default() }));
    let without_zones = Host { zones: Vec::new(), ..host(SHORT, 9, [100, 0, 9]) };
    assert!(!after(&without_zones));
}

proptest! {
    /// Whatever lowtide's own requests move: swap, sizes, proactive reclaim. None of that is read.
    #[test]
    fn without_reclaim_of_the_hosts_own_it_is_never_lit(frees in prop::collection::vec(0_u64..4096, 1..20), stalls: u64) {
        let mut guard = Guard::default();
        for (turn, free) in (0..).zip(frees) {
            let host = host(Bytes::mib(free), stalls, [5, 1, 3]);
            prop_assert!(!guard.observe(host.seen(), DISTANCE, Duration::from_secs(6 * turn)));
        }
    }

    /// With plenty of free memory, or half a minute after it fell short last.
    #[test]
    fn it_always_ends(counters in prop::collection::vec((0_u64..9, 0_u64..9, 0_u64..9), 1..20)) {
        let mut guard = Guard::default();
        let mut now = Duration::ZERO;
        let (mut stalls, mut sums) = (0, [0; 3]);
        for (scanned, stolen, hits) in counters {
            stalls += hits;
            sums = [sums[0] + scanned, sums[1] + stolen, sums[2] + hits];
            guard.observe(host(SHORT, stalls, sums).seen(), DISTANCE, now);
            now += Duration::from_secs(6);
        }
        now += CALM;
        prop_assert!(!guard.observe(host(Bytes::mib(1024), stalls + 1, sums).seen(), DISTANCE, now));
    }
}
