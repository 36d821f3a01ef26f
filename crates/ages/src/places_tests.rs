//! Kinds 1 and 2: what one tenant has below its targets takes nothing from its neighbours.

use std::fs;

use lowtide_core::{CgroupId, left_out::Omission};
use lowtide_kernfs::Root;

use lowtide_cgroup::Mount;

use super::*;

fn target(path: &str) -> Target {
    let zero = Duration::ZERO;
    Target { id: CgroupId(1), path: path.into(), every: zero, slow_every: zero, cold_after: zero }
}

struct Tree {
    directory: tempfile::TempDir,
    mount: Mount,
}

impl Tree {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("sys/fs/cgroup/t")).unwrap();
        let mount = Mount::find_unchecked(&Root::open(directory.path()).unwrap()).unwrap();
        Self { directory, mount }
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.directory.path().join("sys/fs/cgroup").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn target(&self) -> Cgroup {
        self.mount.open("/t").unwrap().unwrap()
    }
}

fn named(left_out: &LeftOut) -> Vec<&str> {
    left_out.named().iter().map(|Omission { why, .. }| &**why).collect()
}

#[test]
fn targets_come_in_turns() {
    let targets = ["/a/1", "/a/2", "/a/3", "/b/1", "/b/2", "/c"].map(target);
    let order: Vec<_> = in_turns(targets.into()).iter().map(|target| target.path.to_string()).collect();
    assert_eq!(order, ["/a/1", "/b/1", "/c", "/a/2", "/b/2", "/a/3"]);
}

#[test]
fn who_wants_many_places_takes_none_from_who_wants_few() {
    let paths = ["/p/many/1", "/p/many/2", "/p/many/3", "/p/few/1", "/q"];
    assert_eq!(places(&paths, &[60, 60, 60, 3, 4], 128), [true, true, false, true, true]);
    assert_eq!(places(&paths, &[60, 60, 60, 3, 4], 64), [false, false, false, true, true]);
    assert_eq!(places(&paths[..1], &[60], 64), [true]);
    // Larger than its share, and there is room after all have had theirs.
    assert_eq!(places(&["/a", "/b"], &[90, 20], 128), [true, true]);
    assert_eq!(places(&[], &[], 128), [false; 0]);
}

#[test]
fn what_is_below_a_target_is_visited_within_bounds_and_in_shares() {
    let tree = Tree::new();
    for child in 0..CGROUPS + 50 {
        tree.put(&format!("t/many/{child}/cgroup.procs"), "");
    }
    for child in 0..5 {
        tree.put(&format!("t/few/{child}/cgroup.procs"), "");
    }
    // The kernel's own figures, by which a walk shares.
    for (path, below) in [("t", CGROUPS + 57), ("t/many", CGROUPS + 50), ("t/few", 5)] {
        tree.put(&format!("{path}/cgroup.stat"), &format!("nr_descendants {below}\n"));
    }
    let mut left_out = LeftOut::default();
    let found = subtree(&tree.target(), &mut left_out, |_| Some(())).unwrap();
    let few = found.iter().filter(|(path, ())| path.starts_with("/t/few/")).count();
    assert_eq!((found.len(), few), (CGROUPS, 5));
    assert!(left_out.count(Kind::Cgroup) >= 58, "{}", left_out.count(Kind::Cgroup));
    assert!(named(&left_out)[0].contains("/t: has more than"), "{:?}", named(&left_out));
}

#[test]
fn processes_are_looked_at_within_bounds_and_in_shares() {
    let tree = Tree::new();
    let many: String = (0..PROCESSES + 100).map(|pid| (pid + 1000).to_string() + "\n").collect();
    tree.put("t/many/cgroup.procs", &many);
    tree.put("t/few/cgroup.procs", "1\n2\n3\n");
    let mut left_out = LeftOut::default();
    let found = pids(&tree.target(), &mut left_out).unwrap();
    assert_eq!((found.len(), [1, 2, 3].iter().all(|pid| found.contains(pid))), (PROCESSES, true));
    assert_eq!(left_out.count(Kind::Process), 103);
    assert!(named(&left_out)[0].contains("103 processes more"), "{:?}", named(&left_out));
}
