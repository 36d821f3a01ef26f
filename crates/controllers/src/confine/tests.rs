use std::{fs, path::Path, time::Duration};

use lowtide_core::{CgroupObservation, HostObservation, LeftOut, Memory, PastZswap, left_out::Kind};
use lowtide_observe::Observer;
use lowtide_policy::parse;
use lowtide_testing::logged;

use super::*;

const FOUND: [(&str, &str); 3] =
    [("memory.swap.max", "max\n"), ("memory.zswap.max", "max\n"), ("memory.zswap.writeback", "1\n")];

/// A host with a swap disk behind zswap, and cgroups below /t.
struct Host {
    directory: tempfile::TempDir,
    state: tempfile::TempDir,
    confine: Confine,
    past_zswap: bool,
    opted_out: bool,
}

impl Host {
    fn new(cgroups: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("proc/sys/kernel/random/boot_id", "boot\n");
        put("sys/module/zswap/parameters/enabled", "Y\n");
        for cgroup in cgroups {
            put(&format!("sys/fs/cgroup/t/{cgroup}/cgroup.controllers"), "memory\n");
            for (file, text) in FOUND {
                put(&format!("sys/fs/cgroup/t/{cgroup}/{file}"), text);
            }
        }
        let root = Root::open(directory.path()).unwrap();
        let mount = Mount::at(root.dir("sys/fs/cgroup").unwrap());
        Self {
            directory,
            state: tempfile::tempdir().unwrap(),
            confine: Confine::new(root, mount),
            past_zswap: false,
            opted_out: false,
        }
    }

    fn journal(&self) -> Journal {
        Journal::open(self.state.path(), &self.confine.root).unwrap()
    }

    fn file(&self, cgroup: &str, file: &str) -> PathBuf {
        self.directory.path().join("sys/fs/cgroup/t").join(cgroup).join(file)
    }

    /// memory.swap.max, memory.zswap.max and memory.zswap.writeback.
    fn knobs(&self, cgroup: &str) -> [String; 3] {
        FOUND.map(|(file, _)| fs::read_to_string(self.file(cgroup, file)).unwrap().trim().to_owned())
    }

    fn turn(&mut self, cgroups: &[&str], policies: &str) -> Vec<CgroupObservation> {
        self.turn_with(cgroups, policies, &mut self.journal())
    }

    fn turn_with(
        &mut self,
        cgroups: &[&str],
        policies: &str,
        journal: &mut Journal,
    ) -> Vec<CgroupObservation> {
        self.turn_without(&[], cgroups, policies, journal)
    }

    /// A turn in which these paths could not be looked at.
    fn turn_without(
        &mut self,
        unseen: &[&str],
        cgroups: &[&str],
        policies: &str,
        journal: &mut Journal,
    ) -> Vec<CgroupObservation> {
        let config = parse(Path::new("lowtide.yaml"), policies).unwrap().config;
        let mut sight = Sight {
            seen: Observation::default(),
            targets: HashSet::new(),
            handles: [].into(),
            stalls: [].into(),
            chosen: [].into(),
            pods: [].into(),
            unseen: unseen.iter().map(|path| Arc::from(*path)).collect(),
            unread: Vec::new(),
            left_out: LeftOut::default(),
        };
        sight.seen.host = HostObservation { tiers: vec![disk()], ..HostObservation::default() };
        for name in cgroups {
            let path = format!("/t/{name}");
            let handle = self.confine.mount.open(&path).unwrap().unwrap();
            let policy = config.policies.matching(&path).unwrap();
            let opted_out = self.opted_out;
            sight.seen.cgroups.push(CgroupObservation { opted_out, ..observation(&handle, policy) });
            sight.targets.insert(handle.id());
            sight.handles.insert(handle.id(), handle);
        }
        let past = self.past_zswap;
        self.confine.turn(journal, &mut sight, &config, &|_| past);
        sight.seen.cgroups
    }
}

fn disk() -> lowtide_core::Tier {
    lowtide_core::Tier {
        kind: lowtide_core::TierKind::Disk,
        device: "/dev/vdb".into(),
        priority: Some(-2),
        capacity: Bytes::mib(1000),
        used: Bytes::ZERO,
        stored: Bytes::ZERO,
        resident: Bytes::ZERO,
        resident_limit: None,
        above: None,
    }
}

