use rstest::rstest;

use super::*;
use crate::{
    Claim, Error, KdamondState, Record, Recovered,
    recover::teardown_with,
    tests::fake::{Kernel, Version},
};

const BOTH: [Version; 2] = [Version::Old, Version::New];

#[test]
fn a_vacant_one_is_taken_and_the_foreign_one_left_alone() {
    for version in BOTH {
        let kernel = Kernel::new(version);
        kernel.write("nr_kdamonds", "2");
        kernel.foreign(0);
        let before = kernel.running();
        let admin = kernel.admin();
        kernel.state().writes.clear();
        let reservation = admin.reserve(NonZeroU32::MIN).unwrap();
        assert_eq!(reservation.record(), None);
        let mut owned = reservation.claim().unwrap().pop().unwrap().probe().unwrap();
        assert_eq!(owned.index(), 1);
        owned.start(&plain()).unwrap();
        owned.commit(&plain()).unwrap();
        owned.teardown().unwrap();
        assert!(kernel.state().writes.iter().all(|(path, _)| path.starts_with("1/")));
        assert_eq!(kernel.running(), before);
        assert_eq!(kernel.read("nr_kdamonds"), "2");
    }
}

#[test]
fn no_room_beside_others() {
    let kernel = Kernel::new(Version::New);
    let admin = kernel.admin();
    kernel.write("nr_kdamonds", "1");
    kernel.foreign(0);
    let two = NonZeroU32::new(2).unwrap();
    let refusal = |running: &[u32], configured: &[u32]| Error::NoVacancy {
        wanted: 2,
        vacant: 0,
        running: running.into(),
        configured: configured.into(),
    };
    assert_eq!(admin.reserve(two).unwrap_err(), refusal(&[0], &[]));
    kernel.end(0);
    assert_eq!(admin.reserve(two).unwrap_err(), refusal(&[], &[0]), "its settings would be lost");
}

#[test]
fn empty_directories_of_nobody_are_made_more() {
    let kernel = Kernel::new(Version::New);
    let admin = kernel.admin();
    kernel.write("nr_kdamonds", "1");
    kernel.write("0/contexts/nr_contexts", "1");
    let reservation = admin.reserve(NonZeroU32::new(3).unwrap()).unwrap();
    let record = reservation.record().unwrap();
    assert!(matches!(&record, Record::Creation(creation) if (creation.was, creation.count) == (1, 3)));
    assert_eq!(reservation.claim().unwrap().len(), 3);
    assert_eq!(teardown_with(&admin, &[record]), [Ok(Recovered::Removed)]);
    assert_eq!(kernel.read("nr_kdamonds"), "1");
}

#[test]
fn one_that_starts_between_looking_and_writing_is_not_disturbed() {
    let kernel = Kernel::new(Version::New);
    let admin = kernel.admin();
    let reservation = admin.reserve(NonZeroU32::MIN).unwrap();
    kernel.write("nr_kdamonds", "1");
    kernel.foreign(0);
    let error = reservation.claim().unwrap_err();
    assert!(matches!(&error, Error::NoVacancy { running, .. } if running == &[0]), "{error}");
    assert_eq!(kernel.running().len(), 1);
}

#[test]
fn directories_that_another_program_made_anew_are_not_ours() {
    for file in ["nr_kdamonds", "0/contexts/nr_contexts"] {
        let kernel = Kernel::new(Version::New);
        let admin = kernel.admin();
        let mut owned = claim(&admin);
        kernel.write(file, "1");
        kernel.foreign(0);
        let writes = kernel.state().writes.len();
        let lost = Error::Lost { index: 0 };
        assert_eq!(owned.start(&plain()), Err(lost.clone()));
        assert_eq!(owned.commit(&plain()), Err(lost.clone()));
        assert_eq!(owned.snapshot().unwrap_err(), lost);
        assert_eq!(owned.stop(), Err(lost));
        let record = owned.record();
        assert_eq!(teardown_with(&admin, &[record]), [Ok(Recovered::Gone)]);
        assert_eq!((kernel.running().len(), kernel.state().writes.len()), (1, writes));
    }
}

