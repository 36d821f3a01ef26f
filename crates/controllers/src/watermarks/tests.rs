use std::fs;

use lowtide_core::Ratio;

use super::*;
use lowtide_testing::SlowDisk;

const METERS: &str = "allocstall_normal STALLS\npgscan_kswapd 0\npgsteal_kswapd 0\npageoutrun 0\n";

struct Host {
    tree: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self { tree: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
        host.put("proc/sys/kernel/random/boot_id", "boot\n");
        host.put(knob::PATH, "10\n");
        host.put("proc/zoneinfo", "Node 0, zone Normal\n pages free 90000\n min 1000\n managed 100000\n");
        let meminfo = "MemTotal: 400000 kB\nMemFree: 360000 kB\nActive(file): 100000 kB\nInactive(file): 100000 kB\n\
                       SReclaimable: 4000 kB\n";
        host.put("proc/meminfo", meminfo);
        host.stall(0);
        host
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.tree.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn stall(&self, count: u32) {
        self.put("proc/vmstat", &METERS.replace("STALLS", &count.to_string()));
    }

    fn factor(&self) -> String {
        fs::read_to_string(self.tree.path().join(knob::PATH)).unwrap().trim().to_owned()
    }

    fn watermarks(&self) -> (Watermarks, Journal) {
        let root = Root::open(self.tree.path()).unwrap();
        let journal = Journal::open(self.state.path(), &root).unwrap();
        (Watermarks::of(root), journal)
    }
}

fn settings() -> Settings {
    Settings { available_loss: Ratio::percent(50.0), ..Settings::default() }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Kind 8: a disk that is full or read-only.
#[test]
fn what_cannot_be_recorded_is_not_set_and_what_is_set_is_put_back_as_soon_as_that_can_be_recorded() {
    let host = Host::new();
    let (mut watermarks, mut journal) = host.watermarks();
    let turn = |watermarks: &mut Watermarks, journal: &mut Journal, seconds| {
        watermarks.turn_under(journal, Some(&settings()), at(seconds)).unwrap().reason
    };
    assert_eq!(turn(&mut watermarks, &mut journal, 0), Reason::FirstLook);
    let in_the_way = host.state.path().join("journal.new");
    fs::create_dir(&in_the_way).unwrap();
    host.stall(100);
    assert_eq!(turn(&mut watermarks, &mut journal, 6), Reason::Failed);
    assert!(watermarks.problem.is_some());
    assert_eq!(host.factor(), "10");
    fs::remove_dir(&in_the_way).unwrap();
    host.stall(200);
    assert_eq!(turn(&mut watermarks, &mut journal, 12), Reason::DirectReclaim);
    assert_eq!(
        (watermarks.problem.as_ref(), host.factor().as_str()),
        (None, "650"),
        "both times are answered"
    );

    fs::create_dir(&in_the_way).unwrap();
    assert!(watermarks.turn_under(&mut journal, None, at(18)).is_none());
    assert!(watermarks.problem.is_some() && !watermarks.held().is_empty());
    fs::remove_dir(&in_the_way).unwrap();
    assert!(watermarks.turn_under(&mut journal, None, at(24)).is_none());
    assert_eq!((watermarks.problem.as_ref(), host.factor().as_str()), (None, "10"));
    assert!(journal.records().is_empty() && watermarks.held().is_empty());
}

#[test]
fn what_the_kernel_does_not_tell_is_a_problem_and_no_decision() {
    for (path, text) in [(knob::PATH, "many\n"), ("proc/vmstat", "pgfree 1\n"), ("proc/zoneinfo", "")] {
        let host = Host::new();
        host.put(path, text);
        let (mut watermarks, mut journal) = host.watermarks();
        let view = watermarks.turn_under(&mut journal, Some(&settings()), at(0)).unwrap();
        assert_eq!((view.reason, view.decision), (Reason::Failed, None), "{path}");
        assert!(watermarks.problem.is_some());
    }
    let host = Host::new();
    fs::remove_file(host.tree.path().join(knob::PATH)).unwrap();
    let (mut watermarks, mut journal) = host.watermarks();
    assert_eq!(watermarks.turn_under(&mut journal, Some(&settings()), at(0)).unwrap().factor, None);
    assert!(watermarks.problem.as_ref().unwrap().contains("no such file"));
}

/// As the kernel would at a reboot, or an administrator who wants to see what it is like without.
#[test]
fn whoever_sets_what_the_host_was_found_with_has_set_it() {
    let host = Host::new();
    let (mut watermarks, mut journal) = host.watermarks();
    for (seconds, stalls) in [(0, 0), (6, 100)] {
        host.stall(stalls);
        watermarks.turn_under(&mut journal, Some(&settings()), at(seconds));
    }
    assert_eq!((host.factor().as_str(), journal.records().len()), ("330", 1));
    host.put(knob::PATH, "10\n");
    host.stall(200);
    let view = watermarks.turn_under(&mut journal, Some(&settings()), at(12)).unwrap();
    assert_eq!((view.reason, view.factor.map(Factor::get)), (Reason::Foreign, Some(10)));
    assert!(journal.records().is_empty());
    assert!(watermarks.turn_under(&mut journal, None, at(18)).is_none());
    assert_eq!(host.factor(), "10");
}

/// The record has two values that may be lowtide's own: what was written, and what was there before.
#[test]
fn whoever_sets_what_lowtide_wrote_before_the_last_time_has_set_it() {
    let host = Host::new();
    let (mut watermarks, mut journal) = host.watermarks();
    let mut turn = |seconds, stalls| {
        host.stall(stalls);
        watermarks.turn_under(&mut journal, Some(&settings()), at(seconds)).unwrap().reason
    };
    assert_eq!([turn(0, 0), turn(6, 100)], [Reason::FirstLook, Reason::DirectReclaim]);
    let first = host.factor();
    assert_eq!(turn(12, 200), Reason::DirectReclaim);
    assert_ne!(host.factor(), first);
    host.put(knob::PATH, &first);
    assert_eq!(turn(18, 300), Reason::Foreign);
    assert_eq!(host.factor(), first);
}

#[test]
fn how_far_it_can_go_is_known_before_the_start() {
    let host = Host::new();
    let root = Root::open(host.tree.path()).unwrap();
    let reach = |share| {
        let settings = Settings { available_loss: Ratio::percent(share), ..Settings::default() };
        Reach::of(&root, &settings).map(|reach| (reach.factor.get(), reach.limit.get()))
    };
    // A step is at first a quarter of min, 250 of 100 000 pages; 4 % in four steps is another hundredth.
    assert_eq!(reach(4.0), Ok((10, 125)));
    assert_eq!(reach(100.0), Ok((10, 1000)));
    fs::remove_file(host.tree.path().join(knob::PATH)).unwrap();
    assert!(reach(4.0).unwrap_err().contains("no such file"));
}

#[test]
fn the_knob_can_be_put_back() {
    assert!(lowtide_journal::restorable::is_of_the_host(std::path::Path::new(knob::PATH)));
}

/// Kind 8: the record comes late, and the knob holds what the host was found with meanwhile.
#[test]
fn a_record_that_comes_late_is_nobody_elses_doing() {
    let host = Host::new();
    let (mut watermarks, mut journal) = host.watermarks();
    let disk = SlowDisk::default();
    journal.wait_at_most(Duration::ZERO, Some(disk.hook()));
    let turn = |watermarks: &mut Watermarks, journal: &mut Journal, seconds| {
        watermarks.turn_under(journal, Some(&settings()), at(seconds)).unwrap().reason
    };
    turn(&mut watermarks, &mut journal, 0);
    host.stall(100);
    assert_eq!(turn(&mut watermarks, &mut journal, 6), Reason::Failed);
    assert_eq!(host.factor(), "10");
    disk.let_through(1);
    SlowDisk::settle(&mut journal);
    assert_eq!(turn(&mut watermarks, &mut journal, 12), Reason::DirectReclaim);
    assert_ne!(host.factor(), "10");
}

/// Kind 8: somebody else has set it, and the disk is too slow to forget the record.
#[test]
fn what_somebody_else_has_set_stays_theirs_on_a_disk_that_is_slow() {
    let host = Host::new();
    let (mut watermarks, mut journal) = host.watermarks();
    let disk = SlowDisk::default();
    let turn = |watermarks: &mut Watermarks, journal: &mut Journal, seconds| {
        watermarks.turn_under(journal, Some(&settings()), at(seconds)).unwrap().reason
    };
    turn(&mut watermarks, &mut journal, 0);
    host.stall(100);
    assert_eq!(turn(&mut watermarks, &mut journal, 6), Reason::DirectReclaim);
    fs::write(host.tree.path().join(knob::PATH), "50\n").unwrap();
    journal.wait_at_most(Duration::ZERO, Some(disk.hook()));
    assert_eq!(turn(&mut watermarks, &mut journal, 12), Reason::Failed);
    disk.let_through(8);
    SlowDisk::settle(&mut journal);
    host.stall(100);
    assert_eq!(turn(&mut watermarks, &mut journal, 18), Reason::Foreign);
    assert_eq!(host.factor(), "50");
}
