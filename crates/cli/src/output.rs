//! Standard output and standard error. Either may be a pipe that was closed, or a file on a full disk: no
//! reason to panic, as the macros of the standard library do, but what was lost shows in the exit status.

use std::{
    io::{self, Write},
    path::Path,
};

/// `EX_IOERR` of sysexits.h: what was to be said did not get out.
pub(crate) const LOST: u8 = 74;

/// Output did not get where it was to go.
#[derive(Debug)]
pub(crate) struct Lost(io::Error);

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot write the output: {}", self.0)
    }
}

impl std::error::Error for Lost {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl Lost {
    /// Whoever read it went away, as in `lowtide status | head`: nobody is there to be told.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Writes `text` to standard output, with one line break at its end.
pub(crate) fn print(text: &str) -> Result<(), Lost> {
    write(io::stdout().lock(), text).map_err(Lost)
}

/// Writes `text` to a file, in place of what it held.
pub(crate) fn save(file: &Path, text: &str) -> Result<(), Lost> {
    std::fs::write(file, text)
        .map_err(|error| Lost(io::Error::new(error.kind(), format!("{}: {error}", file.display()))))
}

/// Writes `text` to standard error, with one line break at its end.
pub(crate) fn complain(text: &str) -> Result<(), Lost> {
    write(io::stderr().lock(), text).map_err(Lost)
}

/// How many characters fit a line of standard output: `COLUMNS`, else what the terminal says; `None` where
/// there is none.
pub(crate) fn width() -> Option<usize> {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0.into());
    told.or_else(terminal).filter(|width| *width > 0)
}

fn write(mut to: impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.trim_end().as_bytes())?;
    to.write_all(b"\n")?;
    to.flush()
}
