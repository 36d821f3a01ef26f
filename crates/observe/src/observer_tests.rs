use std::{fs, path::Path, process::Command};

use lowtide_policy::parse;
use nix::sys::resource::{Resource as Limited, getrlimit, setrlimit};
use tempfile::TempDir;

use super::*;

const STAT: &str =
    "anon 4096\nfile 4096\ninactive_anon 4096\nactive_anon 0\ninactive_file 4096\nactive_file 0\n";

/// A host of files with cgroups of 1 MiB each.
struct Host(TempDir);

impl Host {
    fn new(cgroups: &[&str]) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        host.put("proc/meminfo", "MemTotal: 1048576 kB\nMemFree: 524288 kB\nSwapTotal: 2040 kB\n");
        host.put(
            "proc/swaps",
            "Filename Type Size Used Priority\n/dev/zram0 partition 1020 500 100\n/dev/sda2 partition 1020 0 -2\n",
        );
        for (file, text) in
            [("initstate", "1\n"), ("disksize", "1048576\n"), ("mm_stat", "4096 200 8192 0 8192 0 0 0 0\n")]
        {
            host.put(&format!("sys/block/zram0/{file}"), text);
        }
        for cgroup in cgroups {
            host.cgroup(cgroup, "memory.current", "1048576\n");
            host.cgroup(cgroup, "memory.stat", STAT);
            host.cgroup(cgroup, "cgroup.controllers", "memory\n");
            host.cgroup(cgroup, "cgroup.events", "populated 1\n");
        }
        host
    }

    fn put(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn cgroup(&self, cgroup: &str, file: &str, text: &str) {
        self.put(&format!("sys/fs/cgroup/{cgroup}/{file}"), text);
    }

    fn observer(&self) -> Observer {
        Observer::new(Root::open(self.0.path()).unwrap()).unwrap()
    }

    fn look(&self) -> Sight {
        self.observer().look(&policies("/**"), Duration::ZERO, Duration::MAX).unwrap()
    }
}

fn policies(pattern: &str) -> PolicySet {
    let text = format!("policies: [{{ name: a, match: [\"{pattern}\"] }}]");
    parse(Path::new("lowtide.yaml"), &text).unwrap().config.policies
}

fn paths(sight: &Sight) -> Vec<&str> {
    sight.seen.cgroups.iter().map(|cgroup| &*cgroup.path).collect()
}

/// Kind 4: whatever is odd about one of them, the others have their turn.
#[test]
fn one_that_cannot_be_read_ends_nobody_elses_turn() {
    let host = Host::new(&["a", "b", "c", "d"]);
    host.cgroup("a", "memory.stat", "anon many\n");
    host.cgroup("b", "io.stat", "8:0 rbytes=4096 rios=1\n8:16 rbytes=8192 rios=2\n");
    host.cgroup("c", "io.stat", "8:0 rbytes=much rios=1\n");
    host.put("sys/dev/block/8:0/stat", "1 2\n");
    host.put("sys/dev/block/8:16/stat", "1 0 0 4\n");
    host.put("sys/block/zram0/mm_stat", "many\n");
    host.put("sys/class/block/sda2/stat", "x\n");
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"caf\xe9");
    fs::create_dir(host.0.path().join("sys/fs/cgroup").join(odd)).unwrap();

    let sight = host.look();
    assert_eq!(paths(&sight), ["/b", "/d"]);
    assert_eq!(sight.targets.len(), 4);
    let counts = [Kind::Cgroup, Kind::Device].map(|kind| sight.left_out.count(kind));
    assert_eq!(counts, [3, 3], "{:?}", sight.left_out);
    assert_eq!(sight.seen.host.reads.keys().map(|key| &**key).collect::<Vec<_>>(), ["8:16"]);
    let said: Vec<_> = sight.left_out.named().iter().map(|omission| &*omission.why).collect();
    for part in ["mm_stat:1: `many`", r"/caf\xe9: the name is no UTF-8", "a/memory.stat:1", "c/io.stat:1"] {
        assert!(said.iter().any(|why| why.contains(part)), "{part} is not in {said:?}");
    }
}

