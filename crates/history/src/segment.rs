//! Segments: files of the history's directory, named by their number and by when they were begun.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lowtide_core::Bytes;

/// What a segment begins with: what it is, and the version of the format.
pub(crate) const HEADER: &[u8] = b"lowtide history 1\n";

const ENDING: &str = ".segment";

/// What a file takes on the disk, at the least.
const BLOCK: u64 = 4096;

/// A segment that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Counts up.
    pub(crate) number: u64,
    /// Seconds since 1970 at which its first record was written, by the system's clock.
    pub(crate) begun: u64,
    /// Bytes in it.
    pub(crate) size: u64,
}

impl Segment {
    /// Its file.
    pub(crate) fn path(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{:010}-{}{ENDING}", self.number, self.begun))
    }

    /// What it takes on the disk.
    pub(crate) fn on_disk(&self) -> Bytes {
        on_disk(self.size)
    }
}

/// What a file of `size` bytes takes on the disk.
pub(crate) fn on_disk(size: u64) -> Bytes {
    Bytes::new(size.div_ceil(BLOCK).max(1) * BLOCK)
}

/// The segments in `directory`, the oldest first. Other files are nobody's business.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Some((number, begun)) = entry.file_name().to_str().and_then(parse) else { continue };
        // One that went meanwhile was the oldest.
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => {
                found.push(Segment { number, begun, size: metadata.len() });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_unstable_by_key(|segment| segment.number);
    Ok(found)
}

fn parse(name: &str) -> Option<(u64, u64)> {
    let (number, begun) = name.strip_suffix(ENDING)?.split_once('-')?;
    Some((number.parse().ok()?, begun.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_in_their_order_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["0000000010-5.segment", "0000000009-7.segment", "notes", "x-1.segment", "1-2.segmen"] {
            fs::write(directory.path().join(name), "four").unwrap();
        }
        fs::create_dir(directory.path().join("0000000011-5.segment")).unwrap();
        let found = list(directory.path()).unwrap();
        assert_eq!(
            found.iter().map(|segment| (segment.number, segment.begun)).collect::<Vec<_>>(),
            [(9, 7), (10, 5)]
        );
        assert!(found.iter().all(|segment| segment.path(directory.path()).is_file() && segment.size == 4));
        assert_eq!(found[0].on_disk(), Bytes::kib(4));
    }
}
