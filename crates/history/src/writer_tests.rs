use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::{
    reader::{PassedOver, ReadError, read},
    samples::minute,
};

const DAY: u64 = 24 * 60 * 60;

fn bounds(max_size: Bytes) -> Bounds {
    Bounds { keep: Duration::from_secs(7 * DAY), max_size }
}

fn ends(directory: &Path) -> Vec<u64> {
    let mut ends = Vec::new();
    let passed_over = read(directory, 0..=u64::MAX, |minute| ends.push(minute.end)).unwrap();
    assert_eq!(passed_over, PassedOver::default());
    ends
}

/// What the files take, by the system.
fn on_the_disk(directory: &Path) -> u64 {
    let size = |entry: io::Result<fs::DirEntry>| entry.unwrap().metadata().unwrap().len();
    fs::read_dir(directory).unwrap().map(|entry| size(entry).div_ceil(4096) * 4096).sum()
}

#[test]
fn what_is_written_is_read_while_it_is_written_and_by_the_next_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let history = directory.path().join("history");
    assert!(matches!(read(&history, 0..=1, |_| ()), Err(ReadError::Nothing(_))));
    for daemon in 0..3_u64 {
        let mut writer = Writer::open(&history, bounds(Bytes::mib(1))).unwrap();
        for turn in 1..=5 {
            writer.append(&minute(daemon * 1000 + turn, 3)).unwrap();
            assert_eq!(ends(&history).last(), Some(&(daemon * 1000 + turn)));
        }
    }
    assert_eq!(ends(&history).len(), 15);
    let mut some = Vec::new();
    read(&history, 1002..=2001, |minute| some.push(minute)).unwrap();
    assert_eq!(some.iter().map(|minute| minute.end).collect::<Vec<_>>(), [1002, 1003, 1004, 1005, 2001]);
    assert_eq!(some[0], minute(1002, 3));
}

#[test]
fn only_the_owner_may_look() {
    let directory = tempfile::tempdir().unwrap();
    let history = directory.path().join("history");
    Writer::open(&history, bounds(Bytes::mib(1))).unwrap().append(&minute(60, 1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&history), 0o700);
    for entry in fs::read_dir(&history).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn a_directory_in_which_others_may_write_is_none_of_ours() {
    let directory = tempfile::tempdir().unwrap();
    let history = directory.path().join("history");
    let refused = || match Writer::open(&history, bounds(Bytes::mib(1))).unwrap_err() {
        WriteError::NotOurs { why, .. } => why,
        other => panic!("{other}"),
    };
    fs::create_dir(&history).unwrap();
    fs::set_permissions(&history, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(refused(), "others may write there");
    fs::remove_dir(&history).unwrap();
    let elsewhere = directory.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &history).unwrap();
    assert_eq!(refused(), "it is no directory");
}

#[test]
fn the_oldest_goes_by_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let max_size = Bytes::kib(256);
    let mut writer = Writer::open(directory.path(), bounds(max_size)).unwrap();
    for turn in 1..=2000 {
        writer.append(&minute(turn * 60, 30)).unwrap();
        assert!(on_the_disk(directory.path()) <= max_size.get(), "{turn}");
        assert_eq!(writer.size().get(), on_the_disk(directory.path()));
    }
    let ends = ends(directory.path());
    assert_eq!(ends.last(), Some(&(2000 * 60)));
    assert!(ends.windows(2).all(|pair| pair[1] == pair[0] + 60), "no hole");
    assert!(on_the_disk(directory.path()) > max_size.get() * 3 / 4, "and what may be kept is kept");
}

#[test]
fn the_oldest_goes_by_age() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(directory.path(), bounds(Bytes::mib(64))).unwrap();
    let (step, keep) = (600, 7 * DAY);
    for turn in 1..=3000 {
        writer.append(&minute(turn * step, 1)).unwrap();
    }
    let (ends, now) = (ends(directory.path()), 3000 * step);
    assert!(ends[0] <= now - keep + step, "what may be kept is kept: {}", now - ends[0]);
    // A segment goes when everything in it is too old.
    assert!(ends[0] >= now - keep - 2 * keep / u64::from(PARTS), "{}", now - ends[0]);
}

#[test]
fn a_minute_larger_than_the_bound_is_refused_and_nothing_is_lost_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(directory.path(), bounds(Bytes::kib(64))).unwrap();
    writer.append(&minute(60, 2)).unwrap();
    let refused = writer.append(&minute(120, 2000)).unwrap_err();
    assert!(matches!(refused, WriteError::TooLarge { .. }), "{refused}");
    writer.append(&minute(180, 2)).unwrap();
    assert_eq!(ends(directory.path()), [60, 180]);
}

