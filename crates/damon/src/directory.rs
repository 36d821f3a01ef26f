use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use lowtide_kernfs::{Dir, Entries, Files, Result};

/// One directory of the tree, held open: of the kernel, or of the kernel's stand-in in tests, which makes and
/// removes directories as the kernel does.
pub(crate) trait Directory: fmt::Debug + Send + Sync {
    fn read(&self, path: &str) -> Result<String>;
    fn write(&self, path: &str, value: &str) -> Result<()>;
    fn subdir(&self, path: &str) -> Result<Arc<dyn Directory>>;
    fn entries(&self) -> Result<Entries>;
    fn inode(&self) -> Result<u64>;
    /// As the operator would type it.
    fn shown(&self, path: &str) -> PathBuf;
}

impl Directory for Dir {
    /// The kernel renders every file of the tree in one piece: that saves a read of thousands of regions
    /// each.
    fn read(&self, path: &str) -> Result<String> {
        match Files::read_record(self, path)? {
            Some(text) => Ok(text),
            // For the error that says so.
            None => Files::read(self, path),
        }
    }

    fn write(&self, path: &str, value: &str) -> Result<()> {
        Files::write(self, path, value)
    }

    fn subdir(&self, path: &str) -> Result<Arc<dyn Directory>> {
        Ok(Arc::new(Self::subdir(self, path)?))
    }

    fn entries(&self) -> Result<Entries> {
        Self::entries(self)
    }

    fn inode(&self) -> Result<u64> {
        Self::inode(self)
    }

    fn shown(&self, path: &str) -> PathBuf {
        Files::shown(self, Path::new(path))
    }
}