#[test]
fn our_thread_is_ended_even_where_its_directory_was_made_anew() {
    let kernel = Kernel::new(Version::New);
    let admin = kernel.admin();
    let mut owned = claim(&admin);
    owned.start(&plain()).unwrap();
    kernel.write("0/contexts/nr_contexts", "1");
    kernel.write("0/contexts/0/targets/nr_targets", "1");
    assert_eq!(teardown_with(&admin, &[owned.record()]), [Ok(Recovered::Ended)]);
    assert_eq!(kernel.running(), []);
    assert_eq!(kernel.read("0/contexts/0/targets/nr_targets"), "1");
}

fn claimed(record: Record) -> Claim {
    match record {
        Record::Claim(claim) => claim,
        Record::Creation(creation) => panic!("{creation:?}"),
    }
}

#[test]
fn adopted_running_and_retuned() {
    let kernel = Kernel::new(Version::New);
    let admin = kernel.admin();
    let mut first = claim(&admin);
    let before_start = claimed(first.record());
    first.start(&everything()).unwrap();
    let thread = first.thread();
    drop(first);
    let mut second = Owned::adopt(&admin, &before_start).unwrap().unwrap();
    assert_eq!(second.thread(), thread, "found although it was not recorded");
    second.commit(&everything()).unwrap();
    second.teardown().unwrap();
    assert_eq!(kernel.running(), []);
    assert!(Owned::adopt(&admin, &before_start).unwrap().is_none());
}

#[test]
fn nothing_is_adopted_from_another_boot() {
    let kernel = Kernel::new(Version::New);
    let admin = kernel.admin();
    let record = claim(&admin).record();
    kernel.put("proc/sys/kernel/random/boot_id", "another");
    assert!(Owned::adopt(&admin, &claimed(record.clone())).unwrap().is_none());
    assert_eq!(teardown_with(&admin, &[record]), [Ok(Recovered::Gone)]);
}

#[test]
fn a_record_outlives_its_process_as_text() {
    let kernel = Kernel::new(Version::New);
    let admin = kernel.admin();
    let reservation = admin.reserve(NonZeroU32::MIN).unwrap();
    let creation = reservation.record().unwrap();
    let mut owned = reservation.claim().unwrap().pop().unwrap().probe().unwrap();
    owned.start(&plain()).unwrap();
    for record in [creation, owned.record()] {
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }
}

/// The life of a process that keeps its records as it should.
fn live(admin: &Admin, records: &mut Vec<Record>) -> Result<(), Error> {
    let reservation = admin.reserve(NonZeroU32::MIN)?;
    records.extend(reservation.record());
    let claimed = reservation.claim()?.pop().unwrap();
    let place = records.len();
    records.push(claimed.record());
    let mut owned = claimed.probe()?;
    records[place] = owned.record();
    owned.start(&plain())?;
    records[place] = owned.record();
    owned.commit(&plain())?;
    owned.teardown()
}

#[rstest]
#[case(Version::Old, false)]
#[case(Version::Old, true)]
#[case(Version::New, false)]
#[case(Version::New, true)]
fn killed_after_any_write(#[case] version: Version, #[case] foreign: bool) {
    let mut met = (false, false);
    for fuel in 0.. {
        let kernel = Kernel::new(version);
        if foreign {
            kernel.write("nr_kdamonds", "2");
            kernel.foreign(1);
        }
        let (before, settings) = (kernel.running(), kernel.read("nr_kdamonds"));
        let mut records = Vec::new();
        kernel.state().fuel = Some(fuel);
        let ended = live(&kernel.admin(), &mut records).is_ok();
        kernel.state().fuel = None;
        met.0 |= kernel.running().len() > before.len();
        met.1 |= kernel.running() == before && !ended;
        for _ in 0..2 {
            for result in teardown_with(&kernel.admin(), &records) {
                result.unwrap();
            }
            assert_eq!(kernel.running(), before, "after {fuel} writes");
            assert_eq!(kernel.read("nr_kdamonds"), settings, "after {fuel} writes");
            let ours = kernel.admin().kdamonds().unwrap().into_iter().filter(|kdamond| kdamond.index == 0);
            assert!(
                ours.into_iter().all(|kdamond| kdamond.state == KdamondState::Vacant),
                "after {fuel} writes"
            );
        }
        if ended {
            assert_eq!(met, (true, true), "killed before and while it ran");
            return;
        }
    }
}