#[test]
fn what_a_kill_left_is_passed_over_and_the_next_daemon_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(directory.path(), bounds(Bytes::mib(1))).unwrap();
    writer.append(&minute(60, 2)).unwrap();
    writer.append(&minute(120, 2)).unwrap();
    let path = writer.current.as_ref().unwrap().segment.path(directory.path());
    drop(writer);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let mut writer = Writer::open(directory.path(), bounds(Bytes::mib(1))).unwrap();
    writer.append(&minute(180, 2)).unwrap();
    let mut ends = Vec::new();
    let passed_over = read(directory.path(), 0..=u64::MAX, |minute| ends.push(minute.end)).unwrap();
    assert_eq!(ends, [60, 180]);
    assert_eq!(passed_over, PassedOver { cut: 1, ..PassedOver::default() });
}

/// Figures as large as those of a busy host; a decision that changes every other turn.
#[test]
fn a_week_of_fifty_busy_tenants_fits_into_the_default() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(directory.path(), bounds(Bytes::mib(64))).unwrap();
    let mut busy = minute(1_800_000_000, 50);
    for tenant in &mut busy.tenants {
        let part = crate::Part {
            tier: "zram /dev/zram0".into(),
            offloaded: Bytes::mib(5000),
            resident: Bytes::mib(1500),
            others: Bytes::mib(10),
            others_resident: Bytes::mib(3),
        };
        let sizes = Bytes::new(7_123_456_789);
        *tenant = crate::Tenant {
            path: tenant.path.clone(),
            policy: tenant.policy.clone(),
            group: crate::Group::Acted,
            turns: 10,
            dram: sizes,
            dram_peak: sizes,
            working_set: Some(sizes),
            memory_stall: Some(Duration::from_micros(123_456)),
            memory_pressure_peak: Some(lowtide_core::Ratio::new(0.012_345)),
            io_stall: Some(Duration::from_micros(1_234_567)),
            io_pressure_peak: Some(lowtide_core::Ratio::new(0.123_456)),
            slowdown: Some(lowtide_core::Ratio::new(0.001_234)),
            headroom: lowtide_core::Ratio::new(0.912_345),
            price: lowtide_core::Ratio::new(0.5),
            refaulted: Bytes::mib(30),
            requested: Bytes::mib(90),
            effective: Bytes::mib(80),
            reclaim_cpu: Duration::from_micros(45_678),
            written: Bytes::mib(20),
            did: crate::Did::Reclaim,
            reason: 1,
            file_only: Some(15),
            parts: vec![part.clone(), crate::Part { tier: "disk /dev/vdb".into(), ..part }],
        };
        busy.changes.extend((0..5).map(|turn| crate::Change {
            before_end: Duration::from_secs(turn * 12),
            path: tenant.path.clone(),
            did: crate::Did::Reclaim,
            amount: Bytes::mib(9),
            reason: 1,
            file_only: None,
        }));
    }
    writer.append(&busy).unwrap();
    let first = writer.current.as_ref().unwrap().segment.size;
    for turn in 1..=10 {
        writer.append(&Minute { end: busy.end + turn * 60, ..busy.clone() }).unwrap();
    }
    let each = (writer.current.as_ref().unwrap().segment.size - first) / 10;
    println!("{each} bytes a minute, {} of them names at first", first - each);
    assert!(Bytes::new(each * 7 * 24 * 60) < Bytes::mib(64), "{each}");
}

/// /dev/full answers every write as a full disk does.
#[test]
fn a_full_disk_is_said_and_the_next_minute_brings_its_names_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(directory.path(), bounds(Bytes::mib(1))).unwrap();
    writer.append(&minute(60, 1)).unwrap();
    let current = writer.current.as_mut().unwrap();
    let good =
        std::mem::replace(&mut current.file, OpenOptions::new().write(true).open("/dev/full").unwrap());
    let refused = writer.append(&minute(120, 2)).unwrap_err();
    let WriteError::Io { source, .. } = &refused else { panic!("{refused}") };
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    if let Some(current) = &mut writer.current {
        current.file = good;
    }
    writer.append(&minute(180, 2)).unwrap();
    assert_eq!(ends(directory.path()), [60, 180]);
}

#[test]
fn a_clock_that_was_set_back_keeps_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(directory.path(), bounds(Bytes::mib(1))).unwrap();
    for end in [100 * DAY, 60, 120, 100 * DAY + 60] {
        writer.append(&minute(end, 1)).unwrap();
    }
    assert_eq!(ends(directory.path()), [100 * DAY, 60, 120, 100 * DAY + 60]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_bound_holds_whatever_comes(
        kib in 16_u64..200,
        steps in prop::collection::vec((0_u64..2 * DAY, 0_usize..80, any::<bool>()), 1..60),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let bounds = bounds(Bytes::kib(kib));
        let mut writer = Writer::open(directory.path(), bounds).unwrap();
        let mut now = 1000 * DAY;
        for (later, tenants, restarts) in steps {
            now += later;
            let appended = writer.append(&minute(now, tenants));
            let is_expected = matches!(appended, Ok(()) | Err(WriteError::TooLarge { .. }));
            prop_assert!(is_expected);
            prop_assert!(on_the_disk(directory.path()) <= bounds.max_size.get());
            if appended.is_ok() {
                prop_assert_eq!(ends(directory.path()).last().copied(), Some(now));
            }
            if restarts {
                writer = Writer::open(directory.path(), bounds).unwrap();
            }
        }
    }
}
