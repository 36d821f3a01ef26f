use std::fs;

use lowtide_cgroup::Mount;
use lowtide_core::Bytes;
use lowtide_kernfs::Root;
use tempfile::TempDir;

use super::*;

/// One cgroup, and a way to write its files that nobody is told of.
struct Host {
    tree: TempDir,
    cgroup: Cgroup,
    unchanged: Unchanged,
}

impl Host {
    fn new() -> Self {
        let tree = tempfile::tempdir().unwrap();
        for directory in ["sys/fs/cgroup/a", "elsewhere"] {
            fs::create_dir_all(tree.path().join(directory)).unwrap();
        }
        for (file, text) in
            [("cgroup.controllers", "memory\n"), ("cgroup.events", "populated 1\n"), ("memory.low", "4096\n")]
        {
            let path = tree.path().join("sys/fs/cgroup/a").join(file);
            fs::write(&path, text).unwrap();
            fs::hard_link(path, tree.path().join("elsewhere").join(file)).unwrap();
        }
        let root = Root::open(tree.path()).unwrap();
        let cgroup = Mount::find_unchecked(&root).unwrap().open("/a").unwrap().unwrap();
        Self { tree, cgroup, unchanged: Unchanged::new(&root) }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.tree.path().join("sys/fs/cgroup/a").join(file), text).unwrap();
    }

    fn write_unseen(&self, file: &str, text: &str) {
        fs::write(self.tree.path().join("elsewhere").join(file), text).unwrap();
    }

    /// memory.low and whether it is populated, as a turn has them.
    fn turn(&mut self, seconds: u64, processor_time: Option<u64>) -> (u64, Option<bool>) {
        self.unchanged.begin(Duration::from_secs(seconds), false);
        let populated = self.unchanged.populated(&self.cgroup).unwrap();
        let low = self.unchanged.limits(&self.cgroup).unwrap().low;
        self.unchanged.ran(self.cgroup.id(), processor_time.map(Duration::from_micros));
        self.unchanged.end();
        (low.get(), populated)
    }
}

#[test]
fn limits_are_read_again_when_somebody_writes_them_and_every_minute() {
    let mut host = Host::new();
    assert_eq!(host.turn(0, None).0, 4096);
    host.write("memory.low", "8192\n");
    assert_eq!(host.turn(1, None).0, 8192);
    host.write_unseen("memory.low", "12288\n");
    assert_eq!(host.turn(2, None).0, 8192, "nothing is read that nobody wrote");
    host.write("memory.current", "1\n");
    assert_eq!(host.turn(3, None).0, 8192, "it is no limit");
    assert_eq!(host.turn(63, None).0, 12288);
}

#[test]
fn what_cannot_be_watched_is_read_in_every_turn() {
    let mut host = Host::new();
    host.unchanged.writes = None;
    assert_eq!(host.turn(0, None).0, 4096);
    host.write_unseen("memory.low", "8192\n");
    assert_eq!(host.turn(1, None).0, 8192);
}

#[test]
fn after_more_writes_than_are_told_all_is_read_again() {
    let mut host = Host::new();
    assert_eq!(host.turn(0, None).0, 4096);
    host.write_unseen("memory.low", "8192\n");
    // Each is told twice: it is cut off, and written.
    for number in 0..20_000 {
        host.write(if number % 2 == 0 { "memory.current" } else { "memory.stat" }, "1\n");
    }
    assert_eq!(host.turn(1, None).0, 8192);
}

#[test]
fn a_limit_that_is_no_number_stays_an_error_until_it_is_one() {
    let mut host = Host::new();
    host.turn(0, None);
    host.write("memory.low", "much\n");
    for second in [1, 2] {
        host.unchanged.begin(Duration::from_secs(second), false);
        let error = host.unchanged.limits(&host.cgroup).unwrap_err().to_string();
        assert!(error.contains("/memory.low:1: "), "{error}");
        host.unchanged.end();
    }
    host.write("memory.low", "1\n");
    assert_eq!(host.turn(3, None).0, 1);
}

#[test]
fn zswap_that_comes_has_limits_too() {
    let mut host = Host::new();
    host.turn(0, None);
    host.write_unseen("memory.low", "8192\n");
    host.unchanged.begin(Duration::from_secs(1), true);
    assert_eq!(host.unchanged.limits(&host.cgroup).unwrap().low, Bytes::new(8192));
}

#[test]
fn who_does_not_run_does_not_end() {
    let mut host = Host::new();
    assert_eq!(host.turn(0, Some(5)).1, Some(true));
    assert_eq!(host.turn(1, Some(5)).1, Some(true));
    host.write_unseen("cgroup.events", "populated 0\n");
    assert_eq!(host.turn(2, Some(5)).1, Some(true), "nobody ran, so nobody ended");
    assert_eq!(host.turn(3, Some(7)).1, Some(true), "it has run since it was asked");
    assert_eq!(host.turn(4, Some(7)).1, Some(false));
    host.write_unseen("cgroup.events", "populated 1\n");
    assert_eq!(host.turn(5, Some(7)).1, Some(true), "an empty one is asked every time");
    assert_eq!(host.turn(6, None).1, Some(true));
    host.write_unseen("cgroup.events", "populated 0\n");
    assert_eq!(host.turn(7, None).1, Some(false), "without processor time nothing is known");
}

#[test]
fn what_the_kernel_tells_is_seen_at_once() {
    let mut host = Host::new();
    host.turn(0, Some(5));
    host.write("cgroup.events", "populated 0\n");
    assert_eq!(host.turn(1, Some(5)).1, Some(false));
}

#[test]
fn most_of_what_a_user_may_watch_is_left_to_others() {
    let mut host = Host::new();
    let allowed = host.tree.path().join("proc/sys/fs/inotify");
    fs::create_dir_all(&allowed).unwrap();
    fs::write(allowed.join("max_user_watches"), "3\n").unwrap();
    host.unchanged = Unchanged::new(&Root::open(host.tree.path()).unwrap());
    assert_eq!(host.turn(0, None).0, 4096);
    assert_eq!(host.unchanged.watched.len(), 0);
    host.write_unseen("memory.low", "8192\n");
    assert_eq!(host.turn(1, None).0, 8192, "so it is read every time");
}

#[test]
fn a_sleeper_can_be_moved_away() {
    let mut host = Host::new();
    host.turn(0, Some(5));
    host.turn(1, Some(5));
    host.write_unseen("cgroup.events", "populated 0\n");
    assert_eq!(host.turn(70, Some(5)).1, Some(false));
}

#[test]
fn who_is_not_asked_about_is_forgotten() {
    let mut host = Host::new();
    host.turn(0, Some(1));
    assert_eq!((host.unchanged.known.len(), host.unchanged.watched.len()), (1, 1));
    host.unchanged.begin(Duration::from_secs(1), false);
    host.unchanged.end();
    assert_eq!((host.unchanged.known.len(), host.unchanged.watched.len()), (0, 0));
    assert_eq!(host.turn(2, Some(1)), (4096, Some(true)));
}
