//! One run: pages of a zram device go to its backing device, the oldest first, in chunks that can be stopped
//! between.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use lowtide_core::{
    ByteRate, Bytes, Ratio,
    balancer::{End, Pages, Run, next_younger},
};
use lowtide_kernfs::Root;
use lowtide_tiers::{Selection, Writeback, WritebackError, Written, Zram};

use super::stores::written;

/// A chunk shall take about this long: whoever stops a run waits for it.
const CHUNK_TIME: Duration = Duration::from_millis(500);
/// The first chunk, and the least: with a disk of 8 ms a page it is 2 s on 6.12.
const LEAST_CHUNK: Bytes = Bytes::mib(1);
/// And the most.
const MOST_CHUNK: Bytes = Bytes::mib(16);
/// Each call goes over all slots, however little it writes, so a chunk is at least this share of a large
/// device.
const SHARE_OF_SLOTS: Ratio = Ratio::new(1.0 / 4096.0);
/// How often a pause looks whether it is to stop.
const BEAT: Duration = Duration::from_millis(100);

/// What a run shall do.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) root: Root,
    /// `zram0`.
    pub(super) device: String,
    pub(super) slots: Bytes,
    /// At most.
    pub(super) amount: Bytes,
    /// What is written at least.
    pub(super) page: Bytes,
    /// Nothing is older than this; `None` for the pages that still have their mark.
    pub(super) from: Option<Duration>,
    pub(super) min_age: Duration,
    pub(super) pages: Pages,
    pub(super) rate: ByteRate,
    /// It ends with the call in which this has passed: what was decided is looked at anew.
    pub(super) time: Duration,
}

/// A run under way.
struct Mover<'a> {
    job: &'a Job,
    stop: &'a AtomicBool,
    writeback: Writeback,
    begun: Instant,
    /// The kernel's counter at the start.
    before: Bytes,
    moved: Bytes,
    chunk: Bytes,
    emptied: Option<Duration>,
}

/// Moves what `job` says, and puts the limit back to nothing at the end, so that nobody else writes on this
/// account.
///
/// Blocks for as long as the amount takes at the job's rate. The limit has to count
/// (`writeback_limit_enable`).
pub(super) fn run(job: &Job, stop: &AtomicBool) -> (Run, Option<WritebackError>) {
    let begun = Instant::now();
    let writeback = Writeback::of(&job.root, &job.device);
    let before = match written(&job.root, &job.device) {
        Ok(Some(before)) => before,
        Ok(None) => return (Run { end: End::Stopped, ..Run::default() }, None),
        Err(error) => return (Run { end: End::Failed, ..Run::default() }, Some(error.into())),
    };
    let chunk = LEAST_CHUNK;
    let mut run = Mover { job, stop, writeback, begun, before, moved: Bytes::ZERO, chunk, emptied: None };
    let outcome = run.all();
    let shut = run.writeback.set_limit(Bytes::ZERO);
    let outcome = outcome.and_then(|end| shut.map(|()| end));
    let (end, error) = match outcome {
        Ok(end) => (end, None),
        Err(WritebackError::BackingFull(_)) => (End::Full, None),
        Err(WritebackError::Busy(_)) => (End::Busy, None),
        Err(WritebackError::Gone(_)) => (End::Stopped, None),
        Err(error) => (End::Failed, Some(error)),
    };
    // What was written by a call that failed counts as well.
    let moved = written(&job.root, &job.device).ok().flatten().map_or(run.moved, |now| now - before);
    (Run { moved, took: begun.elapsed(), emptied: run.emptied, end }, error)
}

