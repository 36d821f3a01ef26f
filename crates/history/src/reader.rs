//! Everybody else's end: whatever is on the disk, minute by minute.

use std::{
    fs::OpenOptions,
    io::{self, Read},
    ops::RangeInclusive,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nix::fcntl::OFlag;

use crate::{
    encode::{self, Undecodable},
    frame::{Found, frames},
    names::Known,
    record::Minute,
    segment::{self, HEADER, Segment},
};

/// What could not be read, and was passed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct PassedOver {
    /// Records at the end of a segment that are cut: a crash of the host, a full disk, or a write that is
    /// under way.
    pub cut: u64,
    /// Records, or what is left of them, whose checksum is wrong.
    pub wrong: u64,
    /// Records with names that a lost one had brought.
    pub nameless: u64,
    /// Segments of another version of the format.
    pub foreign: u64,
}

/// Why there is nothing to be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No daemon has written any.
    #[error(
        "{0}: there is no history: no daemon has kept one in this state directory, or `history.enabled` is false"
    )]
    Nothing(PathBuf),
    /// The system said so.
    #[error("{path}: cannot read it: {source}{}", remedy(source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied { "; run as root" } else { "" }
}

/// Gives every minute that ended within `range`, in seconds since 1970, to `each`, in the order in which they
/// were written.
///
/// A daemon may go on writing there. What is cut or wrong is passed over and counted.
pub fn read(
    directory: &Path,
    range: RangeInclusive<u64>,
    mut each: impl FnMut(Minute),
) -> Result<PassedOver, ReadError> {
    let segments = segment::list(directory).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Nothing(directory.to_owned()),
        _ => ReadError::Io { path: directory.to_owned(), source },
    })?;
    let mut passed_over = PassedOver::default();
    for segment in segments {
        let path = segment.path(directory);
        match contents(&path, &segment) {
            Ok(bytes) => read_segment(&bytes, &mut passed_over, |minute| {
                if range.contains(&minute.end) {
                    each(minute);
                }
            }),
            // The daemon has deleted it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ReadError::Io { path, source }),
        }
    }
    Ok(passed_over)
}

/// No further than it was when it was listed.
fn contents(path: &Path, segment: &Segment) -> io::Result<Vec<u8>> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let mut bytes = Vec::new();
    file.take(segment.size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The minutes of one segment. Pure.
fn read_segment(bytes: &[u8], passed_over: &mut PassedOver, mut each: impl FnMut(Minute)) {
    let Some(records) = bytes.strip_prefix(HEADER) else {
        // Its header was being written.
        let count = if HEADER.starts_with(bytes) { &mut passed_over.cut } else { &mut passed_over.foreign };
        *count += 1;
        return;
    };
    let mut known = Known::default();
    for found in frames(records) {
        match found {
            Found::Payload(payload) => match encode::minute(payload, &mut known) {
                Ok(minute) => each(minute),
                Err(Undecodable::Wrong) => passed_over.wrong += 1,
                Err(Undecodable::Nameless) => passed_over.nameless += 1,
            },
            Found::Wrong => passed_over.wrong += 1,
            Found::Cut => passed_over.cut += 1,
        }
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
