use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::Mode,
};

use crate::{
    Dir, Files, Kernel, Result,
    dir::pieces,
    files::{at_once, open_error},
    kernel::Answering,
};

/// The directory that stands for `/`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Root {
    handle: Arc<OwnedFd>,
    path: Arc<Path>,
    kernel: Answering,
}

impl Root {
    /// The directory at `path`: `/`, or the top of a tree of fixtures.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let handle = open(path, flags, Mode::empty()).map_err(|errno| open_error(path.into(), errno))?;
        Ok(Self { handle: Arc::new(handle), path: path.into(), kernel: None })
    }

    /// The same tree, in which `kernel` answers what is written.
    #[must_use]
    pub fn answered_by(self, kernel: Arc<dyn Kernel>) -> Self {
        Self { kernel: Some(kernel), ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this is the running system and not a tree of fixtures.
    #[must_use]
    pub fn is_host(&self) -> bool {
        *self.path == *Path::new("/")
    }

    /// A directory below, held open, however long its path is ([`Dir::subdir`]).
    pub fn dir(&self, path: impl AsRef<Path>) -> Result<Dir> {
        let mut pieces = pieces(path.as_ref()).into_iter();
        let first = pieces.next().unwrap_or_default();
        let handle = Files::open(self, &first, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        pieces.try_fold(Dir::new(handle, self.shown(&first), self.kernel.clone()), |dir, piece| {
            dir.subdir(piece)
        })
    }
}

impl Files for Root {
    /// Symbolic links are followed as if the root were the root of everything (`RESOLVE_IN_ROOT`), so that
    /// the absolute links of a fixture tree cannot lead out of it; magic links (`/proc/PID/fd/N`) are not
    /// followed.
    fn open(&self, path: &Path, flags: OFlag) -> Result<OwnedFd> {
        /// With `..` in a link (as in every one of /sys/block) openat2 answers EAGAIN when anything on the
        /// machine was renamed meanwhile (fs/namei.c, `handle_dots`).
        const ATTEMPTS: usize = 16;
        let how = OpenHow::new()
            .flags(at_once(flags))
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let mut result = openat2(&self.handle, path, how);
        for _ in 1..ATTEMPTS {
            if result.as_ref().err() != Some(&Errno::EAGAIN) {
                break;
            }
            result = openat2(&self.handle, path, how);
        }
        result.map_err(|errno| open_error(self.shown(path), errno))
    }

    fn kernel(&self) -> Option<&dyn Kernel> {
        self.kernel.as_deref()
    }

    fn shown(&self, path: &Path) -> PathBuf {
        self.path.join(path.strip_prefix("/").unwrap_or(path))
    }
}
