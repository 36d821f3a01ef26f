use super::*;
use crate::journal::CgroupKnob;

const ZSWAP_ENABLED: &str = "sys/module/zswap/parameters/enabled";

struct Host {
    directory: tempfile::TempDir,
    state: tempfile::TempDir,
    root: Root,
}

impl Host {
    fn new(zswap: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let host = Self { directory, state: tempfile::tempdir().unwrap(), root };
        host.put("proc/sys/kernel/random/boot_id", "boot\n");
        host.put(ZSWAP_ENABLED, zswap);
        host
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn zswap(&self) -> String {
        std::fs::read_to_string(self.directory.path().join(ZSWAP_ENABLED)).unwrap()
    }

    fn journal(&self) -> Journal {
        Journal::open(self.state.path(), &self.root).unwrap()
    }
}

fn on() -> Vec<Knob> {
    vec![Knob { path: ZSWAP_ENABLED.into(), value: "Y".to_owned(), key: "tiers.zswap.enabled" }]
}

#[test]
fn set_twice_is_set_once_and_restore_finds_the_original() {
    let host = Host::new("N\n");
    assert!(matches!(apply(&host.root, &mut host.journal(), &on()).unwrap()[..], [Outcome::Written { .. }]));
    assert!(matches!(apply(&host.root, &mut host.journal(), &on()).unwrap()[..], [Outcome::Unchanged]));
    assert_eq!(host.zswap(), "Y");
    assert!(matches!(restore(&host.root, &mut host.journal()).unwrap()[..], [(_, Outcome::Written { .. })]));
    assert_eq!(host.zswap(), "N");
    assert!(restore(&host.root, &mut host.journal()).unwrap().is_empty(), "safe to run twice");
}

#[test]
fn ended_between_journal_and_knob() {
    let host = Host::new("N\n");
    host.journal().note(Path::new(ZSWAP_ENABLED), "N", "Y").unwrap();
    assert!(matches!(restore(&host.root, &mut host.journal()).unwrap()[..], [(_, Outcome::Unchanged)]));
    assert_eq!(host.zswap(), "N\n");
}

#[test]
fn what_somebody_else_wrote_is_left_alone() {
    let host = Host::new("something else\n");
    host.journal().note(Path::new(ZSWAP_ENABLED), "N", "Y").unwrap();
    assert!(matches!(restore(&host.root, &mut host.journal()).unwrap()[..], [(_, Outcome::Drifted { .. })]));
    assert_eq!(host.zswap(), "something else\n");
}

#[test]
fn a_limit_that_the_kernel_counted_down_is_put_back() {
    let host = Host::new("N\n");
    let (limit, switch) = ("sys/block/zram0/writeback_limit", "sys/block/zram0/writeback_limit_enable");
    host.put(limit, "7\n");
    host.put(switch, "0\n");
    let mut journal = host.journal();
    for (path, value) in [(limit, "0"), (switch, "1")] {
        hold(&host.root, &mut journal, &Knob { path: path.into(), value: value.to_owned(), key: "balancer" })
            .unwrap();
    }
    host.put(limit, "1234\n");
    host.journal().note(Path::new(ZSWAP_ENABLED), "N", "Y").unwrap();
    let outcomes = restore_some(&host.root, &mut host.journal(), |record| is_counted(&record.path)).unwrap();
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Written { .. })), "{outcomes:?}");
    assert_eq!(outcomes.len(), 2);
    assert_eq!(host.root.read(limit).unwrap(), "7");
    assert_eq!(host.journal().records().len(), 1, "the others stay");
}