/// Kind 1: what a tenant nests beyond PATH_MAX is a part of the deepest cgroup that is not.
#[test]
fn what_has_too_long_a_path_belongs_to_the_cgroup_above_it() {
    let host = Host::new(&["a"]);
    let name = "n".repeat(250);
    let mut dir = Root::open(host.0.path()).unwrap().dir("sys/fs/cgroup/a").unwrap();
    for _ in 0..20 {
        nix::sys::stat::mkdirat(dir.handle(), name.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        dir = dir.subdir(&name).unwrap();
        let here = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&dir.handle()));
        for file in ["memory.current", "memory.stat", "cgroup.controllers", "cgroup.events"] {
            let like = host.0.path().join("sys/fs/cgroup/a").join(file);
            fs::copy(like, Path::new(&here).join(file)).unwrap();
        }
    }
    let sight = host.look();
    assert_eq!(paths(&sight), [format!("/a{}", format!("/{name}").repeat(16))]);
    assert_eq!(sight.left_out.count(Kind::Cgroup), 0);
}

/// Kind 4. The limit is the process's, so the test runs in one of its own.
#[test]
fn without_descriptors_each_subtree_has_its_share() {
    const NAME: &str = "LOWTIDE_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(NAME).is_none() {
        let this = ["--exact", "observer::tests::without_descriptors_each_subtree_has_its_share"];
        let run = Command::new(std::env::current_exe().unwrap()).args(this).env(NAME, "1").output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let names: Vec<_> =
        (0..200).map(|number| format!("a/{number}")).chain(["z/1".into(), "z/2".into()]).collect();
    let host = Host::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut observer = host.observer();
    let (_, hard) = getrlimit(Limited::RLIMIT_NOFILE).unwrap();
    setrlimit(Limited::RLIMIT_NOFILE, 120, hard).unwrap();
    let sight = observer.look(&policies("/**"), Duration::ZERO, Duration::MAX).unwrap();
    let (seen, left_out) = (sight.seen.cgroups.len(), sight.left_out.count(Kind::Cgroup));
    assert_eq!((seen, left_out), (59, 143));
    assert_eq!(
        sight.left_out.named()[0].why,
        "policies name more than 59 cgroups: what a subtree has beyond its share is not looked at"
    );
    assert!(paths(&sight).ends_with(&["/z/1", "/z/2"]), "the walk comes to them when no descriptor is left");
    assert_eq!(sight.targets.len(), 202, "none of them is given up");
}

/// Kind 1: whoever has thousands made the turn of the others as long as it takes to read all of them.
#[test]
fn what_one_turn_is_too_short_for_is_read_in_the_next() {
    let host = Host::new(&["a", "b", "c"]);
    let mut observer = host.observer();
    let mut look = |seconds, patience| {
        let sight = observer.look(&policies("/**"), Duration::from_secs(seconds), patience).unwrap();
        assert_eq!(sight.targets.len(), 3);
        assert_eq!(sight.unread.len() as u64, sight.left_out.count(Kind::Cgroup));
        (paths(&sight).join(" "), sight.unread.len())
    };
    for (second, path) in [(0, "/a"), (1, "/b"), (2, "/c"), (3, "/a")] {
        assert_eq!(look(second, Duration::ZERO), (path.to_owned(), 2));
    }
    assert_eq!(look(4, Duration::MAX), ("/a /b /c".to_owned(), 0), "in their order");
    assert_eq!(look(5, Duration::ZERO), ("/a".to_owned(), 2), "that one was not late");
}

/// Kind 1. What was not visited may have what must not be touched; below a tenant nothing has.
#[test]
fn a_subtree_with_more_than_is_visited_is_one_target_unless_it_may_hold_what_is_protected() {
    let host = Host::new(&["system.slice", "tenants", "z"]);
    host.cgroup("", "cgroup.stat", &format!("nr_descendants {}\n", 2 * WALKED + 3));
    for parent in ["system.slice", "tenants"] {
        host.cgroup(parent, "cgroup.stat", &format!("nr_descendants {WALKED}\n"));
        let parent = host.0.path().join("sys/fs/cgroup").join(parent);
        (0..WALKED).for_each(|number| fs::create_dir(parent.join(number.to_string())).unwrap());
    }
    let sight = host.look();
    assert_eq!(paths(&sight), ["/tenants", "/z"]);
    assert_eq!(sight.left_out.count(Kind::Cgroup), WALKED as u64 + 4);
    let why = &sight.left_out.named()[0].why;
    assert!(why.starts_with("there are more than 32768 cgroups: what a subtree has beyond"), "{why}");
}

