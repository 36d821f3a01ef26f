use std::path::Path;

use lowtide_core::escape::escaped;
use lowtide_kernfs::shown;

/// Why the pod of a container is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No runtime that is known has a container of this ID.
    #[error(
        "{}: its pod is not known: there is no {id} in {looked}, where containerd, k3s, RKE2 and CRI-O keep what they run",
        escaped(cgroup)
    )]
    NotThere {
        /// The container's cgroup.
        cgroup: String,
        /// Its ID.
        id: String,
        /// The directories, with commas between them.
        looked: String,
    },
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] lowtide_kernfs::Error),
    /// The file holds something else.
    #[error("{}:{line}:{column}: this is no OCI runtime spec: {what}", shown(path))]
    NoSpec {
        /// The file.
        path: Box<Path>,
        /// Counted from one.
        line: usize,
        /// Counted from one.
        column: usize,
        /// How it is none.
        what: Broken,
    },
    /// The spec is of no container of a pod.
    #[error("{}: the annotation `{annotation}` is {how}: this is no container of a pod", shown(path))]
    NoPod {
        /// The file.
        path: Box<Path>,
        /// What every container of a pod has.
        annotation: &'static str,
        /// Not there, or not a name.
        how: &'static str,
    },
    /// The spec is of another cgroup.
    #[error(
        "{}: `linux.cgroupsPath` is `{found}`, which is not {}: its pod is not known",
        shown(path),
        escaped(cgroup)
    )]
    Elsewhere {
        /// The file.
        path: Box<Path>,
        /// What is written there, shortened and escaped.
        found: String,
        /// The container's cgroup.
        cgroup: String,
    },
}

/// How a text is no spec. No part of it is quoted: secrets are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// What it is read from failed.
    #[error("it cannot be read")]
    Unread,
    /// It is no JSON.
    #[error("no JSON")]
    Syntax,
    /// The runtime may be writing it.
    #[error("it ends too early")]
    Short,
    /// A part that is read is something else.
    #[error("what is read of it is no text, or is there twice")]
    Data,
}

impl Error {
    /// Whether it may be over as soon as the file is looked at again: the system had no descriptor for it, or
    /// the runtime is writing it.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::File(error) => error.errno().is_some(),
            Self::NoSpec { what, .. } => matches!(what, Broken::Unread | Broken::Short),
            Self::NotThere { .. } | Self::NoPod { .. } | Self::Elsewhere { .. } => false,
        }
    }
}

/// What is wrong with the text of a spec, without the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// See [`Error::File`].
    File(lowtide_kernfs::Error),
    /// See [`Error::NoSpec`].
    NoSpec {
        /// Counted from one.
        line: usize,
        /// Counted from one.
        column: usize,
        /// How it is none.
        what: Broken,
    },
    /// See [`Error::NoPod`].
    NoPod {
        /// What every container of a pod has.
        annotation: &'static str,
        /// Not there, or not a name.
        how: &'static str,
    },
    /// See [`Error::Elsewhere`].
    Elsewhere {
        /// What is written there, shortened and escaped.
        found: String,
    },
}

impl Fault {
    /// The error for such a text in the file at `path`.
    pub(crate) fn at(self, path: &Path, cgroup: &str) -> Error {
        let path = path.into();
        match self {
            Self::File(error) => Error::File(error),
            Self::NoSpec { line, column, what } => Error::NoSpec { path, line, column, what },
            Self::NoPod { annotation, how } => Error::NoPod { path, annotation, how },
            Self::Elsewhere { found } => Error::Elsewhere { path, found, cgroup: cgroup.to_owned() },
        }
    }
}
