//! The file piece by piece, as long as it may be.
//!
//! A read(2) returns whole records, one for each memcg and node, as many as fit into a page (`seq_read_iter`,
//! fs/seq_file.c). Between two of them nothing is locked: the next one begins by counting as many records
//! from the top as were read already (`lru_gen_seq_start`, mm/vmscan.c). When a removed cgroup is freed in
//! between, it begins one memcg later, and since only the record of the first node has the path, nodes that
//! follow would be taken for those of the memcg before. So a memcg that was read in two pieces is *torn*: it
//! is read again, with pieces that begin elsewhere.

use std::{fs::File, io::Read, os::fd::OwnedFd};

use lowtide_kernfs::{Errno, Fault};

use crate::{Memcg, records::Records};

/// Larger than the buffer of the kernel, which is a page unless a single record is longer.
const PIECE: usize = 64 << 10;

/// Why a pass ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    Read(Errno),
    Malformed(Fault),
}

/// What one pass over the file found besides the memcgs it passed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) memcgs: usize,
    pub(crate) unreadable: usize,
}

/// Reads the file, the first piece only `first` bytes long, and passes each memcg on, and whether it is torn.
pub(crate) fn pass(
    file: OwnedFd,
    first: usize,
    visit: &mut dyn FnMut(Memcg, bool),
) -> Result<Passed, Failure> {
    let mut file = File::from(file);
    let mut buffer = vec![0; PIECE];
    let mut pieces = Pieces::new(visit);
    let mut length = first.min(PIECE);
    loop {
        match file.read(&mut buffer[..length]) {
            Ok(0) => return pieces.end().map_err(Failure::Malformed),
            Ok(count) => pieces.piece(&buffer[..count], length < PIECE).map_err(Failure::Malformed)?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Failure::Read(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)));
            }
        }
        length = PIECE;
    }
}

struct Pieces<'a> {
    records: Records,
    visit: &'a mut dyn FnMut(Memcg, bool),
    passed: Passed,
    /// The line that a piece broke off in.
    line: Vec<u8>,
    torn: bool,
    /// What was locked was let go: the next record may be of any memcg.
    loose: bool,
    /// The same, from the end of this line on.
    loose_after_line: bool,
}

impl<'a> Pieces<'a> {
    fn new(visit: &'a mut dyn FnMut(Memcg, bool)) -> Self {
        let (records, passed, line) = (Records::default(), Passed::default(), Vec::new());
        Self { records, visit, passed, line, torn: false, loose: false, loose_after_line: false }
    }

    /// `cut` says that it was ended by our buffer, within a record: the kernel keeps the rest of that record,
    /// and puts what it reads next behind it.
    fn piece(&mut self, bytes: &[u8], cut: bool) -> Result<(), Fault> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.pop_if(|byte| *byte == b'\n').is_some() {
                let line = std::mem::take(&mut self.line);
                self.take(&line)?;
                self.line = line;
                self.line.clear();
            }
        }
        self.loose |= self.line.is_empty();
        self.loose_after_line = cut && !self.line.is_empty();
        Ok(())
    }

    fn take(&mut self, line: &[u8]) -> Result<(), Fault> {
        let header = line.starts_with(b"memcg ");
        if !header && line.trim_ascii_start().starts_with(b"node ") && self.records.in_the_middle() {
            self.torn |= self.loose;
            self.loose = false;
        }
        let ended = match str::from_utf8(line) {
            Ok(line) => self.records.line(line)?,
            Err(_) if header => {
                self.passed.unreadable += 1;
                self.records.unreadable()?
            }
            Err(_) => self.records.line(&String::from_utf8_lossy(line))?,
        };
        if let Some(memcg) = ended {
            self.pass_on(memcg);
        }
        if header {
            (self.torn, self.loose) = (false, false);
        }
        self.loose |= std::mem::take(&mut self.loose_after_line);
        Ok(())
    }

    fn end(mut self) -> Result<Passed, Fault> {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.take(&line)?;
        }
        if let Some(memcg) = std::mem::take(&mut self.records).end()? {
            self.pass_on(memcg);
        }
        Ok(self.passed)
    }

    fn pass_on(&mut self, memcg: Memcg) {
        self.passed.memcgs += 1;
        (self.visit)(memcg, self.torn);
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
