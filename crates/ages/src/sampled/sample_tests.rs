use super::*;
use lowtide_core::Cohort;
use std::collections::HashMap;

const WITHIN: Duration = Duration::from_secs(5);
const COLD_AFTER: Duration = Duration::from_mins(1);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Pages of 1 MiB each, at addresses that are their frames; those from a hundred on are of files.
fn sample(frames: &[u64], since: Instant) -> Sample {
    let process = Thread { pid: 1, started: 1 };
    let page = |frame: &u64| (process, Drawn { address: *frame, frame: *frame, is_file: *frame >= 100 });
    let of = |files: bool| {
        let count = frames.iter().filter(|frame| (**frame >= 100) == files).count();
        Bytes::mib(u64::try_from(count).unwrap())
    };
    Sample::new(frames.iter().map(page).collect(), ByType { anon: of(false), file: of(true) }, since)
}

/// Frames with how long they have been idle for at least.
fn sight(idle: &[(u64, u64)], at: Instant) -> Sight {
    let idle = idle.iter().map(|(frame, youngest)| {
        let youngest = seconds(*youngest);
        (*frame, Idle { youngest, oldest: youngest + WITHIN })
    });
    let rest = (Duration::ZERO, Duration::ZERO);
    Sight { idle: idle.collect(), within: WITHIN, at, cpu: Duration::ZERO, rest }
}

fn here(_: Thread, address: u64) -> Entry {
    Entry::Present(address)
}

fn cohorts(estimate: Estimate) -> Vec<(u64, Option<u64>, u64, u64)> {
    let plain = |cohort: &Cohort| {
        let oldest = cohort.oldest.map(|oldest| oldest.as_secs());
        let mib = |bytes: Bytes| bytes.get() >> 20;
        (cohort.youngest.as_secs(), oldest, mib(cohort.size.anon), mib(cohort.size.file))
    };
    estimate.cohorts.finish().iter().map(plain).collect()
}

#[test]
fn ages_are_those_of_pages_and_unknown_for_as_long_as_they_were_not_touched() {
    let since = Instant::now();
    let mut sample = sample(&[1, 3, 5, 100], since);
    let seen = sight(&[(3, 20), (5, 55), (100, 55)], since + seconds(58));
    let told = sample.look(&seen, COLD_AFTER, Bytes::ZERO, here);
    assert_eq!(told.resolution, Resolution::Sample(Drawing { pages: 4, of: Bytes::mib(4) }));
    assert_eq!((told.left, told.touched.clone()), (Left::default(), vec![]));
    assert_eq!(cohorts(told), [(0, Some(5), 1, 0), (20, Some(25), 1, 0), (55, None, 1, 1)]);
}

#[test]
fn no_page_is_idle_for_longer_than_it_is_watched() {
    let since = Instant::now();
    let mut sample = sample(&[1], since);
    let told = sample.look(&sight(&[(1, 500)], since + seconds(9)), COLD_AFTER, Bytes::ZERO, here);
    assert_eq!(cohorts(told), [(9, None, 1, 0)]);
}

#[test]
fn what_left_for_swap_was_cold_or_not_and_stands_for_nothing_any_more() {
    let since = Instant::now();
    let mut sample = sample(&[1, 3, 5, 7, 9], since);
    sample.look(
        &sight(&[(1, 60), (3, 50), (5, 10), (7, 90)], since + seconds(100)),
        COLD_AFTER,
        Bytes::ZERO,
        here,
    );
    let gone = |_: Thread, address: u64| match address {
        1 | 3 | 5 => Entry::Swapped,
        7 => Entry::Present(1_000),
        address => Entry::Present(address),
    };
    let told = sample.look(&sight(&[], since + seconds(120)), COLD_AFTER, Bytes::ZERO, gone);
    // Idle for 50 s, and gone about 10 s later.
    assert_eq!(told.left, Left { pages: 3, cold: 2 });
    assert_eq!(cohorts(told), [(0, Some(5), 1, 0)], "what moved is not followed");
    assert_eq!((sample.left(), sample.stands_for().anon), (Ratio::percent(20.0), Bytes::mib(1)));
}

#[test]
fn what_was_touched_after_a_while_is_told_with_its_age() {
    let since = Instant::now();
    let mut sample = sample(&[1, 3, 5, 100], since);
    let ages = [(1, 40), (3, 40), (5, 10), (100, 40)];
    sample.look(&sight(&ages, since + seconds(100)), COLD_AFTER, Bytes::ZERO, here);
    // The second one was not touched; the third one not surely, and of files nobody asks.
    let now = [(1, 10), (3, 60), (5, 25), (100, 10)];
    let told = sample.look(&sight(&now, since + seconds(120)), COLD_AFTER, Bytes::ZERO, here);
    let expected = Touched { seen: seconds(40), age: seconds(50), size: Bytes::mib(1) };
    assert_eq!(told.touched, [expected]);
}

#[test]
fn fewer_pages_stand_for_as_much() {
    let mut sample = sample(&(0..100).collect::<Vec<_>>(), Instant::now());
    sample.thin(3);
    assert_eq!(sample.len(), 33);
    let of = sample.stands_for().anon;
    assert!(of <= Bytes::mib(100) && of > Bytes::mib(99), "{of}");
    assert_eq!(sample.left(), Ratio::ONE);
    let entries: HashMap<u64, Entry> = sample.frames().map(|frame| (frame, Entry::Absent)).collect();
    let told =
        sample.look(&sight(&[], Instant::now()), COLD_AFTER, Bytes::ZERO, |_, address| entries[&address]);
    assert_eq!((told.left.pages, sample.len()), (0, 0), "freed is not swapped out");
}

#[test]
fn what_came_back_within_a_look_left_too() {
    let told = |came_back| {
        let since = Instant::now();
        let mut sample = sample(&[1, 3, 5, 7], since);
        let idle = [(1, 70), (3, 10), (5, 10)];
        sample.look(&sight(&idle, since + seconds(100)), COLD_AFTER, Bytes::ZERO, here);
        let elsewhere = |_: Thread, address: u64| Entry::Present(address + 1_000);
        sample.look(&sight(&[], since + seconds(120)), COLD_AFTER, came_back, elsewhere).left
    };
    assert_eq!(told(Bytes::ZERO), Left::default(), "moved by the kernel");
    assert_eq!(told(Bytes::mib(4)), Left { pages: 4, cold: 1 });
    assert_eq!(told(Bytes::mib(400)), Left { pages: 4, cold: 1 }, "also pages that were not drawn");
    assert_eq!(told(Bytes::mib(2)).pages, 2);
}
