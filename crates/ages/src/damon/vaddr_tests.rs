use super::*;
use crate::damon::fixture::{Host, region, seconds, sight};

fn vaddr(host: &Host) -> Vaddr {
    Vaddr::new(host.root(), host.mount())
}

fn pids(description: &Description) -> Vec<u32> {
    description.space.processes().iter().map(|process| process.pid).collect()
}

fn cohort(youngest: u64, oldest: Option<u64>, anon: u64, file: u64) -> Cohort {
    let size = ByType { anon: Bytes::mib(anon), file: Bytes::mib(file) };
    Cohort { youngest: seconds(youngest), oldest: oldest.map(seconds), size }
}

#[test]
fn ages_go_no_further_back_than_somebody_watched() {
    let snapshot = sight(Vec::new()).snapshot;
    let from_start = |accesses, age| span(&region(0, 1, (accesses, age), None), &snapshot, None);
    assert_eq!(from_start(1, 50), (seconds(0), Ends::At(seconds(2))));
    assert_eq!(from_start(0, 50), (seconds(50), Ends::At(seconds(54))));
    assert_eq!(from_start(0, 98), (seconds(98), Ends::Unknown));
    let later = |age| span(&region(0, 1, (0, age), None), &snapshot, Some(seconds(30)));
    assert_eq!(later(10), (seconds(10), Ends::At(seconds(14))));
    assert_eq!(later(98), (seconds(30), Ends::At(seconds(34))));
}

#[test]
fn processes_that_hold_memory_are_watched_each_in_its_place() {
    let host = Host::new();
    host.cgroup("/a", 60, &[10]);
    host.cgroup("/a/x", 30, &[11, 12, 13]);
    host.cgroup("/b", 30, &[14]);
    for (pid, mib) in [(10, 30), (11, 0), (12, 20), (14, 30)] {
        host.process(pid, mib, 0);
    }
    let targets = ["/a", "/b"].map(|path| host.target(path));
    let mut vaddr = vaddr(&host);
    // 11 holds nothing, 13 is gone.
    let description = vaddr.describe(&targets).unwrap();
    assert_eq!((pids(&description), description.left_out), (vec![10, 12, 14], 0));
    let filters: Vec<_> = description.schemes.iter().map(|scheme| scheme.filters.clone()).collect();
    assert_eq!(filters, [0, 1, 2].map(|place| vec![Filter::only(FilterKind::Target(place))]));
    let touched = |mib| vec![region(100, mib, (4, 0), None)];
    let readings = vaddr.read(&sight(vec![touched(30), touched(20), touched(30)]));
    // What is not seen of its 60 MiB counts as touched.
    assert_eq!(readings[0], (targets[0].id, vec![cohort(0, Some(2), 60, 0)]));
    assert_eq!(readings[1], (targets[1].id, vec![cohort(0, Some(2), 30, 0)]));
    // One ends: its place finds nothing, and what it held is not there any more.
    host.remove("proc/12");
    host.cgroup("/a", 35, &[10]);
    let description = vaddr.describe(&targets).unwrap();
    assert_eq!(pids(&description).len(), 3);
    assert_eq!(description.schemes[1], unused());
    assert_eq!(vaddr.read(&sight(vec![touched(30), vec![], touched(30)]))[0].1, [cohort(0, Some(2), 35, 0)]);
}

#[test]
fn addresses_without_memory_are_not_told_to_be_cold() {
    let host = Host::new();
    host.cgroup("/a", 40, &[10]);
    host.process(10, 35, 2);
    // 100 MiB of addresses, 25 of them hot: no more than 10 MiB can be idle. 5 MiB are nobody's, and count as
    // touched.
    let regions = vec![region(100, 25, (5, 9), None), region(125, 75, (0, 98), None)];
    let target = [host.target("/a")];
    let mut vaddr = vaddr(&host);
    vaddr.describe(&target).unwrap();
    assert_eq!(
        vaddr.read(&sight(vec![regions.clone()]))[0].1,
        [cohort(0, Some(2), 30, 0), cohort(98, None, 10, 0)]
    );
    // Pages that are shared are charged once: the cgroup has less than its processes show.
    host.cgroup("/a", 30, &[10]);
    assert_eq!(
        vaddr.read(&sight(vec![regions.clone()]))[0].1,
        [cohort(0, Some(2), 25, 0), cohort(98, None, 5, 0)]
    );
    // With its mappings the hole between the two is known, and what is a file.
    host.cgroup("/a", 40, &[10]);
    let stat =
        "anon 1\nfile 1\ninactive_anon 41943040\nactive_anon 0\ninactive_file 1048576\nactive_file 0\n";
    host.put("sys/fs/cgroup/a/memory.stat", stat);
    let line =
        |from: u64, to: u64, path: &str| format!("{:x}-{:x} r--p 0 0:0 0 {path}\n", from << 20, to << 20);
    host.put("proc/10/maps", &[line(100, 125, ""), line(150, 152, "/lib/a"), line(160, 163, "")].concat());
    let expected = [cohort(0, Some(2), 37, 0), cohort(98, None, 3, 1)];
    assert_eq!(vaddr.read(&sight(vec![regions]))[0].1, expected);
}

#[test]
fn a_target_is_whole_or_left_out() {
    let host = Host::new();
    let many: Vec<u32> = (100..100 + u32::try_from(MOST_PROCESSES).unwrap()).collect();
    host.cgroup("/many", 900, &many);
    host.cgroup("/one", 5, &[10]);
    many.iter().chain(&[10]).for_each(|pid| host.process(*pid, 5, 0));
    let targets = ["/one", "/many"].map(|path| host.target(path));
    let mut vaddr = vaddr(&host);
    let description = vaddr.describe(&targets).unwrap();
    assert_eq!((pids(&description), description.left_out), (vec![10], 1));
    let description = vaddr.describe(&targets[1..]).unwrap();
    assert_eq!((pids(&description).len(), description.left_out), (MOST_PROCESSES, 0));
}

#[test]
fn with_nobody_to_watch_nothing_is_described() {
    let host = Host::new();
    host.cgroup("/a", 5, &[]);
    let description = vaddr(&host).describe(&[host.target("/a")]).unwrap();
    assert!(description.schemes.is_empty() && description.space.processes().is_empty());
}
