use std::{fmt::Debug, path::Path, sync::Arc};

use nix::errno::Errno;

/// What stands for the kernel in a tree of files: there a write is only text, where on a host it is a command
/// that somebody carries out.
pub trait Kernel: Debug + Send + Sync {
    /// Told of each write before it is done, with the path as the operator would type it. `None` if the file
    /// is to hold the text; else what the kernel says, and the file stays as it is.
    fn written(&self, path: &Path, text: &[u8]) -> Option<Result<(), Errno>>;

    /// Asked once for each file that is opened to be read, how that goes.
    fn how_read(&self, _path: &Path) -> HowRead {
        HowRead::Whole
    }
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HowRead {
    /// A read(2) gives as much as there is room for.
    #[default]
    Whole,
    /// It gives so many bytes at most, at least one.
    Pieces(usize),
    /// It fails, as with EIO.
    Fails(Errno),
}

/// Who answers writes below a root; nobody but the files themselves unless a test says so.
pub(crate) type Answering = Option<Arc<dyn Kernel>>;
