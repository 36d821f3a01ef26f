use std::{
    cell::Cell,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd,
};

use crate::{Error, Fault, HowRead, Kernel, Operation, Reader, Result, error::Operation::Open};

/// No file that lowtide reads comes near this; /proc/zoneinfo of a machine with 512 CPUs is about 300 KiB.
pub const READ_LIMIT: usize = 4 << 20;

/// A list of the host is read line by line and may be longer: /proc/self/mountinfo of a container host has
/// many MiB. This is where it ends all the same.
pub const LIST_LIMIT: usize = 256 << 20;

/// No line of such a list is longer: it has two paths of 4 KiB, each byte of them escaped, and options of one
/// page.
pub const LINE_LIMIT: usize = 64 << 10;

/// Larger than any file of a single record that lowtide reads (memory.stat: 2.3 KiB on 7.3).
const CHUNK: usize = 8 << 10;

/// Reading and writing the files below a directory. Paths are relative to it; a leading `/` changes nothing.
pub trait Files {
    /// Opens a file below, without ever creating it.
    fn open(&self, path: &Path, flags: OFlag) -> Result<OwnedFd>;

    /// Who answers writes instead of the files.
    fn kernel(&self) -> Option<&dyn Kernel>;

    /// The path as the operator would type it.
    fn shown(&self, path: &Path) -> PathBuf;

    /// A file that is to be read.
    fn opened(&self, path: &Path) -> Result<Opened> {
        let file = self.open(path, OFlag::O_RDONLY)?;
        let how = self.kernel().map_or(HowRead::Whole, |kernel| kernel.how_read(&self.shown(path)));
        Ok(Opened { file, how })
    }

    /// The whole file.
    fn read(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        read_text(&self.opened(path)?, false).map_err(|e| e.at(&self.shown(path)))
    }

    /// The whole file, or `None` where there is none.
    fn read_optional(&self, path: impl AsRef<Path>) -> Result<Option<String>> {
        optional(self.read(path))
    }

    /// A file that may be longer than [`READ_LIMIT`], to be read piece by piece up to `limit` bytes, or
    /// `None` where there is none.
    fn reader(&self, path: impl AsRef<Path>, limit: usize) -> Result<Option<Reader>> {
        let path = path.as_ref();
        Ok(optional(self.opened(path))?.map(|file| Reader::new(file, self.shown(path), limit)))
    }

    /// A file that the kernel renders in one piece, or `None` where there is none.
    ///
    /// Such a file (every file of a cgroup but the lists, /proc/pressure/*, single sysfs values) comes whole
    /// in the first read(2) that has room for it: `seq_read_iter` returns less than was asked for only at the
    /// end of a record (fs/seq_file.c, 6.1 to 7.3). That saves the read that would only say "end of file": a
    /// quarter of all system calls of a tick.
    fn read_record(&self, path: impl AsRef<Path>) -> Result<Option<String>> {
        let path = path.as_ref();
        let Some(file) = optional(self.opened(path))? else { return Ok(None) };
        optional(read_text(&file, true).map_err(|e| e.at(&self.shown(path))))
    }

    /// The whole file, understood by `parser`.
    fn parse<T>(&self, path: impl AsRef<Path>, parser: impl FnOnce(&str) -> Result<T, Fault>) -> Result<T> {
        let path = path.as_ref();
        parser(&self.read(path)?).map_err(|fault| self.malformed(path, fault))
    }

