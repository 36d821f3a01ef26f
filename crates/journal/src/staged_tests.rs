//! Kind 8: a disk that is slow, or never answers.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::Duration,
};

use lowtide_core::CgroupId;
use lowtide_kernfs::Root;
use lowtide_testing::SlowDisk;

use crate::{CgroupKnob, FILE_NAME, Journal};

struct Bench {
    state: tempfile::TempDir,
    root: Root,
    _tree: tempfile::TempDir,
    disk: SlowDisk,
}

impl Bench {
    fn new() -> Self {
        let tree = tempfile::tempdir().unwrap();
        let root = Root::open(tree.path()).unwrap();
        Self { state: tempfile::tempdir().unwrap(), root, _tree: tree, disk: SlowDisk::default() }
    }

    fn journal(&self, patience: Duration) -> Journal {
        let mut journal = Journal::open(self.state.path(), &self.root).unwrap();
        journal.wait_at_most(patience, Some(self.disk.hook()));
        journal
    }

    fn on_disk(&self) -> Vec<PathBuf> {
        let journal = Journal::open(self.state.path(), &self.root).unwrap();
        journal.records().iter().map(|record| record.path.clone()).collect()
    }
}

const LONG: Duration = Duration::from_mins(1);

/// Asks until it is there, or something else is wrong.
fn until_there(journal: &mut Journal, mut ask: impl FnMut(&mut Journal) -> Result<(), crate::JournalError>) {
    while let Err(error) = ask(journal) {
        assert!(error.is_late(), "{error}");
        std::thread::yield_now();
    }
}

#[test]
fn a_disk_that_hangs_keeps_nobody_and_nothing_counts_as_recorded() {
    let bench = Bench::new();
    let mut journal = bench.journal(Duration::ZERO);
    for _ in 0..3 {
        let error = journal.note(Path::new("a"), "1", "2").unwrap_err();
        assert!(error.is_late() && error.to_string().contains("slow or hangs"), "{error}");
        assert!(journal.note(Path::new("b"), "1", "2").unwrap_err().is_late());
    }
    assert!(journal.records().is_empty() && journal.late_by().is_some());
    assert!(!bench.state.path().join(FILE_NAME).exists());
    // It answers again: both are there, after two writes.
    bench.disk.let_through(2);
    until_there(&mut journal, |journal| journal.note(Path::new("a"), "1", "2"));
    until_there(&mut journal, |journal| journal.note(Path::new("b"), "1", "2"));
    assert_eq!(bench.on_disk(), [Path::new("a"), Path::new("b")]);
    assert_eq!(journal.late_by(), None);
}

#[test]
fn a_disk_that_answers_is_waited_for() {
    let bench = Bench::new();
    bench.disk.let_through(2);
    let mut journal = bench.journal(LONG);
    journal.note(Path::new("a"), "1", "2").unwrap();
    assert_eq!(bench.on_disk(), [Path::new("a")]);
    // What is there is not written again.
    journal.note(Path::new("a"), "1", "2").unwrap();
    journal.forget(&HashSet::from(["a".into()])).unwrap();
    assert!(bench.on_disk().is_empty());
}

/// A knob that is about to be forgotten is not recorded, though the disk still has it.
#[test]
fn what_is_on_its_way_out_does_not_count() {
    let bench = Bench::new();
    bench.disk.let_through(1);
    let mut journal = bench.journal(LONG);
    journal.note(Path::new("a"), "1", "2").unwrap();
    journal.grant(Duration::ZERO);
    assert!(journal.forget(&HashSet::from(["a".into()])).unwrap_err().is_late());
    assert!(journal.note(Path::new("a"), "1", "2").unwrap_err().is_late());
    bench.disk.let_through(2);
    until_there(&mut journal, |journal| journal.note(Path::new("a"), "1", "2"));
    assert_eq!(bench.on_disk(), [Path::new("a")]);
}

/// The write of a knob waits for its record, and meanwhile something else is wanted.
#[test]
fn what_a_knob_may_hold_is_known_though_its_record_came_late() {
    let bench = Bench::new();
    bench.disk.let_through(1);
    let mut journal = bench.journal(LONG);
    journal.note(Path::new("a"), "1", "2").unwrap();
    journal.grant(Duration::ZERO);
    assert!(journal.note(Path::new("a"), "2", "3").unwrap_err().is_late());
    bench.disk.let_through(2);
    until_there(&mut journal, |journal| journal.note(Path::new("a"), "2", "4"));
    let record = &Journal::open(bench.state.path(), &bench.root).unwrap().records()[0].clone();
    assert!(record.is_ours("2") && record.is_ours("4") && record.original == "1", "{record:?}");
}

#[test]
fn one_who_asks_for_something_else_each_time_holds_up_nobody() {
    let bench = Bench::new();
    let mut journal = bench.journal(Duration::ZERO);
    let knob = |value: u32| CgroupKnob {
        cgroup: CgroupId(7),
        path: "c".into(),
        original: "max".into(),
        written: value.to_string(),
        before: None,
    };
    let mut value = 0;
    until_there(&mut journal, |journal| {
        value += 1;
        bench.disk.let_through(1);
        let _ = journal.note_cgroups(&[knob(value)]);
        journal.note(Path::new("b"), "1", "2")
    });
}

#[test]
fn a_disk_that_is_tried_is_tried_by_the_next_time() {
    let bench = Bench::new();
    bench.disk.let_through(1);
    let mut journal = bench.journal(LONG);
    journal.note(Path::new("a"), "1", "2").unwrap();
    journal.grant(Duration::ZERO);
    assert!(journal.check().unwrap_err().is_late());
    assert!(journal.check().unwrap_err().is_late());
    bench.disk.let_through(2);
    until_there(&mut journal, Journal::check);
}

#[test]
fn what_a_late_write_fails_with_is_told_to_who_asks_again() {
    let bench = Bench::new();
    let mut journal = bench.journal(Duration::ZERO);
    assert!(journal.note(Path::new("a"), "1", "2").unwrap_err().is_late());
    std::fs::create_dir(bench.state.path().join("journal.new")).unwrap();
    bench.disk.let_through(1);
    while journal.late_by().is_some() {
        std::thread::yield_now();
    }
    journal.grant(LONG);
    bench.disk.let_through(1);
    let error = journal.note(Path::new("a"), "1", "2").unwrap_err();
    assert!(!error.is_late() && error.to_string().contains("cannot write"), "{error}");
}

/// A write that fails may have changed the file, or the directory's entry, all the same.
#[test]
fn after_a_write_that_failed_nothing_counts_as_recorded() {
    let bench = Bench::new();
    let mut journal = Journal::open(bench.state.path(), &bench.root).unwrap();
    journal.note(Path::new("a"), "1", "2").unwrap();
    let state = bench.state.path();
    std::fs::remove_dir_all(state).unwrap();
    assert!(journal.note(Path::new("b"), "1", "2").is_err());
    assert!(!journal.is_kept(Path::new("a")));
    assert!(journal.note(Path::new("a"), "1", "2").is_err(), "it is not there");
    std::fs::create_dir(state).unwrap();
    journal.note(Path::new("a"), "1", "2").unwrap();
    assert!(journal.is_kept(Path::new("a")) && bench.on_disk() == [Path::new("a")]);
}