fn observation(handle: &Cgroup, policy: usize) -> CgroupObservation {
    CgroupObservation {
        memory: Memory { current: Bytes::mib(64), swap_max: Some(Limit::Max), ..Memory::default() },
        ..CgroupObservation::unread(handle.id(), Arc::clone(handle.path()), policy)
    }
}

fn policy(mode: &str, tiers: &str) -> String {
    format!("policies: [{{ name: t, match: [/t/*], mode: {mode}{tiers} }}]")
}

const NO_DISK: &str = ", tiers: [{ use: zswap }]";
const NO_SWAP: &str = ", tiers: [{ use: node }]";
const NO_ZSWAP: &str = ", tiers: [{ use: disk }]";
const UNTOUCHED: [&str; 3] = ["max", "max", "1"];

/// Its owner chooses that nothing is asked of it, not that its memory may go where root forbids it.
#[test]
fn who_opts_out_is_held_all_the_same() {
    let mut host = Host::new(&["a"]);
    host.opted_out = true;
    host.turn(&["a"], &policy("full", NO_SWAP));
    assert_eq!(host.knobs("a")[0], "0");
    // Nor is zswap passed for what nobody asks for.
    let mut host = Host::new(&["a"]);
    (host.opted_out, host.past_zswap) = (true, true);
    host.turn(&["a"], &policy("full", ""));
    assert_eq!(host.knobs("a"), UNTOUCHED);
}

/// Kind 8: a disk that hangs keeps neither the turn nor the knobs of those that are recorded.
#[test]
fn a_knob_waits_for_its_record_and_nobody_else_waits_for_it() {
    let mut host = Host::new(&["a", "b"]);
    let policies = policy("full", NO_SWAP);
    host.turn(&["a"], &policies);
    let (mut journal, disk) = (host.journal(), lowtide_testing::SlowDisk::default());
    journal.wait_at_most(Duration::ZERO, Some(disk.hook()));
    for _ in 0..3 {
        let seen = host.turn_with(&["a", "b"], &policies, &mut journal);
        assert_eq!((host.knobs("a")[0].as_str(), host.knobs("b")), ("0", UNTOUCHED.map(str::to_owned)));
        let bounds: Vec<_> = seen.iter().map(|one| one.confined.swap.map(|bound| bound.why)).collect();
        assert!(bounds[0] != Some(Why::NotSet) && bounds[1] == Some(Why::NotSet), "{bounds:?}");
    }
    disk.let_through(2);
    lowtide_testing::SlowDisk::settle(&mut journal);
    host.turn_with(&["a", "b"], &policies, &mut journal);
    assert_eq!(host.knobs("b")[0], "0");
    assert_eq!(host.journal().records().len(), journal.records().len());
    // And what is let go is put back before that is recorded.
    host.turn_with(&["a"], &policies, &mut journal);
    assert_eq!(host.knobs("b"), UNTOUCHED);
}

/// Kind 8: what keeps memory off the disk is not recorded yet, so what keeps it out of zswap stays.
#[test]
fn nothing_is_let_go_before_what_takes_its_place_is_recorded() {
    let mut host = Host::new(&["a"]);
    host.turn(&["a"], &policy("full", NO_ZSWAP));
    assert_eq!(host.knobs("a"), ["max", "0", "1"]);
    let (mut journal, disk) = (host.journal(), lowtide_testing::SlowDisk::default());
    journal.wait_at_most(Duration::ZERO, Some(disk.hook()));
    for _ in 0..2 {
        host.turn_with(&["a"], &policy("full", NO_DISK), &mut journal);
        assert_eq!(host.knobs("a"), ["max", "0", "1"]);
    }
    disk.let_through(8);
    lowtide_testing::SlowDisk::settle(&mut journal);
    host.turn_with(&["a"], &policy("full", NO_DISK), &mut journal);
    assert_eq!(host.knobs("a"), ["max", "max", "0"]);
}

