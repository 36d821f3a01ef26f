use super::*;
use proptest::prelude::*;

fn tier(kind: TierKind, stored: u64, resident: u64) -> Tier {
    Tier {
        kind,
        device: "/dev/a".into(),
        priority: None,
        capacity: Bytes::mib(1024),
        used: Bytes::mib(stored),
        stored: Bytes::mib(stored),
        resident: Bytes::mib(resident),
        resident_limit: None,
        above: None,
    }
}

/// The cost after each look at the counters, one a second: reads, milliseconds.
fn costs(looks: &[(u64, u64)]) -> Vec<FaultCost> {
    let (mut costs, disk) = (Costs::default(), tier(TierKind::Disk, 1, 0));
    let look = |((count, millis), second): (&(u64, u64), u64)| {
        look(&mut costs, *count, Duration::from_millis(*millis), Duration::from_secs(second));
        costs.of(&disk)
    };
    looks.iter().zip(1..).map(look).collect()
}

fn look(costs: &mut Costs, count: u64, time: Duration, now: Duration) {
    let reads = [("/dev/a".into(), BlockReads { count, time })].into();
    costs.observe(&HostObservation { reads, ..HostObservation::default() }, now);
}

fn measured(micros: u64) -> FaultCost {
    FaultCost { time: Duration::from_micros(micros), basis: Basis::Measured }
}

#[test]
fn little_is_no_measure() {
    let assumed = FaultCost::assumed(TierKind::Disk);
    assert_eq!(costs(&[(63, 630)]), [assumed]);
    assert_eq!(costs(&[(64, 640)]), [measured(10_000)]);
    assert_eq!(costs(&[(10_000, 99)]), [assumed]);
    assert_eq!(costs(&[(10_000, 100)]), [measured(10)]);
}

#[test]
fn what_firmware_tells_of_a_node_is_for_as_long_as_it_tells() {
    let disk = tier(TierKind::Disk, 1, 0);
    let node = Tier { device: "node1".into(), ..tier(TierKind::Node, 1, 0) };
    let told = HashMap::from([(NodeId(1), Duration::from_nanos(150))]);
    let mut costs = Costs::default();
    costs.observe(&HostObservation { added_latency: told, ..HostObservation::default() }, Duration::ZERO);
    assert_eq!(costs.of(&node), FaultCost { time: Duration::from_nanos(1200), basis: Basis::Told });
    assert_eq!(costs.of(&disk), FaultCost::assumed(TierKind::Disk));
    assert_eq!(costs.age(&node, Duration::ZERO), None);
    costs.observe(&HostObservation::default(), Duration::ZERO);
    assert_eq!(costs.of(&node), FaultCost::assumed(TierKind::Node));
}

#[test]
fn little_adds_up_to_a_measure() {
    let seen = costs(&[(40, 400), (80, 800)]);
    assert_eq!(seen[0], FaultCost::assumed(TierKind::Disk));
    assert_eq!(seen[1].basis, Basis::Measured);
}

#[test]
fn small_changes_are_smoothed_and_large_ones_believed_at_once() {
    // 1000 reads in 100 ms are worth one mean.
    let seen = costs(&[(1000, 100), (2500, 250), (3500, 370), (4500, 1470), (4501, 1480), (5601, 1580)]);
    let micros: Vec<_> = seen.iter().map(|cost| cost.time.as_micros()).collect();
    assert_eq!(micros[..2], [100, 100]);
    assert!((110..115).contains(&micros[2]), "{micros:?}");
    assert_eq!(micros[3..5], [1100, 1100]);
    assert!((99..=100).contains(&micros[5]), "{micros:?}");
}

#[test]
fn another_device_under_the_same_name_is_measured_anew() {
    let seen = costs(&[(1000, 100), (10, 1), (1010, 1011)]);
    assert_eq!(seen[0], measured(100));
    assert_eq!(seen[1], FaultCost::assumed(TierKind::Disk));
    assert_eq!(seen[2].basis, Basis::Measured);
    assert!((1000..1005).contains(&seen[2].time.as_micros()), "{:?}", seen[2]);
}