    /// The whole file, understood by `parser`, or `None` where there is none.
    fn parse_optional<T>(
        &self,
        path: impl AsRef<Path>,
        parser: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Result<Option<T>> {
        optional(self.parse(path, parser))
    }

    /// A file that the kernel renders in one piece ([`Files::read_record`]), understood by `parser`. Nothing
    /// is allocated for a file that fits into one read: a turn has thousands of them.
    fn parse_record<T>(
        &self,
        path: impl AsRef<Path>,
        parser: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Result<Option<T>> {
        let path = path.as_ref();
        let Some(file) = optional(self.opened(path))? else { return Ok(None) };
        let understood = with_buffer(|buffer| {
            let length = read_bytes(&file, true, buffer)?;
            let bytes = &buffer[..length];
            let text = std::str::from_utf8(bytes).map_err(|e| Failure::Malformed(not_utf8(bytes, e)))?;
            parser(text).map_err(Failure::Malformed)
        });
        optional(understood.map_err(|e| e.at(&self.shown(path))))
    }

    /// A list of the host line by line, without the line breaks, as bytes: one line that is no text, or of no
    /// end, says nothing about the others. Returns how many were passed over because they are longer than
    /// [`LINE_LIMIT`].
    fn read_lines(&self, path: impl AsRef<Path>, mut take: impl FnMut(&[u8])) -> Result<usize> {
        let path = path.as_ref();
        let file = self.opened(path)?;
        lines(&file, &mut take).map_err(|e| e.at(&self.shown(path)))
    }

    /// Writes a file that exists, by a single write(2): for most kernel files a write is a command, and two
    /// halves of one are two commands. It is truncated first, as a shell does, so that a fixture holds the
    /// last write alone.
    fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<()> {
        let (path, bytes) = (path.as_ref(), bytes.as_ref());
        let file = self.open(path, OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_NONBLOCK)?;
        // That was for the opening alone (see `at_once`): newer kernels set a limit of a cgroup without
        // reclaim if the descriptor does not block (`memory_high_write`, mm/memcontrol.c).
        fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))
            .map_err(|errno| Failure::System(Operation::Write, errno).at(&self.shown(path)))?;
        self.write_to(&file, path, bytes)
    }

    /// A descriptor to read, write and poll without blocking, for pressure triggers.
    fn open_rw(&self, path: impl AsRef<Path>) -> Result<OwnedFd> {
        self.open(path.as_ref(), OFlag::O_RDWR | OFlag::O_NONBLOCK)
    }

    /// Writes once to a descriptor of [`Files::open_rw`]; `path` is for the error only.
    fn write_to(&self, file: impl AsFd, path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
        let shown = || self.shown(path.as_ref());
        let answer = self.kernel().and_then(|kernel| kernel.written(&shown(), bytes));
        let answer = answer.map(|answer| answer.map_err(|errno| Failure::System(Operation::Write, errno)));
        answer.unwrap_or_else(|| write_once(file, bytes)).map_err(|e| e.at(&shown()))
    }

    /// Whether there is such a file.
    fn exists(&self, path: impl AsRef<Path>) -> Result<bool> {
        Ok(optional(self.open(path.as_ref(), OFlag::O_PATH))?.is_some())
    }

    /// The error for a fault in the file at `path`.
    fn malformed(&self, path: impl AsRef<Path>, fault: Fault) -> Error {
        Error::Malformed { path: self.shown(path.as_ref()).into(), fault }
    }
}

/// The flags to open a file with: one that is to be read never waits for somebody to write it, as a FIFO in
/// the place of a file does. Files of the kernel take no notice.
pub(crate) fn at_once(flags: OFlag) -> OFlag {
    let is_read = flags & OFlag::O_ACCMODE == OFlag::O_RDONLY && !flags.contains(OFlag::O_PATH);
    let at_once = if is_read { OFlag::O_NONBLOCK } else { OFlag::empty() };
    flags | OFlag::O_CLOEXEC | at_once
}

/// Turns "no such file" into `None`.
pub(crate) fn optional<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error of an open(2).
pub(crate) fn open_error(path: PathBuf, errno: Errno) -> Error {
    Error::System { operation: Open, path: path.into(), errno }
}

/// An error that does not know its file yet, so that the path is built only when something failed.
pub(crate) enum Failure {
    System(Operation, Errno),
    TooLarge(usize),
    ShortWrite { written: usize, length: usize },
    Malformed(Fault),
}

impl Failure {
    pub(crate) fn at(self, path: &Path) -> Error {
        let path = path.into();
        match self {
            Self::System(operation, errno) => Error::System { operation, path, errno },
            Self::TooLarge(limit) => Error::TooLarge { path, limit },
            Self::ShortWrite { written, length } => Error::ShortWrite { path, written, length },
            Self::Malformed(fault) => Error::Malformed { path, fault },
        }
    }
}

/// A file that was opened to be read.
#[derive(Debug)]
pub struct Opened {
    file: OwnedFd,
    how: HowRead,
}

