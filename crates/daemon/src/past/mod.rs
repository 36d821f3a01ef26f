//! Keeps the history: what was seen and decided becomes a minute, and the minute goes to the disk.
//!
//! Not on the loop's thread: a disk that hangs must not keep the loop. Nothing is synced, so that it costs
//! the disk next to nothing. What cannot be written waits for a while, and is tried again with the next
//! minute.

mod minute;
mod sums;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use lowtide_history::{Bounds, Minute, WriteError, Writer};
use lowtide_policy::History;
use tokio::sync::oneshot::{self, error::TryRecvError};

use lowtide_view::View;
use minute::Gathering;

/// Where the history is, in the state directory.
pub const DIRECTORY: &str = "history";
/// So many minutes wait for a disk that takes none.
const PATIENT: usize = 15;

/// Makes minutes and has them written.
#[derive(Debug)]
pub(crate) struct Recorder {
    directory: PathBuf,
    settings: History,
    gathering: Gathering,
    waiting: VecDeque<Minute>,
    /// Minutes that nobody will see.
    lost: u64,
    /// `None` while it writes, and until it is opened.
    writer: Option<Writer>,
    writing: Option<oneshot::Receiver<Written>>,
    problem: Option<String>,
}

/// What came of a write.
#[derive(Debug)]
struct Written {
    writer: Option<Writer>,
    /// What is still to be written.
    left: VecDeque<Minute>,
    /// Minutes that never can be.
    lost: u64,
    failed: Option<WriteError>,
}

impl Recorder {
    /// Nothing seen yet, and nothing opened.
    pub(crate) fn new(state_dir: &Path, settings: History) -> Self {
        Self {
            directory: state_dir.join(DIRECTORY),
            settings,
            gathering: Gathering::default(),
            waiting: VecDeque::new(),
            lost: 0,
            writer: None,
            writing: None,
            problem: None,
        }
    }

    /// After a reload.
    pub(crate) fn set(&mut self, settings: History) {
        self.settings = settings;
    }

    /// What keeps it from being written.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref().filter(|_| self.settings.enabled)
    }

    /// Takes in a turn.
    pub(crate) fn turn(&mut self, view: &View) {
        self.settle();
        let minute = self.gathering.turn(view);
        if let Some(minute) = minute.filter(|_| self.settings.enabled) {
            self.wait(minute);
            self.start();
        }
    }

    /// At the daemon's end, with the last view: writes what there is, unless the disk hangs.
    pub(crate) async fn close(&mut self, last: Option<&View>, until: tokio::time::Instant) {
        let rest = last.and_then(|view| self.gathering.rest(view)).filter(|_| self.settings.enabled);
        self.waiting.extend(rest);
        for _ in 0..2 {
            self.start();
            let Some(mut writing) = self.writing.take() else { return };
            match tokio::time::timeout_at(until, &mut writing).await {
                Ok(Ok(written)) => self.take(written),
                _ => return tracing::warn!("the history cannot be written: its last minutes are lost"),
            }
        }
    }

    fn wait(&mut self, minute: Minute) {
        self.waiting.push_back(minute);
        while self.waiting.len() > PATIENT {
            self.waiting.pop_front();
            self.lost += 1;
        }
    }

    /// Starts to write what waits, unless a write is under way.
    fn start(&mut self) {
        if self.writing.is_some() || self.waiting.is_empty() {
            return;
        }
        let (done, writing) = oneshot::channel();
        let (writer, minutes) = (self.writer.take(), std::mem::take(&mut self.waiting));
        let (directory, settings) = (self.directory.clone(), self.settings);
        tokio::task::spawn_blocking(move || {
            // After the end's patience nobody waits for it.
            let _ = done.send(write(writer, &directory, settings, minutes));
        });
        self.writing = Some(writing);
    }

    /// Takes in what came of a write that has ended.
    fn settle(&mut self) {
        let Some(writing) = &mut self.writing else { return };
        match writing.try_recv() {
            Ok(written) => self.take(written),
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Closed) => {}
        }
        self.writing = None;
    }

    fn take(&mut self, Written { writer, mut left, lost, failed }: Written) {
        self.writer = writer;
        self.lost += lost;
        left.append(&mut self.waiting);
        for minute in left {
            self.wait(minute);
        }
        let Some(error) = failed else {
            if self.problem.take().is_some() {
                tracing::info!("the history is kept again; {} minutes of it were lost", self.lost);
            }
            return;
        };
        let problem = format!("the history is not kept: {error}; it is tried again every minute");
        if self.problem.is_none() {
            tracing::warn!("{problem}");
        }
        self.problem = Some(problem);
    }
}

/// Blocks.
fn write(
    writer: Option<Writer>,
    directory: &Path,
    settings: History,
    mut minutes: VecDeque<Minute>,
) -> Written {
    let bounds = Bounds { keep: settings.keep, max_size: settings.max_size };
    let mut writer = match writer.map_or_else(|| Writer::open(directory, bounds), Ok) {
        Ok(writer) => writer,
        Err(error) => return Written { writer: None, left: minutes, lost: 0, failed: Some(error) },
    };
    writer.bound(bounds);
    let mut lost = 0;
    let mut failed = None;
    while let Some(minute) = minutes.front() {
        match writer.append(minute) {
            Ok(()) => {}
            Err(error @ WriteError::Io { .. }) => {
                failed = Some(error);
                break;
            }
            // It will not do another time either.
            Err(error) => (lost, failed) = (lost + 1, Some(error)),
        }
        minutes.pop_front();
    }
    Written { writer: Some(writer), left: minutes, lost, failed }
}

#[cfg(test)]
mod tests;
