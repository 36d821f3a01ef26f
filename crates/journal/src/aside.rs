//! Replaces a file on a thread of its own, so that whoever may not wait for a disk need not.
//!
//! One thread at a time, which ends with its write. A disk that never answers keeps that one and no more.

use std::{
    collections::BTreeSet,
    fmt, io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel},
    },
    thread::Builder,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::sealed::{SealedError, SealedFile};

/// What a thread needs that writes a file; all of it is locked in memory once it is touched.
const STACK_BYTES: usize = 128 << 10;
/// What waiting costs in the long run: a twentieth of the time.
const REGAINED: u32 = 20;

/// What a test puts between the daemon and its disk: it is called before each write, on the thread that
/// writes.
pub type BeforeWrite = Arc<dyn Fn() + Send + Sync>;

/// Writes, and for how long they are waited for.
pub(crate) struct Aside {
    /// At most for so long at once.
    most: Duration,
    /// What is left of it, at that time.
    left: (Duration, Instant),
    under_way: Option<UnderWay>,
    before: Option<BeforeWrite>,
}

struct UnderWay {
    since: Instant,
    done: Receiver<Result<(), SealedError>>,
}

/// Files whose write came too late for whoever asked. Another write of the same file would race with it for
/// the name beside it.
static LATE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn late() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    LATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SealedFile {
    /// As [`SealedFile::write`], on another thread, and waited for no longer than `patience`. What is late is
    /// written all the same, and until it is the file takes nothing else.
    pub fn write_within<T>(&self, records: Vec<T>, patience: Duration) -> Result<(), SealedError>
    where
        T: Serialize + Send + 'static,
    {
        if !late().insert(self.path.clone()) {
            return Err(self.late());
        }
        let (tell, done) = channel();
        let ours = self.clone();
        let write = move || {
            let written = ours.write(&records);
            late().remove(&ours.path);
            let _ = tell.send(written);
        };
        if let Err(source) = thread().spawn(write) {
            late().remove(&self.path);
            return Err(self.cannot("write", source));
        }
        done.recv_timeout(patience).unwrap_or_else(|_| Err(self.late()))
    }
}

fn thread() -> Builder {
    Builder::new().name(String::from("state")).stack_size(STACK_BYTES)
}

impl fmt::Debug for Aside {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Aside").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Aside {
    /// Waits for `most` at once, and less where it has waited just before.
    pub(crate) fn new(most: Duration, before: Option<BeforeWrite>) -> Self {
        Self { most, left: (most, Instant::now()), under_way: None, before }
    }

    /// As if it had not waited for long, and may for `most` from now on.
    pub(crate) fn grant(&mut self, most: Duration) {
        (self.most, self.left) = (most, (most, Instant::now()));
    }

    /// For how long the write that is under way has been.
    pub(crate) fn late_by(&self) -> Option<Duration> {
        self.under_way.as_ref().map(|under_way| under_way.since.elapsed())
    }

    /// Starts to write. What is under way has to have ended.
    pub(crate) fn start<T>(&mut self, file: &SealedFile, records: Vec<T>) -> Result<(), SealedError>
    where
        T: Serialize + Send + 'static,
    {
        let (tell, done) = channel();
        let (ours, before) = (file.clone(), self.before.clone());
        let write = move || {
            if let Some(before) = before {
                before();
            }
            // Nobody may be waiting any more.
            let _ = tell.send(ours.write(&records));
        };
        thread().spawn(write).map_err(|source| file.cannot("write", source))?;
        self.under_way = Some(UnderWay { since: Instant::now(), done });
        Ok(())
    }

    /// What came of the write, if it ends in time; nothing if none is under way.
    pub(crate) fn wait(&mut self, file: &SealedFile) -> Option<Result<(), SealedError>> {
        let begun = Instant::now();
        let allowed = self.allowed(begun);
        let answer = self.under_way.as_ref()?.done.recv_timeout(allowed);
        self.left = (allowed.saturating_sub(begun.elapsed()), Instant::now());
        self.taken(file, answer)
    }

    /// The same without waiting.
    pub(crate) fn look(&mut self, file: &SealedFile) -> Option<Result<(), SealedError>> {
        let answer = self.under_way.as_ref()?.done.try_recv();
        self.taken(
            file,
            answer.map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            }),
        )
    }

    fn taken(
        &mut self,
        file: &SealedFile,
        answer: Result<Result<(), SealedError>, RecvTimeoutError>,
    ) -> Option<Result<(), SealedError>> {
        let ended = match answer {
            Ok(ended) => ended,
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => {
                Err(file.cannot("write", io::Error::other("the thread that writes it has ended")))
            }
        };
        self.under_way = None;
        Some(ended)
    }

    fn allowed(&self, now: Instant) -> Duration {
        let (left, since) = self.left;
        (left + now.saturating_duration_since(since) / REGAINED).min(self.most)
    }
}