/// Kind 4: what is above a target could not be read for a turn, so whether it is one still is not known.
#[test]
fn what_could_not_be_looked_at_keeps_its_knobs() {
    let mut host = Host::new(&["a", "b"]);
    let policies = policy("full", NO_SWAP);
    host.turn(&["a", "b"], &policies);
    let held = host.knobs("b");
    assert_ne!(held, UNTOUCHED);
    let mut journal = host.journal();
    host.turn_without(&["/t/b"], &["a"], &policies, &mut journal);
    assert_eq!(host.knobs("b"), held, "it may be a target still");
    host.turn_without(&["/t/c"], &["a"], &policies, &mut journal);
    assert_eq!(host.knobs("b"), UNTOUCHED, "it is gone from the list");
}

/// Kind 6: the daemon was started anew, and the spec of a container that it holds cannot be read any more.
#[test]
fn a_container_that_nobody_can_say_of_whose_it_is_keeps_its_knobs() {
    let container = format!("kubepods/pod1/{}", "a".repeat(64));
    let policies =
        format!("policies: [{{ name: t, match: [/t/**], mode: full, may_choose: [off]{NO_SWAP} }}]");
    let mut host = Host::new(&[&container]);
    fs::write(host.file(&container, "memory.current"), "4096\n").unwrap();
    for (file, text) in [("proc/meminfo", "MemTotal: 1048576 kB\nMemFree: 524288 kB\n"), ("proc/swaps", "")] {
        fs::write(host.directory.path().join(file), text).unwrap();
    }
    host.turn(&[&container], &policies);
    let held = host.knobs(&container);
    assert_ne!(held, UNTOUCHED);

    let mut observer = Observer::new(host.confine.root.clone()).unwrap();
    let config = parse(Path::new("lowtide.yaml"), &policies).unwrap().config;
    let mut sight = observer.look(&config.policies, Duration::ZERO, Duration::MAX).unwrap();
    assert_eq!((sight.targets.len(), sight.left_out.count(Kind::Pod)), (0, 1));
    let mut journal = host.journal();
    host.confine.turn(&mut journal, &mut sight, &config, &|_| false);
    assert_eq!(host.knobs(&container), held);
}

#[test]
fn each_rule_sets_its_knobs_and_nothing_else_and_all_come_back() {
    for (tiers, held) in [
        (NO_DISK, ["max", "max", "0"]),
        (NO_ZSWAP, ["max", "0", "1"]),
        (NO_SWAP, ["0", "max", "0"]),
        (
            ", tiers: [{ use: zswap, at_most: 1MiB }, { use: disk, at_most: 2MiB }]",
            ["2097152", "1048576", "1"],
        ),
        ("", UNTOUCHED),
    ] {
        let mut host = Host::new(&["a"]);
        host.turn(&["a"], &policy("full", tiers));
        assert_eq!(host.knobs("a"), held, "{tiers}");
        knobs::restore(&host.confine.root, &mut host.journal()).unwrap();
        assert_eq!(host.knobs("a"), UNTOUCHED, "{tiers}");
        assert!(host.journal().records().is_empty());
    }
}

#[test]
fn observe_writes_nothing_and_says_what_would_be() {
    let mut host = Host::new(&["a"]);
    let seen = host.turn(&["a"], &policy("observe", NO_SWAP));
    assert_eq!(host.knobs("a"), UNTOUCHED);
    assert_eq!(seen[0].confined.swap, Some(SwapBound { limit: Bytes::ZERO, why: Why::Forbidden }));
    assert_eq!(seen[0].memory.swap_max, Some(Limit::Max));
}

#[test]
fn the_observation_shows_what_was_written_since() {
    let mut host = Host::new(&["a"]);
    let seen = host.turn(&["a"], &policy("full", NO_SWAP));
    assert_eq!(seen[0].memory.swap_max, Some(Limit::At(Bytes::ZERO)));
}

#[test]
fn a_second_turn_writes_nothing() {
    let mut host = Host::new(&["a"]);
    host.turn(&["a"], &policy("full", NO_SWAP));
    let journal = fs::read(host.state.path().join("journal")).unwrap();
    let written = |host: &Host| fs::metadata(host.file("a", "memory.swap.max")).unwrap().modified().unwrap();
    let before = written(&host);
    host.turn(&["a"], &policy("full", NO_SWAP));
    assert_eq!(fs::read(host.state.path().join("journal")).unwrap(), journal);
    assert_eq!(written(&host), before);
}

