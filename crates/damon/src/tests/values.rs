use std::{fs, sync::Arc};

use lowtide_kernfs::{Files, Root};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{Cohort, Region, Snapshot, Tried, directory::Directory, regions};

const SECOND: Duration = Duration::from_secs(1);

fn region(mib: u64, accesses: u64, age: u32) -> Region {
    let range = AddressRange::new(0, mib << 20).unwrap();
    Region { range, accesses, age: SECOND * age, passed: None, probe_hits: Vec::new() }
}

fn snapshot(regions: Vec<Region>) -> Snapshot {
    let monitored = Some(100 * SECOND);
    let schemes = vec![Tried { total: Bytes::ZERO, regions }];
    Snapshot { aggregation: SECOND, samples: 20, monitored, schemes }
}

#[test]
fn cohorts_say_how_long_bytes_have_been_idle() {
    let snapshot = snapshot(vec![
        region(1, 20, 7),
        region(2, 0, 30),
        region(4, 1, 0),
        region(8, 0, 99),
        region(16, 0, 30),
    ]);
    let cohort = |youngest: u64, oldest: Option<u64>, mib| Cohort {
        youngest: Duration::from_secs(youngest),
        oldest: oldest.map(Duration::from_secs),
        bytes: Bytes::mib(mib),
    };
    let expected = [cohort(0, Some(1), 5), cohort(30, Some(32), 18), cohort(99, None, 8)];
    assert_eq!(snapshot.cohorts(0), expected);
    assert_eq!(snapshot.cohorts(1), []);
}

#[test]
fn bytes_are_those_that_passed_the_filters() {
    let passed = Region { passed: Some(Bytes::kib(4)), ..region(1, 0, 5) };
    assert_eq!(snapshot(vec![passed]).cohorts(0)[0].bytes, Bytes::kib(4));
}

#[test]
fn a_pattern_of_idle_memory_in_whole_aggregations() {
    let intervals = crate::Intervals::new(Duration::from_millis(100), 20);
    let pattern = crate::AccessPattern::idle_for(Duration::from_secs(5), &intervals);
    assert_eq!((pattern.accesses, pattern.age), (Span::new(0, 0), Span::new(3, u32::MAX)));
    assert_eq!(intervals.samples(), 20);
}

/// A tree of plain files.
struct Tree(TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(TempDir::new().unwrap());
        let intervals = [
            ("monitoring_attrs/intervals/sample_us", "5000"),
            ("monitoring_attrs/intervals/aggr_us", "100000"),
        ];
        for (path, text) in intervals.iter().chain(files) {
            let path = tree.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        tree
    }

    fn directory(&self) -> Arc<dyn Directory> {
        let root = Root::open(self.0.path()).unwrap();
        assert!(root.exists("monitoring_attrs").unwrap());
        Arc::new(root.dir(".").unwrap())
    }

    fn read(&self, unit: u64) -> Result<Snapshot, crate::Error> {
        regions::read(&*self.directory(), unit, None)
    }
}

const REGIONS: [(&str, &str); 10] = [
    ("schemes/0/tried_regions/total_bytes", "20480\n"),
    ("schemes/0/tried_regions/10/start", "8192\n"),
    ("schemes/0/tried_regions/10/end", "16384\n"),
    ("schemes/0/tried_regions/10/nr_accesses", "3\n"),
    ("schemes/0/tried_regions/10/age", "0\n"),
    ("schemes/0/tried_regions/2/start", "4096\n"),
    ("schemes/0/tried_regions/2/end", "8192\n"),
    ("schemes/0/tried_regions/2/nr_accesses", "0\n"),
    ("schemes/0/tried_regions/2/age", "7\n"),
    ("schemes/nr_schemes", "1\n"),
];

#[test]
fn regions_with_gaps_in_their_numbers_come_in_order() {
    let snapshot = Tree::new(&REGIONS).read(1).unwrap();
    let tried = &snapshot.schemes[0];
    assert_eq!(tried.total, Bytes::new(20480));
    let starts: Vec<_> = tried.regions.iter().map(|region| region.range.start()).collect();
    assert_eq!(starts, [4096, 8192]);
    assert_eq!(tried.regions[0].age, Duration::from_millis(700));
    assert_eq!((tried.regions[0].idle(), tried.regions[1].idle()), (tried.regions[0].age, Duration::ZERO));
}

#[test]
fn of_idle_regions_only_where_they_start_and_their_age_is_read() {
    let end = ["schemes/0/tried_regions/2/end", "schemes/0/tried_regions/10/nr_accesses"];
    let files: Vec<_> = REGIONS.into_iter().filter(|(path, _)| !end.contains(path)).collect();
    let idle = regions::read_idle(&*Tree::new(&files).directory(), 2).unwrap();
    assert_eq!(idle.aggregation, Duration::from_millis(100));
    assert_eq!(idle.ages, [(8192, Duration::from_millis(700)), (16384, Duration::ZERO)].into());
    assert_eq!(Scheme::idle().pattern.accesses, Span::new(0, 0));
}

#[test]
fn an_address_unit_multiplies_addresses_and_bytes() {
    let snapshot = Tree::new(&REGIONS).read(4096).unwrap();
    let tried = &snapshot.schemes[0];
    assert_eq!((tried.total, tried.regions[0].size()), (Bytes::new(20480 * 4096), Bytes::mib(16)));
}

#[test]
fn what_passed_counts_only_with_a_filter_that_counts() {
    let passed = ("schemes/0/tried_regions/2/sz_filter_passed", "0\n");
    let first = |more: &[(&str, &str)]| {
        let files: Vec<_> = REGIONS.iter().chain([&passed]).chain(more).copied().collect();
        Tree::new(&files).read(1).unwrap().schemes[0].regions[0].passed
    };
    assert_eq!(first(&[]), None);
    assert_eq!(first(&[("schemes/0/ops_filters/nr_filters", "1\n")]), Some(Bytes::ZERO));
    assert_eq!(first(&[("schemes/0/filters/0/type", "memcg\n")]), Some(Bytes::ZERO));
    assert_eq!(first(&[("schemes/0/filters/0/type", "addr\n")]), None);
}

#[test]
fn garbage_is_named_with_its_file() {
    for (file, text) in [("age", "-1"), ("nr_accesses", ""), ("start", "x"), ("end", "1 2")] {
        let path = format!("schemes/0/tried_regions/2/{file}");
        let mut files: Vec<_> = REGIONS.to_vec();
        files.push((&path, text));
        let error = Tree::new(&files).read(1).unwrap_err().to_string();
        assert!(error.contains(&format!("tried_regions/2/{file}:1")), "{error}");
    }
}

proptest! {
    #[test]
    fn cohorts_account_for_every_byte(sizes in prop::collection::vec((1..100_u64, 0..3_u64, 0..50_u32), 0..20)) {
        let regions: Vec<_> = sizes.iter().map(|(mib, accesses, age)| region(*mib, *accesses, *age)).collect();
        let snapshot = snapshot(regions);
        let cohorts = snapshot.cohorts(0);
        let all: Bytes = snapshot.schemes[0].regions.iter().map(Region::bytes).sum();
        prop_assert_eq!(cohorts.iter().map(|cohort| cohort.bytes).sum::<Bytes>(), all);
        prop_assert!(cohorts.windows(2).all(|pair| pair[0].youngest <= pair[1].youngest));
        prop_assert!(cohorts.iter().all(|cohort| cohort.oldest.is_none_or(|oldest| oldest > cohort.youngest)));
    }
}
