use std::{sync::Arc, time::Duration};

use lowtide_core::Bytes;

use super::*;
use crate::{metrics::render, samples};

const MEMORY: &str = "lowtide_cgroup_memory_bytes";
const REFAULTED: &str = "lowtide_cgroup_refaulted_bytes_total";

/// Pages with series for two cgroups.
struct Scraped {
    rest: Rest,
    view: View,
    page: String,
}

impl Scraped {
    fn new() -> Self {
        let rest = Rest { series: 2, ..Rest::default() };
        let mut view = samples::view(Duration::from_mins(1), Bytes::ZERO);
        view.cgroups.clear();
        Self { rest, view, page: String::new() }
    }

    fn there_is(&mut self, id: u64, path: &str, size: u64, refaulted: u64) {
        let mut new = samples::view(Duration::ZERO, Bytes::ZERO).cgroups.swap_remove(0);
        (new.id, new.path) = (CgroupId(id), path.into());
        new.memory.current = Bytes::mib(size);
        new.memory.swap_current = None;
        new.memory.stat.refault_anon = None;
        new.memory.stat.refault_file = Some(Bytes::mib(refaulted));
        self.view.cgroups.retain(|cgroup| cgroup.id.0 != id);
        self.view.cgroups.push(new);
    }

    fn is_gone(&mut self, id: u64) {
        self.view.cgroups.retain(|cgroup| cgroup.id.0 != id);
    }

    fn cgroup(&mut self, id: u64) -> &mut CgroupView {
        self.view.cgroups.iter_mut().find(|cgroup| cgroup.id.0 == id).unwrap()
    }

    /// Its size on the next page, and by how much its counter has grown until then, in MiB.
    fn becomes(&mut self, id: u64, size: u64, more: u64) {
        let memory = &mut self.cgroup(id).memory;
        memory.current = Bytes::mib(size);
        *memory.stat.refault_file.as_mut().unwrap() += Bytes::mib(more);
    }

    fn scrape(&mut self) {
        self.page = render(&self.view, &mut self.rest).concat();
    }

    /// Samples of a metric, in MiB.
    fn samples(&self, metric: &str) -> Vec<(String, u64)> {
        let begin = format!("{metric}{{cgroup=\"");
        let lines = self.page.lines().filter_map(|line| line.strip_prefix(&begin)?.split_once('"'));
        lines
            .map(|(cgroup, rest)| {
                (cgroup.to_owned(), rest.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap() >> 20)
            })
            .collect()
    }

    fn sample(&self, metric: &str, cgroup: &str) -> Option<u64> {
        self.samples(metric).into_iter().find(|(of, _)| of == cgroup).map(|(_, value)| value)
    }
}

fn four() -> Scraped {
    let mut scraped = Scraped::new();
    for (id, path, size) in [(1, "/t/a", 10), (2, "/t/b", 400), (3, "/t/c", 30), (4, "/t/d", 500)] {
        scraped.there_is(id, path, size, 100 * id);
    }
    scraped
}

#[test]
fn the_largest_have_series_and_the_others_are_one() {
    let mut scraped = four();
    scraped.scrape();
    let expected = [("/t/b", 400), ("/t/d", 500), (OTHER, 40)].map(|(of, size)| (of.to_owned(), size));
    assert_eq!(scraped.samples(MEMORY), expected);
    assert!(scraped.page.contains("\nlowtide_cgroups_without_series 2\n"), "{}", scraped.page);
    assert!(scraped.page.contains("\nlowtide_cgroup_info{cgroup=\"other\"} 1\n"), "a join keeps it");
    let of_the_rest = scraped.page.lines().filter(|line| line.contains("cgroup=\"other\""));
    let shares: Vec<_> = of_the_rest.filter(|line| line.contains("_ratio")).collect();
    assert!(shares.is_empty(), "a sum of shares says nothing: {shares:?}");
}

#[test]
fn where_all_have_series_there_is_no_rest() {
    let mut scraped = Scraped::new();
    scraped.there_is(1, "/a", 10, 1);
    scraped.scrape();
    let of_the_rest = scraped.page.lines().find(|line| !line.starts_with('#') && line.contains(OTHER));
    assert_eq!(of_the_rest, None);
}

/// A path that is too long for a label is not lost either.
#[test]
fn who_has_too_long_a_path_is_in_the_rest() {
    let mut scraped = Scraped::new();
    scraped.there_is(1, "/a", 10, 1);
    scraped.there_is(2, &format!("/{}", "x".repeat(LONGEST)), 20, 1);
    scraped.scrape();
    assert_eq!(scraped.sample(MEMORY, OTHER), Some(20));
    assert_eq!(scraped.sample(MEMORY, "/a"), Some(10));
}

/// A page of 4090 cgroups is nearly full.
#[test]
fn a_long_path_takes_nothing_from_the_others() {
    let mut scraped = Scraped { rest: Rest::default(), ..Scraped::new() };
    let sample = samples::view(Duration::ZERO, Bytes::ZERO).cgroups.swap_remove(0);
    let one = |id: u64, path: String| CgroupView { id: CgroupId(id), path: path.into(), ..sample.clone() };
    scraped.view.cgroups = (1..=4090).map(|id| one(id, format!("/{id:059}"))).collect();
    let own = |scraped: &Scraped| scraped.rest.rows(&scraped.view).iter().filter(|row| row.own).count();
    assert_eq!(own(&scraped), 4090);
    scraped.view.cgroups.push(one(0, format!("/t/{}", "x".repeat(LONGEST - 3))));
    assert_eq!(own(&scraped), 4090, "the long one is in the rest");
    scraped.view.cgroups.truncate(3000);
    scraped.view.cgroups.push(one(0, format!("/t/{}", "x".repeat(LONGEST - 3))));
    assert_eq!(own(&scraped), 3001, "there is room for it");
}

