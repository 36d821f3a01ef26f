use super::*;
use proptest::prelude::*;
use std::{cell::Cell, collections::HashMap};

/// A process with pages at some addresses.
#[derive(Default)]
struct Process {
    pages: HashMap<u64, u64>,
    mapped: HashMap<u64, u64>,
    lookups: Cell<u64>,
}

impl Lookup for Process {
    fn entry(&self, address: u64) -> Entry {
        self.lookups.set(self.lookups.get() + 1);
        self.pages.get(&(address / page())).map_or(Entry::Absent, |frame| Entry::Present(*frame))
    }

    fn mapped(&self, frame: u64) -> u64 {
        self.mapped.get(&frame).copied().unwrap_or(1)
    }
}

/// A mapping of so many pages from a page on, of which some are in memory.
fn mapping(first: u64, pages: u64, resident: u64) -> Resident {
    let range = AddressRange::new(first * page(), (first + pages) * page()).unwrap();
    let bytes = Bytes::new(resident * page());
    Resident { range, is_file: false, rss: bytes, pss: bytes }
}

fn drawn(wanted: u64, mappings: &[Resident], process: &Process, seed: u64) -> Vec<Drawn> {
    draw(wanted, mappings, process, &mut Frames::default(), &mut Random::new(seed))
}

#[test]
fn each_resident_page_is_as_likely_wherever_it_is_mapped() {
    // A hundred pages stand close together, and a hundred are spread over sixty times as many addresses. No
    // two frames are neighbours.
    let mappings = [mapping(0, 100, 100), mapping(10_000, 6_000, 100)];
    let dense = (0..100).map(|page| (page, page * 2));
    let sparse = (0..100).map(|page| (10_000 + page * 60, 1_000 + page * 2));
    let process = Process { pages: dense.chain(sparse).collect(), ..Process::default() };
    let mut counts: HashMap<u64, u32> = HashMap::new();
    for seed in 0..2_000 {
        for page in drawn(20, &mappings, &process, seed) {
            *counts.entry(page.frame).or_default() += 1;
        }
    }
    let count =
        |frames: std::ops::Range<u64>| frames.map(|frame| counts.get(&frame).copied().unwrap_or_default());
    let (dense, sparse): (u32, u32) = (count(0..1000).sum(), count(1000..2000).sum());
    assert!((39_900..=40_000).contains(&(dense + sparse)), "nearly all that were wanted: {}", dense + sparse);
    assert!((19_000..21_000).contains(&dense), "{dense} and {sparse}");
    // Each of them 200 times, give or take.
    assert!(counts.values().all(|count| (140..260).contains(count)), "{counts:?}");
}

#[test]
fn addresses_without_memory_cost_nothing() {
    let dense = [mapping(0, 1_000, 1_000)];
    let pages = (0..1_000).map(|page| (page, page * 2));
    let process = Process { pages: pages.collect(), ..Process::default() };
    assert_eq!(drawn(100, &dense, &process, 1).len(), 100);
    let alone = process.lookups.take();
    // 64 GiB more, of which one page is in memory and is not found.
    let sparse = [mapping(0, 1_000, 1_000), mapping(1 << 30, 1 << 24, 1)];
    assert!(drawn(100, &sparse, &process, 1).len() >= 99);
    let beside = process.lookups.take();
    assert!(beside <= alone + MOST_TRIES, "{alone}, then {beside}");
}

#[test]
fn what_is_hardly_ever_found_ends_the_search() {
    let process = Process::default();
    assert_eq!(drawn(10, &[mapping(0, 1 << 24, 1_000)], &process, 1), []);
    assert_eq!(process.lookups.get(), 10 * MEAN_TRIES);
}

#[test]
fn shared_pages_are_taken_the_more_rarely_the_more_map_them() {
    // Half of the pages are mapped ten times: of each ten draws in ten processes one should be of these.
    let pages = (0..2_000).map(|page| (page, page * 2));
    let mapped = (0..1_000).map(|page| (page * 2, 10));
    let process = Process { pages: pages.collect(), mapped: mapped.collect(), ..Process::default() };
    let pss = Bytes::new((1_000 + 100) * page());
    let shared = Resident { pss, ..mapping(0, 2_000, 2_000) };
    let drawn = drawn(400, &[shared], &process, 3);
    let of_shared = drawn.iter().filter(|page| page.frame < 2_000).count();
    assert!((20..60).contains(&of_shared), "{of_shared} of {}", drawn.len());
}

#[test]
fn no_frame_is_watched_twice_or_beside_another() {
    let mut frames = Frames::default();
    let taken: Vec<bool> = [7, 7, 8, 6, 9, 5, 0].map(|frame| frames.take(frame)).into();
    assert_eq!(taken, [true, false, false, false, true, true, true]);
}

proptest! {
    #[test]
    fn parts_add_up_and_are_rounded_up_or_down(
        wanted in 0_u64..3_000, weights in prop::collection::vec(0_u64..1 << 40, 1..40), seed: u64,
    ) {
        let total: u64 = weights.iter().sum();
        let bytes: Vec<_> = weights.iter().copied().map(Bytes::new).collect();
        let parts = share_out(wanted, &bytes, &mut Random::new(seed));
        prop_assert_eq!(parts.iter().sum::<u64>(), if total == 0 { 0 } else { wanted });
        for (part, weight) in parts.iter().zip(&weights) {
            let exact = u128::from(*weight) * u128::from(wanted);
            prop_assert!(u128::from(*part) * u128::from(total) <= exact + u128::from(total));
            prop_assert!((u128::from(*part) + 1) * u128::from(total) >= exact);
        }
    }
}
