use std::{
    fmt,
    fs::File,
    io::{self, Seek},
    os::{fd::OwnedFd, unix::fs::FileExt},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::stat::{SFlag, fstat, major, minor},
    unistd::{SysconfVar, sysconf},
};

use crate::{Error, Files, Operation, Result, Root, files::optional};

/// A block device's number, whatever paths lead to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceNumber {
    /// The driver.
    pub major: u64,
    /// Which of the driver's.
    pub minor: u64,
}

impl fmt::Display for DeviceNumber {
    /// As in /sys/dev/block.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// A block device.
    Block(DeviceNumber),
    /// A regular file.
    File(FileId),
    /// Something that cannot be swapped on.
    Other,
}

/// A file, whatever names lead to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device of its file system.
    pub device: u64,
    /// Its inode there.
    pub inode: u64,
}

/// Bytes of a page: 4 KiB, but on some architectures 16 or 64 KiB.
#[must_use]
pub fn page_size() -> usize {
    // Every Linux answers it (man 3 sysconf).
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(4096)
}

impl Root {
    /// What `path` leads to, or `None` if there is nothing.
    pub fn node(&self, path: impl AsRef<Path>) -> Result<Option<Node>> {
        let path = path.as_ref();
        let Some(handle) = optional(self.open(path, OFlag::O_PATH))? else { return Ok(None) };
        let found = fstat(&handle).map_err(|errno| self.failed(Operation::Stat, path, errno))?;
        Ok(Some(match SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFBLK => {
                Node::Block(DeviceNumber { major: major(found.st_rdev), minor: minor(found.st_rdev) })
            }
            SFlag::S_IFREG => Node::File(FileId { device: found.st_dev, inode: found.st_ino }),
            _ => Node::Other,
        }))
    }

    /// Whether a block device belongs to somebody: it is mounted, swapped on, or part of something such as
    /// RAID, LVM or a zram device; a disk also if one of its partitions is. Opens it exclusively for a moment
    /// (`bd_prepare_to_claim`, block/bdev.c).
    pub fn is_claimed(&self, path: impl AsRef<Path>) -> Result<bool> {
        match self.open(path.as_ref(), OFlag::O_RDONLY | OFlag::O_EXCL) {
            Ok(_) => Ok(false),
            Err(error) if error.errno() == Some(Errno::EBUSY) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The first `length` bytes of a device or file; fewer if it has fewer.
    pub fn read_start(&self, path: impl AsRef<Path>, length: usize) -> Result<Vec<u8>> {
        let path = path.as_ref();
        let file = File::from(self.open(path, OFlag::O_RDONLY)?);
        let mut bytes = vec![0; length];
        let mut done = 0;
        while done < length {
            match file.read_at(&mut bytes[done..], done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(Operation::Read, path, errno(&error))),
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    /// Writes the start of a block device that belongs to nobody, and waits until it is there.
    pub fn write_start(&self, path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
        let path = path.as_ref();
        let handle: OwnedFd = self.open(path, OFlag::O_WRONLY | OFlag::O_EXCL)?;
        let file = File::from(handle);
        let written = file.write_all_at(bytes, 0).and_then(|()| file.sync_all());
        written.map_err(|error| self.failed(Operation::Write, path, errno(&error)))
    }

    /// The last whole page of a device or file; nothing if it has none.
    pub fn read_last_page(&self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        let path = path.as_ref();
        let mut file = File::from(self.open(path, OFlag::O_RDONLY)?);
        let page = last_page(&mut file).and_then(|place| {
            let Some(place) = place else { return Ok(Vec::new()) };
            let mut page = vec![0; page_size()];
            file.read_exact_at(&mut page, place).map(|()| page)
        });
        page.map_err(|error| self.failed(Operation::Read, path, errno(&error)))
    }

    /// Writes the last whole page of a device that nobody has; fails if there is none.
    pub fn write_last_page(&self, path: impl AsRef<Path>, page: &[u8]) -> Result<()> {
        let path = path.as_ref();
        let mut file = File::from(self.open(path, OFlag::O_WRONLY | OFlag::O_EXCL)?);
        let written = last_page(&mut file).and_then(|place| {
            let place = place.ok_or(io::ErrorKind::InvalidInput)?;
            file.write_all_at(page, place).and_then(|()| file.sync_all())
        });
        written.map_err(|error| self.failed(Operation::Write, path, errno(&error)))
    }

    fn failed(&self, operation: Operation, path: &Path, errno: Errno) -> Error {
        Error::System { operation, path: self.shown(path).into(), errno }
    }
}

/// Where it begins. The size of a block device is known by seeking to its end only.
fn last_page(file: &mut File) -> io::Result<Option<u64>> {
    let page = page_size() as u64;
    let pages = file.seek(io::SeekFrom::End(0))? / page;
    Ok(pages.checked_sub(1).map(|last| last * page))
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_told_apart() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("file"), "swap").unwrap();
        let root = Root::open(tree.path()).unwrap();
        std::os::unix::fs::symlink("/file", tree.path().join("link")).unwrap();
        let file = root.node("/file").unwrap();
        assert!(matches!(file, Some(Node::File(_))) && root.node("/link").unwrap() == file);
        assert_eq!(root.node("/").unwrap(), Some(Node::Other));
        assert_eq!(root.node("/missing").unwrap(), None);
        assert_eq!(root.read_start("/file", 2).unwrap(), b"sw");
        assert_eq!(root.read_start("/file", 20).unwrap(), b"swap");
        assert!(root.read_start("/missing", 1).unwrap_err().is_missing());
        assert_eq!(root.read_last_page("/file").unwrap(), b"");
        assert!(root.write_last_page("/file", &[1]).is_err());
        let pages = [vec![1; page_size()], vec![2; page_size()], vec![3; 7]].concat();
        std::fs::write(tree.path().join("file"), pages).unwrap();
        assert_eq!(root.read_last_page("/file").unwrap(), vec![2; page_size()]);
        root.write_last_page("/file", &vec![4; page_size()]).unwrap();
        let written = std::fs::read(tree.path().join("file")).unwrap();
        assert_eq!(written, [vec![1; page_size()], vec![4; page_size()], vec![3; 7]].concat());
    }

    #[test]
    fn a_page_is_a_power_of_two() {
        assert!(page_size() >= 4096 && page_size().is_power_of_two());
    }
}
