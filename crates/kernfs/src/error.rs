use std::{fmt, os::unix::ffi::OsStrExt, path::Path};

use lowtide_core::escape::escaped_bytes;
use nix::errno::Errno;

/// A path as it can be shown on a terminal: a tenant may have named parts of it.
#[must_use]
pub fn shown(path: &Path) -> String {
    escaped_bytes(path.as_os_str().as_bytes())
}

/// What the kernel crates return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was being done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Opening it.
    Open,
    /// Reading it.
    Read,
    /// Writing it.
    Write,
    /// Listing a directory.
    List,
    /// Asking for its inode or its file system.
    Stat,
    /// Reading one of its extended attributes.
    Attribute,
    /// Swapping on it.
    SwapOn,
    /// Swapping off.
    SwapOff,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::List => "list",
            Self::Stat => "stat",
            Self::Attribute => "read an extended attribute of",
            Self::SwapOn => "swap on",
            Self::SwapOff => "swap off",
        })
    }
}

/// A kernel file that could not be read or written, or that holds something else than expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {operation} {}: {} ({errno:?})", shown(path), errno.desc())]
    System {
        /// The call.
        operation: Operation,
        /// The file, from the real root directory.
        path: Box<Path>,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The file is longer than any file of its kind can be.
    #[error("{} is longer than {limit} bytes", shown(path))]
    TooLarge {
        /// The file.
        path: Box<Path>,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The kernel took only a part of what was written.
    #[error("cannot write {}: only {written} of {length} bytes were taken", shown(path))]
    ShortWrite {
        /// The file.
        path: Box<Path>,
        /// Bytes taken.
        written: usize,
        /// Bytes given.
        length: usize,
    },
    /// The file holds something else than expected.
    #[error("{}:{}: `{}` is not {}", shown(path), fault.line, fault.found, fault.expected)]
    Malformed {
        /// The file.
        path: Box<Path>,
        /// Where in it, and what.
        fault: Fault,
    },
}

impl Error {
    /// The kernel's answer, if a system call failed.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::System { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    /// The file, from the real root directory.
    #[must_use]
    pub const fn path(&self) -> &Path {
        match self {
            Self::System { path, .. }
            | Self::TooLarge { path, .. }
            | Self::ShortWrite { path, .. }
            | Self::Malformed { path, .. } => path,
        }
    }

    /// There is no such file: this kernel does not have it, or its directory is gone.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.errno() == Some(Errno::ENOENT)
    }

    /// The object vanished between two system calls. An open file of a removed cgroup answers ENODEV
    /// (fs/kernfs/file.c, `kernfs_get_active`), a name in its directory ENOENT.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.errno(), Some(Errno::ENOENT | Errno::ENODEV))
    }
}

/// What is wrong in a text, and on which line; [`Error::Malformed`] adds the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{found}` is not {expected}")]
pub struct Fault {
    /// The line, counted from one.
    pub line: usize,
    /// What stood there, shortened and printable.
    pub found: String,
    /// What should have stood there.
    pub expected: &'static str,
}

impl Fault {
    /// A fault at `line`, counted from one.
    #[must_use]
    pub fn new(line: usize, found: &str, expected: &'static str) -> Self {
        const SHOWN: usize = 48;
        let mut shown: String = found.chars().take(SHOWN).flat_map(char::escape_debug).collect();
        if found.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        Self { line, found: shown, expected }
    }

    /// A fault of the text as a whole, such as a line that is not there.
    #[must_use]
    pub fn whole(text: &str, expected: &'static str) -> Self {
        Self::new(1, text.lines().next().unwrap_or_default(), expected)
    }
}
