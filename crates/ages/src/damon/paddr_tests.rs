use super::*;
use crate::damon::fixture::{Host, region, seconds, sight};
use lowtide_core::{ByType, Bytes};

fn paddr(host: &Host) -> Paddr {
    Paddr::new(host.mount(), vec![AddressRange::new(0, 1 << 30).unwrap()])
}

#[test]
fn a_target_is_the_sum_of_what_is_below_it() {
    let host = Host::new();
    host.cgroup("/a", 90, &[]);
    host.cgroup("/a/x", 50, &[]);
    host.cgroup("/a/y", 40, &[]);
    host.cgroup("/b", 10, &[]);
    let targets = ["/a", "/b"].map(|path| host.target(path));
    let mut paddr = paddr(&host);
    let description = paddr.describe(&targets).unwrap();
    assert_eq!(description.left_out, 0);
    let filters: Vec<_> = description.schemes.iter().map(|scheme| scheme.filters.clone()).collect();
    let expected = ["/a/x", "/a/y", "/b"]
        .map(|path| vec![Filter::only(FilterKind::Memcg(path.into())), Filter::only(FilterKind::Anonymous)]);
    assert_eq!(filters, expected);
    let of = |passed: [u64; 3]| {
        let seen = [(3, 7), (0, 20), (0, 98)].into_iter().zip(passed);
        seen.zip([0, 100, 200]).map(|((what, passed), at)| region(at, 100, what, Some(passed))).collect()
    };
    let readings = paddr.read(&sight([[5, 45, 0], [0, 30, 6], [0, 0, 9]].map(of).into()));
    assert_eq!(readings.iter().map(|(id, _)| *id).collect::<Vec<_>>(), targets.map(|target| target.id));
    let cohort = |youngest, oldest: Option<u64>, anon| Cohort {
        youngest: seconds(youngest),
        oldest: oldest.map(seconds),
        size: ByType { anon: Bytes::mib(anon), file: Bytes::ZERO },
    };
    // Of its 90 MiB, 4 are not seen.
    assert_eq!(readings[0].1, [cohort(0, Some(2), 9), cohort(20, Some(24), 75), cohort(98, None, 6)]);
    assert_eq!(readings[1].1, [cohort(0, Some(2), 1), cohort(98, None, 9)]);
}

#[test]
fn a_target_is_whole_or_left_out() {
    let host = Host::new();
    host.cgroup("/many", 200, &[]);
    for index in 0..MOST_CGROUPS {
        host.cgroup(&format!("/many/{index}"), 3, &[]);
    }
    host.cgroup("/one", 5, &[]);
    host.cgroup("/small", 0, &[]);
    let targets = ["/one", "/many", "/small"].map(|path| host.target(path));
    let mut paddr = paddr(&host);
    let description = paddr.describe(&targets).unwrap();
    assert_eq!((description.schemes.len(), description.left_out), (1, 1));
    // Alone it fits, but for what it holds itself.
    let description = paddr.describe(&targets[1..2]).unwrap();
    assert_eq!(description.left_out, 1);
    host.cgroup("/many", 3 * MOST_CGROUPS as u64, &[]);
    let description = paddr.describe(&targets[1..2]).unwrap();
    assert_eq!((description.schemes.len(), description.left_out), (MOST_CGROUPS, 0));
}

#[test]
fn what_is_gone_is_nobodys() {
    let host = Host::new();
    host.cgroup("/a", 9, &[]);
    let target = host.target("/a");
    host.remove("sys/fs/cgroup/a");
    let mut paddr = paddr(&host);
    let description = paddr.describe(std::slice::from_ref(&target)).unwrap();
    assert!(description.schemes.is_empty() && paddr.read(&sight(Vec::new())).is_empty());
    host.put("sys/fs/cgroup/other/memory.current", "0");
    host.cgroup("/a", 9, &[]);
    if host.target("/a").id != target.id {
        assert!(paddr.describe(&[target]).unwrap().schemes.is_empty(), "another one took its path");
    }
}
