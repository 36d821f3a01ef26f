//! From a look to the next one on a host of files, with idle page tracking: it needs nothing but a file.

use super::*;
use crate::damon::fixture::Host;
use lowtide_core::{
    Bytes, Cohort,
    reading::{Left, Resolution},
};
use std::{fs, time::Duration};

/// The first page of the one mapping, and how many there are, all of them in memory.
const FIRST: u64 = 256;
const PAGES: u64 = 1024;
const BITMAP: &str = "sys/kernel/mm/page_idle/bitmap";

/// Each frame has a word of the bitmap for itself.
const fn frame(page: u64) -> u64 {
    (page + 1) * 64
}

fn put(host: &Host, path: &str, words: impl Iterator<Item = u64>) {
    host.put(path, "");
    let bytes: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
    fs::write(host.root().path().join(path), bytes).unwrap();
}

/// Of the mapping's pages, those from `swapped` on are in swap.
fn page_table(host: &Host, swapped: u64) {
    let entry = |page: u64| if page < swapped { (1 << 63) + frame(page) } else { 1 << 62 };
    put(host, "proc/10/pagemap", (0..FIRST).map(|_| 0).chain((0..PAGES).map(entry)));
}

/// A process with 4 MiB in a cgroup of 5.
fn host() -> Host {
    let host = Host::new();
    host.cgroup("/a", 5, &[10]);
    host.process(10, 4, 0);
    let (start, end) = (FIRST * 4096, (FIRST + PAGES) * 4096);
    host.put(
        "proc/10/smaps",
        &format!("{start:x}-{end:x} rw-p 00000000 00:00 0 \nRss: 4096 kB\nPss: 4096 kB\n"),
    );
    page_table(&host, PAGES);
    host.put("proc/self/pagemap", "");
    host.put("proc/self/status", "CapEff:\t000001ffffffffff\n");
    put(&host, BITMAP, (0..PAGES + 2).map(|_| 0));
    host
}

fn sampled(host: &Host) -> Sampled {
    Sampled::new(host.root(), host.mount(), "nowhere".into(), Ratio::percent(1.0)).unwrap()
}

/// The kernel clears the bits of what is touched: the pages below `touched`.
fn touch(host: &Host, touched: u64) {
    let path = host.root().path().join(BITMAP);
    let mut bytes = fs::read(&path).unwrap();
    let end = usize::try_from(frame(touched) / 8).unwrap();
    bytes[..end].fill(0);
    fs::write(&path, bytes).unwrap();
    std::thread::sleep(Duration::from_millis(10));
}

fn idle(cohorts: &[Cohort]) -> Bytes {
    cohorts.iter().filter(|cohort| !cohort.youngest.is_zero()).map(|cohort| cohort.size.anon).sum()
}

#[test]
fn pages_are_drawn_then_told_of_and_those_that_left_are_counted() {
    let host = host();
    let mut sampled = sampled(&host);
    let targets = [host.target("/a")];
    assert_eq!(sampled.source(), Some(Source::Sampled));
    assert!(sampled.look(&targets, &targets).unwrap().readings.is_empty(), "nothing was watched before");

    touch(&host, PAGES / 4);
    let look = sampled.look(&targets, &targets).unwrap();
    let (id, seen) = &look.readings[0];
    assert_eq!((*id, seen.source, seen.left), (targets[0].id, Source::Sampled, Some(Left::default())));
    let Resolution::Sample(sample) = seen.resolution else { panic!("{seen:?}") };
    // A quarter of the pages, of which a quarter was touched; each stands for four.
    assert_eq!(sample.pages, u32::try_from(PAGES / 4).unwrap());
    let all: Bytes = seen.cohorts.iter().map(|cohort| cohort.size.anon).sum();
    assert_eq!(all, Bytes::mib(5), "what is not mapped counts as touched");
    let share = idle(&seen.cohorts).share_of(Bytes::mib(4)).get();
    let error = seen.resolution.error(Ratio::percent(75.0)).unwrap().get();
    assert!((share - 0.75).abs() <= error * 1.5, "{share} ± {error}");

    page_table(&host, PAGES / 2);
    let look = sampled.look(&targets, &targets).unwrap();
    let left = look.readings[0].1.left.unwrap();
    assert!((90..170).contains(&left.pages) && left.cold == 0, "{left:?}: nothing is cold within moments");
}

#[test]
fn a_cgroup_that_is_gone_has_no_pages_and_one_without_processes_is_waited_for() {
    let host = host();
    host.cgroup("/empty", 5, &[]);
    let mut sampled = sampled(&host);
    let targets = ["/a", "/empty"].map(|path| host.target(path));
    sampled.look(&targets, &targets).unwrap();
    assert_eq!(sampled.cgroups.len(), 1);
    host.remove("sys/fs/cgroup/a");
    let look = sampled.look(&targets, &targets).unwrap();
    assert!(look.readings.is_empty() && look.note.is_none(), "{look:?}");
    sampled.look(&targets[1..], &targets[1..]).unwrap();
    assert!(sampled.cgroups.is_empty());
    sampled.stop().unwrap();
}
