use std::{
    fs,
    time::{Duration, UNIX_EPOCH},
};

use lowtide_core::Bytes;
use lowtide_history::{PassedOver, read};
use lowtide_view::samples::view;

use super::*;

fn after(seconds: u64) -> View {
    let done = Some(UNIX_EPOCH + Duration::from_secs(seconds));
    View { done, ..view(Duration::from_secs(seconds), Bytes::ZERO) }
}

fn ends(state_dir: &Path) -> Vec<u64> {
    let mut ends = Vec::new();
    let passed_over = read(&state_dir.join(DIRECTORY), 0..=u64::MAX, |minute| ends.push(minute.end)).unwrap();
    assert_eq!(passed_over, PassedOver::default());
    ends
}

/// Turns of a minute each, each with its write.
async fn minutes(recorder: &mut Recorder, range: std::ops::RangeInclusive<u64>) {
    for minute in range {
        recorder.turn(&after(minute * 60));
        // The write ends before the next turn settles it.
        while recorder.writing.as_mut().is_some_and(|writing| writing.is_empty()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn every_minute_is_kept_and_what_is_left_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(directory.path(), History::default());
    minutes(&mut recorder, 1..=4).await;
    assert_eq!(ends(directory.path()), [120, 180, 240]);
    recorder.turn(&after(250));
    recorder.close(Some(&after(250)), soon()).await;
    assert_eq!(ends(directory.path()), [120, 180, 240, 250]);
}

#[tokio::test]
async fn what_cannot_be_written_is_a_problem_and_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let state_dir = directory.path().join("later");
    let mut recorder = Recorder::new(&state_dir, History::default());
    minutes(&mut recorder, 1..=5).await;
    recorder.settle();
    let problem = recorder.problem().unwrap().to_owned();
    assert!(problem.contains("later/history: cannot make"), "{problem}");
    fs::create_dir(&state_dir).unwrap();
    minutes(&mut recorder, 6..=7).await;
    recorder.settle();
    assert_eq!(recorder.problem(), None);
    assert_eq!(ends(&state_dir), [120, 180, 240, 300, 360, 420], "none was lost meanwhile");
}

#[tokio::test]
async fn a_disk_that_is_full_for_long_costs_the_oldest_and_not_the_memory() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(&directory.path().join("never"), History::default());
    minutes(&mut recorder, 1..=100).await;
    recorder.settle();
    assert_eq!((recorder.waiting.len(), recorder.lost), (PATIENT, 99 - PATIENT as u64));
}

#[tokio::test]
async fn where_it_is_not_wanted_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(directory.path(), History { enabled: false, ..History::default() });
    minutes(&mut recorder, 1..=3).await;
    recorder.close(Some(&after(190)), soon()).await;
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_mins(1)
}
