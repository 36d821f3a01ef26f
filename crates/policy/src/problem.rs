use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

/// What is wrong with a file: where, what was found, what to do.
///
/// Printed as compilers do, so that editors can jump to it:
///
/// ```text
/// lowtide.yaml:1:11: error: `interval`: `90m` is more than 10m
///   |
/// 1 | interval: 90m
///   |           ^^^
/// help: `interval` is a time from 1s to 10m, such as 6s
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Error, or a warning that `--deny-warnings` makes one.
    pub severity: Severity,
    /// The file it is about.
    pub file: PathBuf,
    /// The place in the file; `None` if it is about the file as a whole.
    pub place: Option<Place>,
    /// What was found.
    pub message: String,
    /// The other place, where two do not go together.
    pub related: Option<Related>,
    /// What is allowed, and what to do.
    pub help: String,
}

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is not used.
    Error,
    /// It is used, but is probably not what was meant.
    Warning,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The line, made printable; of a very long line, the part around the column.
    pub text: String,
    /// Which characters of `text` are meant.
    pub marked: Range<usize>,
}

/// A second place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// What is there.
    pub message: String,
    /// The file.
    pub file: PathBuf,
    /// The place in it.
    pub place: Place,
}

impl Problem {
    /// An error about a file as a whole.
    pub(crate) fn file(file: &Path, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            place: None,
            message: message.into(),
            related: None,
            help: help.into(),
        }
    }

    /// The same as an error, for `--deny-warnings`.
    #[must_use]
    pub fn denied(self) -> Self {
        Self { severity: Severity::Error, ..self }
    }

    pub(crate) fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    pub(crate) fn related(self, related: Related) -> Self {
        Self { related: Some(related), ..self }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_position(f, &self.file, self.place.as_ref())?;
        writeln!(f, "{}: {}", self.severity, self.message)?;
        if let Some(place) = &self.place {
            writeln!(f, "{place}")?;
        }
        if let Some(related) = &self.related {
            write_position(f, &related.file, Some(&related.place))?;
            writeln!(f, "note: {}\n{}", related.message, related.place)?;
        }
        write!(f, "help: {}", self.help)
    }
}

fn write_position(f: &mut fmt::Formatter<'_>, file: &Path, place: Option<&Place>) -> fmt::Result {
    write!(f, "{}:", file.display())?;
    if let Some(place) = place {
        write!(f, "{}:{}:", place.line, place.column)?;
    }
    f.write_str(" ")
}

impl fmt::Display for Place {
    /// The line with its number, and carets under what is meant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = number.len();
        let carets = "^".repeat(self.marked.len().max(1));
        writeln!(f, "{:margin$} |", "")?;
        writeln!(f, "{number} | {}", self.text)?;
        write!(f, "{:margin$} | {:indent$}{carets}", "", "", indent = self.marked.start)
    }
}

/// Everything that is wrong, in the order of the files and of the places in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn new(list: Vec<Problem>) -> Self {
        Self(list)
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one, or there would be no error")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}
