use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    Error,
    files::{Failure, Opened},
};

/// A file that is read piece by piece and never kept as a whole. The errors of its `read` hold an [`Error`].
#[derive(Debug)]
pub struct Reader {
    file: Opened,
    path: PathBuf,
    length: usize,
    limit: usize,
}

impl Reader {
    pub(crate) fn new(file: Opened, path: PathBuf, limit: usize) -> Self {
        Self { file, path, length: 0, limit }
    }

    /// So many bytes were read.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn error(&self, failure: Failure) -> io::Error {
        let error: Error = failure.at(&self.path);
        io::Error::other(error)
    }
}

impl io::Read for Reader {
    /// # Errors
    ///
    /// If read(2) fails, or if there is more than the limit.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_some(buffer).map_err(|failure| self.error(failure))?;
        self.length += count;
        if self.length > self.limit {
            return Err(self.error(Failure::TooLarge(self.limit)));
        }
        Ok(count)
    }
}