#[test]
fn another_policy_and_no_policy_put_back_what_they_do_not_want() {
    let mut host = Host::new(&["a", "b"]);
    host.turn(&["a", "b"], &policy("full", NO_SWAP));
    host.turn(&["a"], &policy("full", NO_ZSWAP));
    assert_eq!(host.knobs("a"), ["max", "0", "1"]);
    assert_eq!(host.knobs("b"), UNTOUCHED, "no target any more");
    host.turn(&["a"], &policy("observe", NO_ZSWAP));
    assert_eq!(host.knobs("a"), UNTOUCHED);
    assert!(host.journal().records().is_empty());
}

/// At 50 % and seed 0 the draw leaves /t/c alone and not /t/a.
#[test]
fn who_is_left_alone_is_held_to_what_his_policy_forbids() {
    let mut host = Host::new(&["a", "c"]);
    let confined = policy("full", NO_SWAP);
    host.turn(&["a", "c"], &confined);
    let held = host.knobs("a");
    assert_ne!(held, UNTOUCHED);
    assert_eq!(host.knobs("c"), held);
    host.turn(&["a", "c"], &format!("{confined}\nholdout: {{ share: 50% }}\n"));
    assert_eq!((host.knobs("a"), host.knobs("c")), (held.clone(), held));
}

#[test]
fn the_smaller_of_the_operators_limit_and_ours_stands_whenever_it_is_set() {
    let mut host = Host::new(&["a"]);
    let bound = policy("full", ", tiers: [{ use: disk, at_most: 2MiB }, { use: zswap }]");
    fs::write(host.file("a", "memory.swap.max"), "1048576\n").unwrap();
    host.turn(&["a"], &bound);
    assert_eq!(host.knobs("a")[0], "1048576");
    assert!(host.journal().records().is_empty(), "it was not written");
    fs::write(host.file("a", "memory.swap.max"), "8388608\n").unwrap();
    host.turn(&["a"], &bound);
    assert_eq!(host.knobs("a")[0], "2097152");
    // systemd, on its reload.
    fs::write(host.file("a", "memory.swap.max"), "4194304\n").unwrap();
    host.turn(&["a"], &bound);
    assert_eq!(host.knobs("a")[0], "2097152");
    knobs::restore(&host.confine.root, &mut host.journal()).unwrap();
    assert_eq!(host.knobs("a")[0], "4194304", "the operator's last word");
}

#[test]
fn what_is_forbidden_above_is_no_trap() {
    let mut host = Host::new(&["a"]);
    let slice = host.directory.path().join("sys/fs/cgroup/t");
    fs::write(slice.join("memory.zswap.writeback"), "0\n").unwrap();
    let seen = host.turn(&["a"], &policy("full", NO_ZSWAP));
    assert_eq!(host.knobs("a"), ["0", "max", "1"]);
    assert_eq!(seen[0].confined.swap.unwrap().why, Why::NoWayPastZswap);
}

#[test]
fn a_cgroup_that_is_gone_is_forgotten_and_its_successor_begins_anew() {
    let mut host = Host::new(&["a"]);
    host.turn(&["a"], &policy("full", NO_SWAP));
    let old = host.directory.path().join("sys/fs/cgroup/t/a");
    fs::rename(&old, old.with_file_name("old")).unwrap();
    fs::create_dir(&old).unwrap();
    for (file, text) in FOUND {
        fs::write(old.join(file), text).unwrap();
    }
    host.turn(&["a"], &policy("full", ""));
    assert_eq!(host.knobs("a"), UNTOUCHED);
    assert!(host.journal().records().is_empty());
}

#[test]
fn a_knob_that_cannot_be_written_leaves_page_cache_alone() {
    let mut host = Host::new(&["a"]);
    let mut journal = host.journal();
    // Not a directory any more: nothing can be kept in it.
    fs::remove_dir(host.state.path()).unwrap();
    let seen = host.turn_with(&["a"], &policy("full", NO_DISK), &mut journal);
    assert_eq!(host.knobs("a"), UNTOUCHED, "not journalled, not written");
    assert_eq!(seen[0].confined.swap, Some(SwapBound { limit: Bytes::ZERO, why: Why::NotSet }));
}

