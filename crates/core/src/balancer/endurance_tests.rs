use super::*;
use proptest::prelude::*;

const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(24 * 365);

fn at(boot: &str, since_boot: Duration, wall: Duration) -> Moment {
    Moment { boot_id: boot.into(), since_boot, wall }
}

fn hours(hours: u64) -> Moment {
    at("a", Duration::from_hours(hours), YEAR + Duration::from_hours(hours))
}

fn written(endurance: &mut Endurance, bytes: Bytes) {
    let counter = endurance.counter + bytes;
    endurance.counted(counter);
}

#[test]
fn an_hour_counts_until_a_day_after_its_end() {
    let mut endurance = Endurance::new(hours(0), Bytes::mib(500));
    assert_eq!(endurance.written(), Bytes::ZERO, "what was written before the account began");
    endurance.counted(Bytes::mib(510));
    for hour in 1..25 {
        endurance.advance(hours(hour));
        assert_eq!(endurance.left(Bytes::mib(10)), Bytes::ZERO, "hour {hour}");
    }
    endurance.advance(hours(25));
    assert_eq!(endurance.left(Bytes::mib(10)), Bytes::mib(10));
}

#[test]
fn what_is_promised_is_counted_once() {
    let mut endurance = Endurance::new(hours(0), Bytes::ZERO);
    endurance.reserve(Bytes::mib(8));
    assert_eq!(endurance.left(Bytes::mib(10)), Bytes::mib(2));
    endurance.counted(Bytes::mib(3));
    assert_eq!(endurance.left(Bytes::mib(10)), Bytes::mib(2));
    endurance.counted(Bytes::mib(5));
    endurance.release();
    assert_eq!(endurance.left(Bytes::mib(10)), Bytes::mib(5), "what was not used is given back");
    endurance.counted(Bytes::mib(6));
    assert_eq!(endurance.left(Bytes::mib(10)), Bytes::mib(4), "what somebody else writes counts");
}

#[test]
fn after_a_boot_what_was_promised_counts_as_written() {
    let mut endurance = Endurance::new(hours(0), Bytes::ZERO);
    endurance.reserve(Bytes::mib(8));
    endurance.counted(Bytes::mib(3));
    endurance.advance(at("b", Duration::from_mins(1), YEAR + Duration::from_hours(1)));
    endurance.counted(Bytes::mib(1));
    assert_eq!(endurance.written(), Bytes::mib(9));
}

#[test]
fn a_device_that_was_set_up_anew_counts_from_nothing() {
    let mut endurance = Endurance::new(hours(0), Bytes::ZERO);
    written(&mut endurance, Bytes::mib(4));
    endurance.counted(Bytes::mib(1));
    assert_eq!(endurance.written(), Bytes::mib(5));
}

#[test]
fn setting_the_clock_changes_nothing() {
    let mut endurance = Endurance::new(at("a", Duration::ZERO, YEAR), Bytes::ZERO);
    written(&mut endurance, Bytes::mib(1));
    for wall in [YEAR * 50, Duration::ZERO, YEAR] {
        endurance.advance(at("a", Duration::from_hours(1), wall));
        assert_eq!(endurance.written(), Bytes::mib(1), "{wall:?}");
    }
}

#[test]
fn a_boot_without_a_clock_waits_for_as_long_as_it_runs() {
    let mut endurance = Endurance::new(at("a", Duration::ZERO, YEAR), Bytes::ZERO);
    written(&mut endurance, Bytes::mib(1));
    endurance.advance(at("b", Duration::from_mins(1), Duration::ZERO));
    assert_eq!(endurance.written(), Bytes::mib(1));
    endurance.advance(at("b", DAY + HOUR, Duration::from_secs(1)));
    assert_eq!(endurance.written(), Bytes::ZERO);
}

proptest! {
    /// Whoever asks for all that is left, whenever, never gets more than the budget in any 24 h.
    #[test]
    fn never_over_the_budget_in_any_day(
        steps in prop::collection::vec((0_u64..30_000, 0_u64..=100, any::<bool>()), 1..80),
        budget in 0_u64..1_000_000,
    ) {
        let budget = Bytes::new(budget);
        let mut endurance = Endurance::new(at("0", Duration::ZERO, YEAR), Bytes::ZERO);
        let (mut now, mut boot, mut since_boot) = (Duration::ZERO, 0, Duration::ZERO);
        let mut wrote: Vec<(Duration, u64)> = Vec::new();
        for (seconds, percent, boots) in steps {
            let passed = Duration::from_secs(seconds);
            now += passed;
            since_boot += passed;
            if boots {
                boot += 1;
                since_boot = Duration::from_secs(seconds.min(30));
            }
            endurance.advance(at(&boot.to_string(), since_boot, YEAR + now));
            let left = endurance.left(budget);
            endurance.reserve(left);
            let used = left.get() * percent / 100;
            written(&mut endurance, Bytes::new(used));
            endurance.release();
            wrote.push((now, used));
            for (end, _) in &wrote {
                let day: u64 = wrote
                    .iter()
                    .filter(|(at, _)| *at <= *end && *at + DAY > *end)
                    .map(|(_, bytes)| bytes)
                    .sum();
                prop_assert!(day <= budget.get());
            }
        }
    }

    #[test]
    fn extremes_do_no_harm(bytes in any::<u64>(), seconds in any::<u64>(), wall in any::<u64>(), other in any::<bool>()) {
        let mut endurance = Endurance::new(hours(0), Bytes::ZERO);
        endurance.reserve(Bytes::new(bytes));
        endurance.counted(Bytes::new(bytes));
        let boot = if other { "b" } else { "a" };
        endurance.advance(at(boot, Duration::from_secs(seconds), Duration::from_secs(wall)));
        endurance.counted(Bytes::new(bytes / 2));
        let _ = (endurance.left(Bytes::MAX), endurance.written());
    }
}