impl Mover<'_> {
    fn all(&mut self) -> Result<End, WritebackError> {
        let Some(from) = self.job.from else {
            return Ok(self.rung(Selection::Idle, self.job.min_age)?.unwrap_or(End::Done));
        };
        if let Err(error) = self.writeback.mark_older(self.job.min_age) {
            return match error {
                WritebackError::Unsupported(_) => Ok(End::Ageless),
                error => Err(error),
            };
        }
        if self.has_incompressible()?
            && let Some(end) = self.rung(Selection::HugeIdle, from)?
        {
            return Ok(end);
        }
        if self.job.pages == Pages::Incompressible {
            return Ok(End::Done);
        }
        let mut age = from;
        loop {
            age = next_younger(age, self.job.min_age).unwrap_or(self.job.min_age);
            self.writeback.mark_older(age)?;
            if let Some(end) = self.rung(Selection::Idle, age)? {
                return Ok(end);
            }
            self.emptied = Some(age);
            if age <= self.job.min_age || self.is_out_of_time() {
                return Ok(End::Done);
            }
        }
    }

    /// Writes what is marked. `None` if all of it is written and more may follow.
    fn rung(&mut self, selection: Selection, age: Duration) -> Result<Option<End>, WritebackError> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(Some(End::Stopped));
            }
            let left = (self.job.amount - self.moved).whole(self.job.page);
            if left.is_zero() {
                return Ok(Some(End::Done));
            }
            let begun = Instant::now();
            self.writeback.set_limit(left.min(self.chunk))?;
            let written = self.writeback.write(selection)?;
            self.count(begun.elapsed())?;
            self.keep_to_the_rate();
            if written == Written::All {
                if self.job.from.is_none() {
                    self.emptied = Some(age);
                }
                return Ok(None);
            }
            if self.is_out_of_time() {
                return Ok(Some(End::Done));
            }
        }
    }

    /// Asked after a call, never before the first: however long the marking takes, each run gets on.
    fn is_out_of_time(&self) -> bool {
        self.begun.elapsed() >= self.job.time
    }

    /// Takes in what a chunk moved, and chooses the size of the next one by how long it took.
    fn count(&mut self, took: Duration) -> Result<(), WritebackError> {
        let now = written(&self.job.root, &self.job.device)?.unwrap_or(self.before);
        let moved = (now - self.before) - self.moved;
        self.moved += moved;
        let least = LEAST_CHUNK.max(self.job.slots.scale(SHARE_OF_SLOTS));
        if !took.is_zero() && moved >= LEAST_CHUNK {
            let fitting = moved.scale(Ratio::new(CHUNK_TIME.as_secs_f64() / took.as_secs_f64()));
            self.chunk = fitting.min(MOST_CHUNK).max(least).whole(self.job.page).max(self.job.page);
        }
        Ok(())
    }

    /// Waits until what was moved is no more than the rate allows for the time that passed.
    fn keep_to_the_rate(&self) {
        let allowed = self.job.rate.over(Duration::from_secs(1)).as_f64().max(1.0);
        let due = Duration::try_from_secs_f64(self.moved.as_f64() / allowed).unwrap_or(Duration::MAX);
        loop {
            let early = due.saturating_sub(self.begun.elapsed());
            if early.is_zero() || self.stop.load(Ordering::Relaxed) {
                return;
            }
            sleep(early.min(BEAT));
        }
    }

    fn has_incompressible(&self) -> Result<bool, WritebackError> {
        let zram = Zram::read(&self.job.root, &self.job.device)?;
        Ok(zram.and_then(|zram| zram.incompressible).is_some_and(|bytes| !bytes.is_zero()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    const MIN_AGE: Duration = Duration::from_mins(10);

    fn device() -> (tempfile::TempDir, Job) {
        let tree = tempfile::tempdir().unwrap();
        let directory = tree.path().join("sys/block/zram0");
        fs::create_dir_all(&directory).unwrap();
        for (file, text) in [
            ("initstate", "1\n"),
            ("disksize", "4194304\n"),
            ("mm_stat", "40960 64 4096 0 4096 0 0 2 2\n"),
            ("bd_stat", "0 0 0\n"),
            ("idle", ""),
            ("writeback", ""),
            ("writeback_limit", "5\n"),
            ("writeback_limit_enable", "1\n"),
        ] {
            fs::write(directory.join(file), text).unwrap();
        }
        let job = Job {
            root: Root::open(tree.path()).unwrap(),
            device: "zram0".into(),
            slots: Bytes::mib(4),
            amount: Bytes::mib(1),
            page: Bytes::pages(1),
            from: Some(Duration::from_hours(2)),
            min_age: MIN_AGE,
            pages: Pages::All,
            rate: ByteRate::per_second(Bytes::mib(64)),
            time: Duration::from_mins(1),
        };
        (tree, job)
    }

    fn holds(tree: &Path, file: &str) -> String {
        fs::read_to_string(tree.join("sys/block/zram0").join(file)).unwrap()
    }

    #[test]
    fn it_goes_down_to_the_least_age_and_leaves_no_limit_behind() {
        let (tree, job) = device();
        let (run, error) = run(&job, &AtomicBool::new(false));
        assert_eq!((run.end, run.emptied, run.moved), (End::Done, Some(MIN_AGE), Bytes::ZERO));
        assert_eq!(error, None);
        assert_eq!(holds(tree.path(), "idle"), "600");
        assert_eq!(holds(tree.path(), "writeback"), "idle");
        assert_eq!(holds(tree.path(), "writeback_limit"), "0");
    }

    #[test]
    fn only_what_did_not_compress() {
        let (tree, job) = device();
        let (run, _) = run(&Job { pages: Pages::Incompressible, ..job }, &AtomicBool::new(false));
        assert_eq!((run.end, run.emptied), (End::Done, None));
        assert_eq!(
            (holds(tree.path(), "idle").as_str(), holds(tree.path(), "writeback").as_str()),
            ("600", "huge_idle")
        );
    }

    #[test]
    fn without_a_limit_it_writes_nothing() {
        let (tree, job) = device();
        fs::write(tree.path().join("sys/block/zram0/writeback_limit_enable"), "0\n").unwrap();
        let (run, error) = run(&job, &AtomicBool::new(false));
        assert_eq!((run.end, holds(tree.path(), "writeback").as_str()), (End::Failed, ""));
        assert!(matches!(error, Some(WritebackError::Unlimited(_))), "{error:?}");
    }

    #[test]
    fn out_of_time_it_ends_after_the_first_rung() {
        let (tree, job) = device();
        let (run, _) = run(&Job { time: Duration::ZERO, ..job }, &AtomicBool::new(false));
        let first = next_younger(Duration::from_hours(2), MIN_AGE).unwrap();
        assert_eq!((run.end, run.emptied), (End::Done, Some(first)));
        assert_eq!(holds(tree.path(), "idle"), first.as_secs().to_string());
        assert_eq!(holds(tree.path(), "writeback_limit"), "0");
    }

    #[test]
    fn told_to_stop_it_writes_nothing() {
        let (tree, job) = device();
        let (run, _) = run(&job, &AtomicBool::new(true));
        assert_eq!((run.end, run.emptied), (End::Stopped, None));
        assert_eq!(holds(tree.path(), "writeback"), "");
        assert_eq!(holds(tree.path(), "writeback_limit"), "0");
    }

    #[test]
    fn marked_pages_are_written_without_marking_again() {
        let (tree, job) = device();
        let (run, _) = run(&Job { from: None, ..job }, &AtomicBool::new(false));
        assert_eq!((run.end, run.emptied), (End::Done, Some(MIN_AGE)));
        assert_eq!(
            (holds(tree.path(), "idle").as_str(), holds(tree.path(), "writeback").as_str()),
            ("", "idle")
        );
    }

    #[test]
    fn a_device_that_is_gone_is_no_failure() {
        let (tree, job) = device();
        fs::remove_dir_all(tree.path().join("sys/block/zram0")).unwrap();
        let (run, error) = run(&job, &AtomicBool::new(false));
        assert_eq!((run.end, error), (End::Stopped, None));
    }
}
