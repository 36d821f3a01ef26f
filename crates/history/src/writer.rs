//! The daemon's end: appends minutes, and deletes the oldest before the bound is passed.

use std::{
    collections::VecDeque,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use lowtide_core::Bytes;
use nix::fcntl::OFlag;

use crate::{
    encode,
    frame::frame,
    names::Interned,
    record::Minute,
    segment::{self, HEADER, Segment, on_disk},
};

/// A segment holds at most one part of so many of what may be kept, in bytes and in time: as much goes at
/// once.
const PARTS: u32 = 16;
/// A daemon that starts again and again leaves no more files than this.
const MOST_SEGMENTS: usize = 4096;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// What is older goes, by the system's clock.
    pub keep: Duration,
    /// All files together take no more on the disk.
    pub max_size: Bytes,
}

/// Why a minute is not on the disk.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system said so.
    #[error("{path}: cannot {operation}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else could have written what is there.
    #[error("{path}: {why}: remove it, and lowtide makes it anew")]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// One minute is more than may be kept.
    #[error("one minute takes {size}, more than the {max_size} of `history.max_size`")]
    TooLarge {
        /// Of the minute.
        size: Bytes,
        /// The bound.
        max_size: Bytes,
    },
    /// It cannot be written as bytes.
    #[error("a minute cannot be encoded: {0}")]
    Encode(#[from] postcard::Error),
}

/// The daemon's end of the history. There must be one only for a directory: the lock of the state directory
/// sees to that.
#[derive(Debug)]
pub struct Writer {
    directory: PathBuf,
    bounds: Bounds,
    /// Those that are not written any more, the oldest first.
    past: VecDeque<Segment>,
    /// The number of the next.
    next: u64,
    current: Option<Current>,
    /// Those of the current segment, or of the one to be begun.
    names: Interned,
}

/// The segment that is written.
#[derive(Debug)]
struct Current {
    segment: Segment,
    file: File,
}

impl Writer {
    /// Goes on in `directory`, which is made if it is missing, for its owner alone: records name every cgroup
    /// of the host. Writes nothing yet. What an earlier daemon wrote is left as it is, and a new segment
    /// begun: its last record may be cut.
    pub fn open(directory: &Path, bounds: Bounds) -> Result<Self, WriteError> {
        own(directory)?;
        let past = segment::list(directory).map_err(at(directory, "list"))?;
        let next = past.last().map_or(1, |last| last.number.saturating_add(1));
        Ok(Self {
            directory: directory.to_owned(),
            bounds,
            past: past.into(),
            next,
            current: None,
            names: Interned::default(),
        })
    }

    /// What all segments take on the disk.
    #[must_use]
    pub fn size(&self) -> Bytes {
        let current = self.current.iter().map(|current| &current.segment);
        self.past.iter().chain(current).map(Segment::on_disk).sum()
    }

