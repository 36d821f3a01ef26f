use std::fs;

use lowtide_kernfs::Root;
use tempfile::TempDir;

use super::*;
use crate::Mount;

const STAT: &str = "anon 0\nfile 0\ninactive_anon 0\nactive_anon 0\ninactive_file 0\nactive_file 0\n";

/// A tree in which `memory.reclaim` is a plain file that holds the last write.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(tree.0.path().join("sys/fs/cgroup/web")).unwrap();
        for (name, text) in [
            ("cgroup.controllers", "memory\n"),
            ("cgroup.events", "populated 1\nfrozen 0\n"),
            ("memory.current", "1000000\n"),
            ("memory.swap.current", "0\n"),
            ("memory.stat", STAT),
            ("memory.reclaim", ""),
        ] {
            tree.set(name, text);
        }
        tree
    }

    fn set(&self, name: &str, text: &str) {
        fs::write(self.0.path().join("sys/fs/cgroup/web").join(name), text).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.0.path().join("sys/fs/cgroup/web").join(name)).unwrap();
    }

    fn written(&self) -> String {
        fs::read_to_string(self.0.path().join("sys/fs/cgroup/web/memory.reclaim")).unwrap()
    }

    fn web(&self) -> Cgroup {
        let mount = Mount::find_unchecked(&Root::open(self.0.path()).unwrap()).unwrap();
        mount.open("/web").unwrap().unwrap()
    }
}

fn plain(amount: Bytes) -> Request {
    Request { amount, swappiness: None }
}

#[test]
fn chunks_are_small_and_add_up() {
    let tree = Tree::new();
    let mut writes = vec![];
    let effect = tree.web().reclaim(plain(Bytes::new((70 << 20) + 5000)), &mut || {
        writes.extend(tree.written().parse::<u64>());
        true
    });
    let effect = effect.unwrap();
    writes.extend(tree.written().parse::<u64>());
    assert_eq!(writes.iter().sum::<u64>(), (70 << 20) + 4096);
    assert_eq!(writes[0], FIRST.get());
    assert!(writes.iter().all(|bytes| *bytes <= CHUNK.get()), "{writes:?}");
    assert_eq!(effect.requested, Bytes::new((70 << 20) + 4096));
    assert!(!effect.partial && !effect.stopped && !effect.vanished);
    assert!(effect.wall > Duration::ZERO);
}

#[test]
fn a_slow_kernel_is_asked_for_less_at_a_time() {
    let sizes = |took: Duration| {
        let next = |size: &Bytes| Some(next_size(*size, took));
        std::iter::successors(Some(FIRST), next).take(8).collect::<Vec<_>>()
    };
    let mib = |sizes: &[u64]| sizes.iter().map(|size| Bytes::mib(*size)).collect::<Vec<_>>();
    assert_eq!(sizes(Duration::ZERO), mib(&[4, 8, 16, 32, 32, 32, 32, 32]));
    assert_eq!(sizes(LONG / 2), mib(&[4; 8]));
    assert_eq!(sizes(LONG * 2)[..3], mib(&[4, 2, 1]));
    assert_eq!(sizes(LONG * 2)[3..], [LEAST; 5]);
}

#[test]
fn less_than_a_page_is_not_written() {
    let tree = Tree::new();
    for bytes in [0, 1, 4095] {
        let effect = tree.web().reclaim(plain(Bytes::new(bytes)), &mut || true).unwrap();
        assert_eq!((effect.requested, tree.written().as_str()), (Bytes::ZERO, ""));
    }
}

#[test]
fn swappiness_is_written_behind_the_amount() {
    let tree = Tree::new();
    let request = Request { amount: Bytes::mib(1), swappiness: Some(0) };
    tree.web().reclaim(request, &mut || true).unwrap();
    assert_eq!(tree.written(), "1048576 swappiness=0");
}

#[test]
fn the_caller_can_stop_between_chunks() {
    let tree = Tree::new();
    let mut left = 2;
    let effect = tree.web().reclaim(plain(Bytes::mib(200)), &mut || {
        left -= 1;
        left >= 0
    });
    let effect = effect.unwrap();
    assert!(effect.requested > FIRST && effect.requested < FIRST + CHUNK && effect.stopped);

    let effect = tree.web().reclaim(plain(Bytes::mib(200)), &mut || false).unwrap();
    assert_eq!((effect.requested, effect.stopped), (Bytes::ZERO, true));
}

#[test]
fn a_cgroup_that_empties_is_left_alone() {
    let tree = Tree::new();
    let mut first = true;
    let effect = tree.web().reclaim(plain(Bytes::mib(200)), &mut || {
        if !std::mem::take(&mut first) {
            tree.set("cgroup.events", "populated 0\nfrozen 0\n");
        }
        true
    });
    let effect = effect.unwrap();
    assert_eq!((effect.requested, effect.stopped, effect.vanished), (FIRST, true, false));
}