#[test]
fn a_share_is_taken_anew_when_the_cgroup_has_changed_by_a_sixteenth() {
    let mut host = Host::new(&["a"]);
    let share = policy("full", ", tiers: [{ use: disk, at_most: 50% }, { use: zswap }]");
    let seen = host.turn(&["a"], &share);
    assert_eq!(host.knobs("a")[0], Bytes::mib(30).get().to_string(), "of 60 MiB");
    for (mib, taken) in [(68, 60), (60, 60), (80, 75), (64, 60)] {
        let mut changed = seen[0].clone();
        changed.memory.current = Bytes::mib(mib);
        assert_eq!(host.confine.size(&changed), Bytes::mib(taken), "{mib}");
    }
}

#[test]
fn zswap_is_passed_while_that_is_wanted_and_where_it_may_be() {
    for (tiers, writeback, held, passes) in [
        ("", "1", ["max", "0", "1"], PastZswap::Set),
        (NO_ZSWAP, "1", ["max", "0", "1"], PastZswap::Set),
        ("", "0", ["max", "max", "0"], PastZswap::Refused),
        (NO_DISK, "1", ["max", "max", "0"], PastZswap::Refused),
    ] {
        let mut host = Host::new(&["a"]);
        fs::write(host.file("a", "memory.zswap.writeback"), writeback).unwrap();
        let before = host.turn(&["a"], &policy("full", tiers))[0].confined;
        host.past_zswap = true;
        let seen = host.turn(&["a"], &policy("full", tiers));
        assert_eq!(
            (seen[0].confined.past_zswap, host.knobs("a")),
            (passes, held.map(str::to_owned)),
            "{tiers}"
        );
        host.past_zswap = false;
        assert_eq!(host.turn(&["a"], &policy("full", tiers))[0].confined, before);
        if tiers.is_empty() {
            assert_eq!(host.knobs("a"), ["max", "max", writeback]);
        }
    }
}

#[test]
fn zswap_is_not_passed_where_a_cgroup_below_may_not() {
    let mut host = Host::new(&["a", "a/b"]);
    fs::write(host.file("a/b", "memory.zswap.writeback"), "0").unwrap();
    host.past_zswap = true;
    assert_eq!(host.turn(&["a"], &policy("full", ""))[0].confined.past_zswap, PastZswap::Refused);
    assert_eq!(host.knobs("a"), UNTOUCHED);
    fs::write(host.file("a/b", "memory.zswap.writeback"), "1").unwrap();
    assert_eq!(host.turn(&["a"], &policy("full", ""))[0].confined.past_zswap, PastZswap::Set);
}

#[test]
fn without_the_knob_zswap_is_not_passed() {
    let mut host = Host::new(&["a"]);
    fs::remove_file(host.file("a", "memory.zswap.max")).unwrap();
    host.past_zswap = true;
    assert_eq!(host.turn(&["a"], &policy("full", ""))[0].confined.past_zswap, PastZswap::Refused);
    let observed = host.turn(&["a"], &policy("observe", ""));
    assert_eq!(observed[0].confined.past_zswap, PastZswap::NotWanted);
}

/// Kind 1: the first turn with `tiers` over 5 000 cgroups logged 10 000 lines.
#[test]
fn many_cgroups_are_no_more_lines_in_the_log() {
    logged::listen();
    let names: Vec<_> = (0..100).map(|number| format!("c{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut host = Host::new(&names);
    let lines = |turn: &mut dyn FnMut()| {
        turn();
        logged::take().len()
    };
    let first = lines(&mut || drop(host.turn(&names, &policy("full", NO_SWAP))));
    assert_eq!(first, NAMED + 1);
    assert_eq!(host.knobs("c99")[0], "0");
    let last = lines(&mut || drop(host.turn(&[], &policy("full", NO_SWAP))));
    assert_eq!(last, NAMED + 1);
    assert_eq!(host.knobs("c99"), UNTOUCHED);
}