    /// Keeps to other bounds from the next minute on.
    pub fn bound(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Appends a minute, after the oldest have made room for it. Blocks, as long as the disk does.
    ///
    /// Nothing is synced: what a process has written outlives its end, and a host that crashes loses what the
    /// kernel had not written back, about half a minute.
    pub fn append(&mut self, minute: &Minute) -> Result<(), WriteError> {
        let (now, keep) = (minute.end, self.bounds.keep);
        self.close_unless(|current| current.is_young(now, keep));
        self.expire(now)?;
        let mut bytes = self.encoded(minute)?;
        let most = self.bounds.max_size.get() / u64::from(PARTS);
        if self.close_unless(|current| current.segment.size + bytes.len() as u64 <= most) {
            bytes = self.encoded(minute)?;
        }
        self.make_room(bytes.len() as u64)?;
        self.write(now, &bytes)
    }

    /// Whether the current segment was closed.
    fn close_unless(&mut self, is_fit: impl FnOnce(&Current) -> bool) -> bool {
        if self.current.as_ref().is_none_or(is_fit) {
            return false;
        }
        self.past.extend(self.current.take().map(|current| current.segment));
        self.names = Interned::default();
        true
    }

    fn encoded(&mut self, minute: &Minute) -> Result<Vec<u8>, WriteError> {
        self.names.forget();
        let payload = encode::payload(minute.clone(), &mut self.names)?;
        frame(&payload).ok_or(WriteError::TooLarge {
            size: Bytes::new(payload.len() as u64),
            max_size: self.bounds.max_size,
        })
    }

    /// Deletes the segments in which everything is too old: they and the ones after them were begun before
    /// what is kept.
    fn expire(&mut self, now: u64) -> Result<(), WriteError> {
        let oldest = now.saturating_sub(self.bounds.keep.as_secs());
        while self.past.len() >= MOST_SEGMENTS || self.is_oldest_before(oldest) {
            self.delete_oldest()?;
        }
        Ok(())
    }

    fn is_oldest_before(&self, oldest: u64) -> bool {
        let current = self.current.iter().map(|current| &current.segment);
        let mut segments = self.past.iter().chain(current).map(|segment| segment.begun);
        // Both, since the clock may have been set back in between.
        let (first, second) = (segments.next(), segments.next());
        first.zip(second).is_some_and(|(first, second)| first.max(second) < oldest)
    }

    /// Deletes the oldest segments until a frame of `length` bytes has room.
    fn make_room(&mut self, length: u64) -> Result<(), WriteError> {
        let max_size = self.bounds.max_size;
        let alone = on_disk(HEADER.len() as u64 + length);
        if alone > max_size {
            return Err(WriteError::TooLarge { size: alone, max_size });
        }
        loop {
            let begun = self.current.as_ref().map_or(HEADER.len() as u64, |current| current.segment.size);
            let others: Bytes = self.past.iter().map(Segment::on_disk).sum();
            if others + on_disk(begun + length) <= max_size {
                return Ok(());
            }
            self.delete_oldest()?;
        }
    }

    fn delete_oldest(&mut self) -> Result<(), WriteError> {
        let Some(oldest) = self.past.front() else { return Ok(()) };
        let path = oldest.path(&self.directory);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at(&path, "delete")(error));
            }
            _ => {}
        }
        self.past.pop_front();
        Ok(())
    }

    fn write(&mut self, now: u64, bytes: &[u8]) -> Result<(), WriteError> {
        let current = match &mut self.current {
            Some(current) => current,
            None => self.current.insert(Current::begin(&self.directory, self.next, now)?),
        };
        self.next = current.segment.number + 1;
        let path = current.segment.path(&self.directory);
        if let Err(error) = current.file.write_all(bytes) {
            // Half a frame would take room from the next one. What cannot be cut off the reader passes over.
            if current.file.set_len(current.segment.size).is_err() {
                let size = current.file.metadata().map_or(0, |found| found.len());
                current.segment.size = current.segment.size.max(size);
                self.close_unless(|_| false);
            }
            return Err(at(&path, "write")(error));
        }
        current.segment.size += bytes.len() as u64;
        self.names.keep();
        Ok(())
    }
}

impl Current {
    fn begin(directory: &Path, number: u64, begun: u64) -> Result<Self, WriteError> {
        let segment = Segment { number, begun, size: HEADER.len() as u64 };
        let path = segment.path(directory);
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
        let mut file = options.open(&path).map_err(at(&path, "make"))?;
        if let Err(error) = file.write_all(HEADER) {
            // It would be in the way of the next try.
            let _ = fs::remove_file(&path);
            return Err(at(&path, "write")(error));
        }
        Ok(Self { segment, file })
    }

    /// Whether another minute may still go there: what is in one segment is deleted together. Not after the
    /// clock was set back.
    fn is_young(&self, now: u64, keep: Duration) -> bool {
        let begun = self.segment.begun;
        (begun..begun.saturating_add((keep / PARTS).as_secs().max(1))).contains(&now)
    }
}

fn at(path: &Path, operation: &'static str) -> impl FnOnce(io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError::Io { path, operation, source }
}

/// Makes the directory, or makes sure that nobody else can have written there.
fn own(directory: &Path) -> Result<(), WriteError> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(at(directory, "make")(error));
        }
        _ => {}
    }
    let found = fs::symlink_metadata(directory).map_err(at(directory, "look at"))?;
    let not_ours = |why| Err(WriteError::NotOurs { path: directory.to_owned(), why });
    if !found.is_dir() {
        return not_ours("it is no directory");
    }
    if found.uid() != nix::unistd::geteuid().as_raw() {
        return not_ours("it belongs to another user");
    }
    if found.mode() & 0o022 != 0 {
        return not_ours("others may write there");
    }
    Ok(())
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