#[test]
fn a_cgroup_that_vanishes_is_no_error() {
    let tree = Tree::new();
    let web = tree.web();
    let mut first = true;
    let effect = web.reclaim(plain(Bytes::mib(200)), &mut || {
        if !std::mem::take(&mut first) {
            fs::remove_dir_all(tree.0.path().join("sys/fs/cgroup/web")).unwrap();
        }
        true
    });
    let effect = effect.unwrap();
    assert_eq!((effect.requested, effect.vanished, effect.stopped), (FIRST, true, false));
    assert_eq!(effect.freed, Bytes::ZERO);

    let effect = web.reclaim(plain(Bytes::mib(200)), &mut || panic!("never asked")).unwrap();
    assert_eq!(effect, Effect { vanished: true, ..Effect::default() });
}

#[test]
fn another_cgroup_at_the_same_path_is_never_written() {
    let tree = Tree::new();
    let web = tree.web();
    let path = tree.0.path().join("sys/fs/cgroup/web");
    fs::rename(&path, tree.0.path().join("elsewhere")).unwrap();
    fs::remove_dir_all(tree.0.path().join("elsewhere")).unwrap();
    fs::create_dir(&path).unwrap();
    for name in ["memory.current", "memory.stat", "memory.reclaim", "cgroup.controllers"] {
        tree.set(name, "0\n");
    }
    assert!(web.reclaim(plain(Bytes::mib(1)), &mut || true).unwrap().vanished);
    assert_eq!(tree.written(), "0\n");
}

#[test]
fn what_was_freed_is_what_the_counters_say() {
    let tree = Tree::new();
    let effect = tree.web().reclaim(plain(Bytes::mib(1)), &mut || {
        tree.set("memory.current", "400000\n");
        tree.set("memory.swap.current", "700000\n");
        true
    });
    let effect = effect.unwrap();
    assert_eq!((effect.freed, effect.offloaded), (Bytes::new(600_000), Bytes::new(700_000)));
    // A tenant that grew meanwhile, and faulted everything back.
    let effect = tree.web().reclaim(plain(Bytes::mib(1)), &mut || {
        tree.set("memory.current", "900000\n");
        tree.set("memory.swap.current", "0\n");
        true
    });
    let effect = effect.unwrap();
    assert_eq!((effect.freed, effect.offloaded), (Bytes::ZERO, Bytes::ZERO));
}

#[test]
fn answers_of_the_kernel() {
    let tree = Tree::new();
    let web = tree.web();
    let error = |errno| lowtide_kernfs::Error::System {
        operation: lowtide_kernfs::Operation::Write,
        path: std::path::Path::new("/x/memory.reclaim").into(),
        errno,
    };
    assert_eq!(web.understand(error(Errno::EAGAIN), None), Ok(Answer::LessThanAsked));
    assert_eq!(web.understand(error(Errno::EINTR), Some(0)), Ok(Answer::Done));
    assert_eq!(web.understand(error(Errno::from_raw(512)), None), Ok(Answer::Done));
    assert_eq!(web.understand(error(Errno::ENODEV), None), Ok(Answer::Vanished));
    let path = web.dir().path().to_path_buf();
    let unsupported = Error::SwappinessUnsupported { path: path.clone(), swappiness: 0 };
    assert_eq!(web.understand(error(Errno::EINVAL), Some(0)), Err(unsupported));
    assert_eq!(web.understand(error(Errno::EINVAL), None), Err(error(Errno::EINVAL).into()));
    assert_eq!(web.understand(error(Errno::EACCES), Some(0)), Err(error(Errno::EACCES).into()));
    assert_eq!(web.understand(error(Errno::ENOENT), None), Err(Error::NoReclaim { path }));
    tree.remove("cgroup.controllers");
    assert_eq!(web.understand(error(Errno::ENOENT), None), Ok(Answer::Vanished));
}

#[test]
fn missing_files_have_their_own_errors() {
    let tree = Tree::new();
    tree.remove("memory.reclaim");
    let reclaim = || tree.web().reclaim(plain(Bytes::mib(1)), &mut || true);
    assert!(matches!(reclaim(), Err(Error::NoReclaim { .. })));
    assert!(matches!(tree.web().takes_swappiness(), Err(Error::NoReclaim { .. })));
    assert!(!tree.0.path().join("sys/fs/cgroup/web/memory.reclaim").exists(), "never created");
    tree.remove("memory.stat");
    assert!(matches!(reclaim(), Err(Error::NoMemoryController { .. })));
    assert!(matches!(tree.web().takes_swappiness(), Err(Error::NoMemoryController { .. })));
}

#[test]
fn the_probe_asks_for_nothing() {
    let tree = Tree::new();
    assert_eq!(tree.web().takes_swappiness(), Ok(true));
    assert_eq!(tree.written(), "0 swappiness=60");
}