#[test]
fn a_figure_has_an_age() {
    let (mut costs, disk) = (Costs::default(), tier(TierKind::Disk, 1, 0));
    let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
    assert_eq!(costs.age(&disk, second), None);
    look(&mut costs, 100, second, second);
    look(&mut costs, 100, second, hour + second);
    assert_eq!(costs.age(&disk, hour + second), Some(hour));
    look(&mut costs, 200, 2 * second, 2 * hour);
    assert_eq!(costs.age(&disk, 2 * hour), Some(Duration::ZERO));
}

#[test]
fn what_was_read_long_ago_hardly_counts() {
    // 60 reads of 1 ms are no mean yet; three hours later 64 of 20 ms are one.
    let (mut costs, disk) = (Costs::default(), tier(TierKind::Disk, 1, 0));
    look(&mut costs, 60, Duration::from_millis(60), Duration::from_secs(1));
    look(&mut costs, 124, Duration::from_millis(1340), Duration::from_hours(3));
    assert!(costs.of(&disk).time.abs_diff(Duration::from_millis(20)) < Duration::from_micros(10));
}

proptest! {
    /// Whatever came before, so many looks at so many reads of a new latency are enough.
    #[test]
    fn it_follows_a_change(
        old in 5_u64..50_000, new in 5_u64..50_000, reads in 64_u64..5000, before in 1_u64..200,
    ) {
        let (mut costs, disk) = (Costs::default(), tier(TierKind::Disk, 1, 0));
        let (mut count, mut time) = (0, Duration::ZERO);
        let mut second = 0;
        let mut read = |costs: &mut Costs, micros: u64| {
            count += reads;
            time += Duration::from_micros(reads * micros);
            second += 1;
            look(costs, count, time, Duration::from_secs(second));
        };
        (0..before).for_each(|_| read(&mut costs, old));
        // Reads that take less than the 100 ms of a mean need more looks for one; six means leave 2 % of what
        // was.
        let looks_for_a_mean = (100_000 / (reads * new)) + 1;
        (0..8 * looks_for_a_mean).for_each(|_| read(&mut costs, new));
        let error = costs.of(&disk).time.as_secs_f64() / Duration::from_micros(new).as_secs_f64() - 1.0;
        prop_assert!(error.abs() < 0.05, "{:?} after {old} µs and then {new} µs", costs.of(&disk));
    }

    /// It is never beyond what was seen, and no counters are too strange.
    #[test]
    fn it_is_a_mean(looks in proptest::collection::vec((any::<u32>(), any::<u32>(), 0_u64..100_000), 1..30)) {
        let (mut costs, disk) = (Costs::default(), tier(TierKind::Disk, 1, 0));
        let mut now = Duration::ZERO;
        for (count, millis, seconds) in looks {
            now += Duration::from_secs(seconds);
            look(&mut costs, count.into(), Duration::from_millis(millis.into()), now);
            let cost = costs.of(&disk);
            prop_assert_eq!(costs.age(&disk, now).is_some(), cost.basis == Basis::Measured);
            prop_assert!(cost.time <= Duration::from_millis(u32::MAX.into()));
        }
    }
}

#[test]
fn a_tier_that_keeps_half_costs_twice_as_much_for_what_it_frees() {
    let cost = measured(10);
    let disk = cost.per_gib_freed(&tier(TierKind::Disk, 100, 0)).unwrap();
    assert_eq!(disk, Duration::from_micros(10 * 262_144));
    assert_eq!(cost.per_gib_freed(&tier(TierKind::Zram, 100, 50)), Some(disk * 2));
    assert_eq!(cost.per_gib_freed(&tier(TierKind::Zram, 100, 100)), None);
}