#[test]
fn a_cgroup_is_its_inode() {
    let host = Host::new("N\n");
    let path = "sys/fs/cgroup/a/memory.swap.max";
    host.put(path, "0\n");
    let inode = || host.root.dir("sys/fs/cgroup/a").unwrap().inode().unwrap();
    let note = |id| {
        let knob = CgroupKnob {
            cgroup: CgroupId(id),
            path: path.into(),
            original: "max".into(),
            written: "0".into(),
            before: None,
        };
        host.journal().note_cgroups(&[knob]).unwrap();
    };
    note(inode() + 1);
    assert!(matches!(restore(&host.root, &mut host.journal()).unwrap()[..], [(_, Outcome::Gone)]));
    assert_eq!(host.root.read(path).unwrap(), "0\n", "that is another cgroup's own value");
    note(inode());
    assert!(matches!(restore(&host.root, &mut host.journal()).unwrap()[..], [(_, Outcome::Written { .. })]));
    assert_eq!(host.root.read(path).unwrap(), "max");
    note(inode());
    std::fs::remove_dir_all(host.directory.path().join("sys/fs/cgroup/a")).unwrap();
    assert!(matches!(restore(&host.root, &mut host.journal()).unwrap()[..], [(_, Outcome::Gone)]));
    assert!(host.journal().records().is_empty());
}

#[test]
fn a_missing_file_is_not_created() {
    let host = Host::new("N\n");
    let demotion = "sys/kernel/mm/numa/demotion_enabled";
    let knob = Knob { path: demotion.into(), value: "1".to_owned(), key: "tiers.demotion" };
    assert!(matches!(apply(&host.root, &mut host.journal(), &[knob]).unwrap()[..], [Outcome::Missing]));
    assert!(!host.directory.path().join(demotion).exists());
}

/// Kind 7: written through a descriptor, at a path that is longer than the kernel takes.
#[test]
fn a_knob_very_deep_down_is_put_back() {
    let host = Host::new("N\n");
    let name = "n".repeat(255);
    let (mut dir, mut path) = (host.root.dir("/").unwrap(), PathBuf::new());
    for _ in 0..18 {
        nix::sys::stat::mkdirat(dir.handle(), name.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        dir = dir.subdir(&name).unwrap();
        path.push(&name);
    }
    let file = Path::new("memory.swap.max");
    let flags = nix::fcntl::OFlag::O_CREAT | nix::fcntl::OFlag::O_WRONLY;
    nix::fcntl::openat(dir.handle(), file, flags, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut journal = host.journal();
    let knob = CgroupKnob {
        cgroup: CgroupId(dir.inode().unwrap()),
        path: path.join(file),
        original: "max".to_owned(),
        written: "0".to_owned(),
        before: None,
    };
    journal.note_cgroups(&[knob]).unwrap();
    write(&dir, file, "0").unwrap();
    let outcomes = restore(&host.root, &mut host.journal()).unwrap();
    assert!(matches!(&outcomes[..], [(_, Outcome::Written { .. })]), "{outcomes:?}");
    assert_eq!(read(&dir, file).unwrap().as_deref(), Some("max"));
}

/// Kind 8: whoever can write the journal is not to say what is written as root.
#[test]
fn what_lowtide_never_writes_is_not_put_back() {
    let host = Host::new("N\n");
    host.put("etc/passwd", "root\n");
    host.put("sys/fs/cgroup/a/cgroup.procs", "1\n");
    host.journal().note(Path::new("etc/passwd"), "mallory", "root").unwrap();
    host.journal().note(Path::new("sys/../etc/passwd"), "mallory", "root").unwrap();
    let cgroup = CgroupId(host.root.dir("sys/fs/cgroup/a").unwrap().inode().unwrap());
    let knob = CgroupKnob {
        cgroup,
        path: "sys/fs/cgroup/a/cgroup.procs".into(),
        original: "2".to_owned(),
        written: "1".to_owned(),
        before: None,
    };
    host.journal().note_cgroups(&[knob]).unwrap();
    let outcomes = restore(&host.root, &mut host.journal()).unwrap();
    assert_eq!(outcomes.len(), 3);
    for (path, outcome) in outcomes {
        let Outcome::Refused(why) = outcome else { panic!("{path:?}: {outcome:?}") };
        assert!(why.contains("never writes such a file"), "{why}");
    }
    assert_eq!(host.root.read("etc/passwd").unwrap(), "root\n");
    assert_eq!(host.root.read("sys/fs/cgroup/a/cgroup.procs").unwrap(), "1\n");
    assert_eq!(host.journal().records().len(), 3, "still recorded");
}