fn memory<'a>(sight: &'a Sight, path: &str) -> &'a Memory {
    &sight.seen.cgroups.iter().find(|cgroup| &*cgroup.path == path).unwrap().memory
}

/// Kind 6: what is set above a target holds for it.
#[test]
fn limits_and_protection_above_are_seen() {
    let host = Host::new(&["a", "a/b", "a/b/c", "d"]);
    host.cgroup("a", "memory.swap.max", "0\n");
    host.cgroup("a", "memory.min", "524288\n");
    host.cgroup("a/b", "memory.low", "max\n");
    let sight = host.look();
    assert_eq!(paths(&sight), ["/a/b/c", "/d"]);
    let below = memory(&sight, "/a/b/c");
    assert_eq!((below.above.swap, below.min, below.low), (Some(Bytes::ZERO), Bytes::kib(512), Bytes::ZERO));
    let beside = memory(&sight, "/d");
    assert_eq!((beside.above.swap, beside.min), (None, Bytes::ZERO));
}

/// Kind 5: what a cgroup sets for itself holds as far as its parent grants it.
#[test]
fn nobody_opts_out_by_its_own_memory_low() {
    let host = Host::new(&["a", "a/b"]);
    host.cgroup("a/b", "memory.low", "max\n");
    assert_eq!(memory(&host.look(), "/a/b").low, Bytes::ZERO);
}

/// Kind 6: of zswap only where the host has it.
#[test]
fn limits_of_zswap_count_along_the_path() {
    let host = Host::new(&["a", "a/b"]);
    host.cgroup("a", "memory.zswap.writeback", "0\n");
    host.cgroup("a/b", "memory.zswap.max", "4096\n");
    assert_eq!(memory(&host.look(), "/a/b").above, lowtide_core::Above::default());
    host.put("sys/module/zswap/parameters/enabled", "Y\n");
    let above = memory(&host.look(), "/a/b").above;
    assert_eq!((above.zswap, above.stays_in_zswap), (Some(Bytes::kib(4)), true));
}

/// Kind 4, sibling: what is above cannot be read, so nobody knows what holds below.
#[test]
fn below_what_cannot_be_read_there_is_no_target_and_beside_it_there_is() {
    let host = Host::new(&["a", "a/b", "a/b/c", "d"]);
    host.cgroup("a", "memory.swap.max", "much\n");
    let sight = host.look();
    assert_eq!((paths(&sight), sight.left_out.count(Kind::Cgroup)), (vec!["/d"], 3));
}

/// Kind 6: memory.swap.current went below zero.
#[test]
fn nobody_has_more_in_swap_than_there_is() {
    let host = Host::new(&["a"]);
    host.cgroup("a", "memory.swap.current", "18446744073709547520\n");
    let sight = host.look();
    assert_eq!(memory(&sight, "/a").swap_current, Some(Bytes::kib(2040)));
    assert_eq!(sight.left_out.count(Kind::Value), 1);
}

const POD: &str = "kubepods/besteffort/pod1";

/// Kind 4: it may have been a target before the daemon was started anew, and may be one again. The pod as a
/// whole is none.
#[test]
fn a_container_that_nobody_can_say_of_whose_it_is_counts_as_not_looked_at() {
    let container = format!("{POD}/{}", "a".repeat(64));
    for key in ["may_choose: [off]", "namespaces: [shop]"] {
        let host = Host::new(&["kubepods", "kubepods/besteffort", POD, &container]);
        let text = format!("policies: [{{ name: a, match: [/kubepods/**], {key} }}]");
        let policies = parse(Path::new("lowtide.yaml"), &text).unwrap().config.policies;
        let sight = host.observer().look(&policies, Duration::ZERO, Duration::MAX).unwrap();
        assert_eq!((paths(&sight).len(), sight.left_out.count(Kind::Pod)), (0, 1), "{key}");
        assert_eq!(sight.unseen, [Arc::from(format!("/{container}"))], "{key}");
    }
}