#[test]
fn counters_of_the_rest_tell_what_happened_there_and_never_fall() {
    let mut scraped = four();
    scraped.scrape();
    let other = |scraped: &Scraped| scraped.sample(REFAULTED, OTHER);
    assert_eq!(other(&scraped), Some(0), "what was before is no increase");
    let mut step = |change: &dyn Fn(&mut Scraped), expected: u64, what: &str| {
        change(&mut scraped);
        scraped.scrape();
        assert_eq!(other(&scraped), Some(expected), "{what}");
    };
    step(
        &|all| {
            all.becomes(1, 10, 1);
            all.becomes(3, 30, 2);
            all.becomes(4, 500, 1000);
        },
        3,
        "the increases of those without series",
    );
    step(&|all| all.becomes(3, 2000, 4), 7, "it gets series, and was in the rest until now");
    step(&|all| all.becomes(3, 2000, 8), 7, "its own series have that");
    step(&|all| all.becomes(3, 30, 16), 7, "it comes back with a past that is not the rest's");
    step(&|all| all.becomes(3, 30, 32), 39, "and is counted from there");
    step(&|all| all.is_gone(3), 39, "what it did stays when it goes");
    step(&|all| all.there_is(5, "/t/c", 20, 5000), 39, "another one at its path has a past of its own");
    step(
        &|all| {
            all.cgroup(5).memory.stat.refault_file = Some(Bytes::mib(1));
        },
        39,
        "a counter that begins anew",
    );
    step(&|all| all.becomes(5, 20, 1), 40, "goes on from there");
    step(
        &|all| {
            all.is_gone(1);
            all.is_gone(5);
        },
        40,
        "nobody is in the rest",
    );
    assert_eq!(scraped.sample(MEMORY, OTHER), None);
    assert!(scraped.rest.last.is_empty(), "of those who are gone nothing is kept");
}

/// Each counter that the page has of a cgroup, decisions with their reasons too.
#[test]
fn every_counter_of_a_cgroup_is_counted_for_the_rest() {
    let mut scraped = four();
    let account = Arc::make_mut(&mut scraped.cgroup(1).account);
    account.decisions.insert(("hold", "floor"), 5);
    scraped.scrape();
    let account = Arc::make_mut(&mut scraped.cgroup(1).account);
    account.decisions.insert(("hold", "floor"), 8);
    account.requested += Bytes::mib(3);
    scraped.scrape();
    let decided = r#"lowtide_decisions_total{action="hold",cgroup="other",reason="floor"} 3"#;
    assert!(scraped.page.lines().any(|line| line == decided), "{}", scraped.page);
    assert_eq!(scraped.sample("lowtide_reclaim_requested_bytes_total", OTHER), Some(3));
    let counters = |cgroup: &str| {
        let with = format!("cgroup=\"{cgroup}\"");
        let lines = scraped.page.lines().filter(|line| line.contains(&with));
        let names = lines.filter_map(|line| line.split_once('{')).map(|(name, _)| name);
        names.filter(|name| name.ends_with("_total")).collect::<HashSet<_>>()
    };
    assert_eq!(counters("/t/b").difference(&counters(OTHER)).count(), 0);
}

#[test]
fn who_is_a_little_larger_displaces_nobody() {
    let mut scraped = four();
    scraped.scrape();
    scraped.becomes(3, 700, 0);
    scraped.scrape();
    assert_eq!(scraped.sample(MEMORY, "/t/c"), None);
    scraped.becomes(3, 900, 0);
    scraped.scrape();
    assert_eq!(scraped.sample(MEMORY, "/t/c"), Some(900));
    assert_eq!(scraped.sample(MEMORY, "/t/b"), None);
}

/// Whatever moves, comes and goes: the total never falls, and is at most what all counters grew by.
#[test]
fn no_increase_is_invented() {
    let mut scraped = Scraped::new();
    let (mut random, mut grown, mut before) = (1_u64, 0, 0);
    for turn in 0..500 {
        for id in 1..8 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (size, more) = ((random >> 33) % 1000 + 1, (random >> 50) % 5);
            let is_there = scraped.view.cgroups.iter().any(|cgroup| cgroup.id.0 == id);
            if !is_there {
                scraped.there_is(id, &format!("/t/{id}"), size, 10_000 * size);
            } else if (random >> 60) == 0 {
                scraped.is_gone(id);
            } else {
                scraped.becomes(id, size, more);
                grown += more;
            }
        }
        scraped.scrape();
        let now = scraped.sample(REFAULTED, OTHER).unwrap_or_default();
        assert!(now >= before && now <= grown, "page {turn}: {before}, then {now} of {grown}");
        before = now;
    }
    assert!(before > grown / 3, "{before} of {grown}: most of them are in the rest at any time");
}
