//! A file of records that is read again after a crash: a checksum and JSON a line, and a first line that says
//! how many there are, so that neither what a failing disk made of one nor a file that was cut is taken for
//! true.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::durable;

/// The format that is written. Files without a first line of this kind are of before there was one, and are
/// read too.
const FORMAT: u32 = 1;

/// A file of records in the state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFile {
    /// Where it is.
    pub path: PathBuf,
    /// What people call it: `the journal of knobs`.
    pub what: &'static str,
    /// What is to be done if it is damaged, and what may be lost.
    pub remedy: &'static str,
}

/// Why a file of records cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// It cannot be read or written.
    #[error("{path}: cannot {operation} {what}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What people call it.
        what: &'static str,
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The disk has not taken it in time. It may still do so.
    #[error("{path}: {what} is still being written: the disk is slow or hangs")]
    Late {
        /// The file.
        path: PathBuf,
        /// What people call it.
        what: &'static str,
    },
    /// A line is not what was written.
    #[error("{path}:{line}: {what} is damaged: {remedy}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What people call it.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Whole lines are missing, or there are too many.
    #[error("{path}: {what} is damaged, {found} of {written} records are there: {remedy}")]
    Miscounted {
        /// The file.
        path: PathBuf,
        /// Records that are there.
        found: usize,
        /// Records that were written.
        written: usize,
        /// What people call it.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Another version wrote it.
    #[error(
        "{path}: {what} is of a newer lowtide (format {format}, this one knows {FORMAT}): run that version's `lowtide restore`, \
         then this one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// What people call it.
        what: &'static str,
        /// Its format.
        format: u32,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    records: usize,
}

/// The format alone, which every version has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl SealedFile {
    /// All records; none if there is no file.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>, SealedError> {
        let text = durable::read(&self.path).map_err(|failure| self.failed(failure))?;
        self.parse(&text)
    }

    /// Replaces the file; without records it is removed.
    pub fn write<T: Serialize>(&self, records: &[T]) -> Result<(), SealedError> {
        let written = if records.is_empty() {
            durable::remove(&self.path)
        } else {
            durable::replace(&self.path, text(records).as_bytes())
        };
        written.map_err(|failure| self.failed(failure))
    }

    fn parse<T: DeserializeOwned>(&self, text: &[u8]) -> Result<Vec<T>, SealedError> {
        let lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let written = lines.first().map_or(Ok(None), |first| self.written(first))?;
        let records = if written.is_some() { &lines[1..] } else { &lines[..] };
        let before = lines.len() - records.len();
        let record =
            |(index, line): (usize, &&[u8])| opened(line).ok_or_else(|| self.damaged(index + before + 1));
        let records: Vec<T> = records.iter().enumerate().map(record).collect::<Result<_, _>>()?;
        match written {
            Some(written) if written != records.len() => Err(self.miscounted(records.len(), written)),
            _ => Ok(records),
        }
    }

    /// How many records were written, as the first line says; `None` if the file is of before there was such
    /// a line.
    fn written(&self, first: &[u8]) -> Result<Option<usize>, SealedError> {
        match (opened::<Format>(first), opened::<Header>(first)) {
            (Some(Format { format }), _) if format > FORMAT => {
                Err(SealedError::Newer { path: self.path.clone(), what: self.what, format })
            }
            (_, header) => Ok(header.map(|header| header.records)),
        }
    }

    fn failed(&self, (operation, source): durable::Failure) -> SealedError {
        self.cannot(operation, source)
    }

    pub(crate) fn late(&self) -> SealedError {
        SealedError::Late { path: self.path.clone(), what: self.what }
    }

    pub(crate) fn cannot(&self, operation: &'static str, source: io::Error) -> SealedError {
        SealedError::Io { path: self.path.clone(), what: self.what, operation, source }
    }

    fn damaged(&self, line: usize) -> SealedError {
        SealedError::Damaged { path: self.path.clone(), line, what: self.what, remedy: self.remedy }
    }

    fn miscounted(&self, found: usize, written: usize) -> SealedError {
        let (what, remedy) = (self.what, self.remedy);
        SealedError::Miscounted { path: self.path.clone(), found, written, what, remedy }
    }

    /// The file of this name in a state directory.
    #[must_use]
    pub fn new(state_dir: &Path, name: &str, what: &'static str, remedy: &'static str) -> Self {
        Self { path: state_dir.join(name), what, remedy }
    }
}

fn text<T: Serialize>(records: &[T]) -> String {
    let header = line(&Header { format: FORMAT, records: records.len() });
    std::iter::once(header).chain(records.iter().map(line)).collect()
}

/// A record is made of strings, numbers and switches, so it has a JSON form.
fn line(record: &impl Serialize) -> String {
    let json = serde_json::to_string(record).unwrap_or_default();
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
}

/// What a whole line holds; `None` if it is damaged, or of another kind.
fn opened<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sum, json) = line.split_once(' ')?;
    // As it was written, and no other spelling of the same number.
    (sum == format!("{:08x}", crc32fast::hash(json.as_bytes()))).then(|| serde_json::from_str(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &tempfile::TempDir) -> SealedFile {
        SealedFile::new(directory.path(), "records", "the record", "look at it")
    }

    #[test]
    fn what_was_written_is_read_and_nothing_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(&directory);
        assert_eq!(file.read::<String>().unwrap(), Vec::<String>::new());
        file.write(&["one", "two"]).unwrap();
        assert_eq!(file.read::<String>().unwrap(), ["one", "two"]);
        file.write::<String>(&[]).unwrap();
        assert!(!file.path.exists());
    }

    /// Kind 8: also a file that was cut at a line's end, and lines that were lost or doubled.
    #[test]
    fn no_damage_goes_unseen() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(&directory);
        file.write(&["one", "two", "three"]).unwrap();
        let whole = std::fs::read(&file.path).unwrap();
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            assert!(file.parse::<String>(&damaged).is_err(), "byte {position}");
            let cut = file.parse::<String>(&whole[..position]);
            assert_eq!(cut.is_ok(), position == 0, "cut at {position}");
        }
        let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        for index in 1..lines.len() {
            let (mut doubled, mut lost) = (lines.clone(), lines.clone());
            doubled.insert(index, lines[index]);
            lost.remove(index);
            for damaged in [doubled, lost] {
                let error = file.parse::<String>(&damaged.concat()).unwrap_err().to_string();
                assert!(error.contains("of 3 records are there: look at it"), "{error}");
            }
        }
    }

    #[test]
    fn a_file_of_before_the_first_line_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let old = line(&"one") + &line(&"two");
        assert_eq!(file(&directory).parse::<String>(old.as_bytes()).unwrap(), ["one", "two"]);
    }

    #[test]
    fn a_newer_format_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let newer = line(&serde_json::json!({ "format": 2, "anything": "else" })) + &line(&"one");
        let error = file(&directory).parse::<String>(newer.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("format 2, this one knows 1"), "{error}");
    }
}