impl Opened {
    /// What read(2) gives, nothing at the end; again after a signal.
    pub(crate) fn read_some(&self, chunk: &mut [u8]) -> Result<usize, Failure> {
        let room = match self.how {
            HowRead::Whole => chunk.len(),
            HowRead::Pieces(most) => chunk.len().min(most.max(1)),
            HowRead::Fails(errno) => return Err(Failure::System(Operation::Read, errno)),
        };
        loop {
            match unistd::read(&self.file, &mut chunk[..room]) {
                Err(Errno::EINTR) => {}
                read => return read.map_err(|errno| Failure::System(Operation::Read, errno)),
            }
        }
    }
}

fn read_text(file: &Opened, in_one_piece: bool) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let length = read_bytes(file, in_one_piece, &mut bytes)?;
    bytes.truncate(length);
    String::from_utf8(bytes).map_err(|error| {
        let fault = not_utf8(error.as_bytes(), error.utf8_error());
        Failure::Malformed(fault)
    })
}

/// Puts the file at the beginning of `bytes`, whatever was there, and returns its length. They are not cut
/// off there: to fill them up again with zeros would cost more than the file.
fn read_bytes(file: &Opened, in_one_piece: bool, bytes: &mut Vec<u8>) -> Result<usize, Failure> {
    let mut length = 0;
    loop {
        if bytes.len() < length + CHUNK {
            bytes.resize(length + CHUNK, 0);
        }
        let count = file.read_some(&mut bytes[length..length + CHUNK])?;
        length += count;
        if length > READ_LIMIT {
            return Err(Failure::TooLarge(READ_LIMIT));
        }
        if count == 0 || (in_one_piece && count < CHUNK) {
            return Ok(length);
        }
    }
}

thread_local! {
    /// What files of one record are read into.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the thread's buffer. Who reads a second file meanwhile is given a new one.
fn with_buffer<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = BUFFER.take();
    let done = work(&mut buffer);
    // A file of many pages is rare, and its room is not kept.
    if buffer.len() <= 2 * CHUNK {
        BUFFER.set(buffer);
    }
    done
}

fn lines(file: &Opened, take: &mut dyn FnMut(&[u8])) -> Result<usize, Failure> {
    let (mut line, mut too_long, mut length) = (Vec::new(), 0, 0_usize);
    let mut chunk = vec![0; LINE_LIMIT];
    let mut end = |line: &mut Vec<u8>| {
        if line.len() > LINE_LIMIT {
            too_long += 1;
        } else {
            take(line);
        }
        line.clear();
    };
    loop {
        let count = file.read_some(&mut chunk)?;
        if count == 0 {
            break;
        }
        length += count;
        if length > LIST_LIMIT {
            return Err(Failure::TooLarge(LIST_LIMIT));
        }
        for part in chunk[..count].split_inclusive(|byte| *byte == b'\n') {
            // What is beyond the limit is not kept, only that there is more.
            let room = (LINE_LIMIT + 1).saturating_sub(line.len());
            let (text, ended) = part
                .split_last()
                .filter(|(last, _)| **last == b'\n')
                .map_or((part, false), |(_, text)| (text, true));
            line.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                end(&mut line);
            }
        }
    }
    if !line.is_empty() {
        end(&mut line);
    }
    Ok(too_long)
}

fn not_utf8(bytes: &[u8], error: std::str::Utf8Error) -> Fault {
    let (good, bad) = bytes.split_at(error.valid_up_to());
    let line = good.split(|byte| *byte == b'\n').count();
    let start = good.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let end = bad.iter().position(|byte| *byte == b'\n').unwrap_or(bad.len());
    let found = [&good[start..], &bad[..end]].concat();
    Fault::new(line, &String::from_utf8_lossy(&found), "UTF-8 text")
}

fn write_once(file: impl AsFd, bytes: &[u8]) -> Result<(), Failure> {
    match unistd::write(file, bytes) {
        Ok(written) if written == bytes.len() => Ok(()),
        Ok(written) => Err(Failure::ShortWrite { written, length: bytes.len() }),
        Err(errno) => Err(Failure::System(Operation::Write, errno)),
    }
}
