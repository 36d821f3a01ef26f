use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use lowtide_core::escape::escaped_bytes;
use nix::{
    dir::Type,
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2},
    sys::stat::fstat,
};

use crate::{
    Error, Files, Kernel, Operation, Result,
    files::{at_once, open_error},
    kernel::Answering,
};

/// One directory, held open: it stays the same directory, whatever takes its name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Dir {
    handle: Arc<OwnedFd>,
    path: Arc<Path>,
    kernel: Answering,
}

/// What stands in a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// Names of the directories, sorted.
    pub directories: Vec<String>,
    /// Names of everything else, sorted.
    pub files: Vec<String>,
    /// How many names are no UTF-8; they are left out.
    pub unreadable: usize,
    /// One of them, as it can be shown.
    pub example: Option<String>,
    /// The listing was ended before there was nothing more in it.
    pub more: bool,
}

/// What an extended attribute holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// These bytes.
    Value(Vec<u8>),
    /// More than were asked for.
    Longer,
}

impl Dir {
    pub(crate) fn new(handle: OwnedFd, path: PathBuf, kernel: Answering) -> Self {
        Self { handle: Arc::new(handle), path: path.into(), kernel }
    }

    /// Where it was when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its inode. In a cgroup file system on 64 bits an inode is never used again (fs/kernfs/dir.c:
    /// `kernfs_ino` is a 64-bit id with a generation).
    pub fn inode(&self) -> Result<u64> {
        Ok(self.stat()?.st_ino)
    }

    /// Its inode, and how many directories stand in it where the file system says so: kernfs, tmpfs and ext4
    /// count them in the link count (`subdirs + 2`, fs/kernfs/inode.c `kernfs_refresh_inode`); overlayfs and
    /// btrfs do not.
    #[allow(clippy::useless_conversion, reason = "st_nlink has 32 bits on some architectures")]
    pub fn inode_and_subdirs(&self) -> Result<(u64, Option<u64>)> {
        let stat = self.stat()?;
        Ok((stat.st_ino, u64::from(stat.st_nlink).checked_sub(2)))
    }

    /// What stat(2) calls its size. That of /proc/PID/fd is how many descriptors are open, since 6.2
    /// (fs/proc/fd.c, `proc_fd_getattr`); before it is nothing.
    pub fn size(&self) -> Result<u64> {
        Ok(u64::try_from(self.stat()?.st_size).unwrap_or_default())
    }

    /// A directory below, held open, however long its path is: the kernel takes no more than 4095 bytes at a
    /// time (PATH_MAX), and a walk that goes from one directory to the next gets further than that.
    pub fn subdir(&self, name: impl AsRef<Path>) -> Result<Self> {
        let mut pieces = pieces(name.as_ref()).into_iter();
        let first = self.piece(&pieces.next().unwrap_or_default())?;
        pieces.try_fold(first, |dir, piece| dir.piece(&piece))
    }

    fn piece(&self, name: &Path) -> Result<Self> {
        let handle = self.open(name, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        Ok(Self::new(handle, self.shown(name), self.kernel.clone()))
    }

    /// What stands in it.
    pub fn entries(&self) -> Result<Entries> {
        self.entries_within(usize::MAX)
    }

    /// What stands in it, until the kernel has listed `most` directories and names that are no text, and
    /// comes to another: who makes them decides how many there are.
    pub fn entries_within(&self, most: usize) -> Result<Entries> {
        let list =
            |errno| Error::System { operation: Operation::List, path: self.path.as_ref().into(), errno };
        let handle = self.open(Path::new("."), OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let mut entries = Entries::default();
        for entry in nix::dir::Dir::from_fd(handle).map_err(list)?.iter() {
            let entry = entry.map_err(list)?;
            let name = entry.file_name();
            let is_full = entries.directories.len() + entries.unreadable >= most;
            match name.to_str() {
                Ok("." | "..") => {}
                Ok(name) if self.is_directory(name, entry.file_type()) => {
                    if is_full {
                        entries.more = true;
                        break;
                    }
                    entries.directories.push(name.to_owned());
                }
                Ok(name) => entries.files.push(name.to_owned()),
                Err(_) => {
                    if is_full {
                        entries.more = true;
                        break;
                    }
                    entries.unreadable += 1;
                    entries.example.get_or_insert_with(|| escaped_bytes(name.to_bytes()));
                }
            }
        }
        entries.directories.sort_unstable();
        entries.files.sort_unstable();
        Ok(entries)
    }

    /// An extended attribute of it, at most `most` bytes long; `None` if it has none of that name, or if the
    /// file system has no extended attributes.
    ///
    /// A cgroup has those that begin with `user.` since 5.7 (fs/kernfs/inode.c, `kernfs_vfs_user_xattr_set`),
    /// for whoever may write to its directory (fs/xattr.c, `xattr_permission`). They live as long as the
    /// cgroup. kernfs does not set the directory's ctime for it.
    pub fn attribute(&self, name: &str, most: usize) -> Result<Option<Attribute>> {
        // The kernel answers EBADF to a handle that was opened with O_PATH.
        let handle = self.open(Path::new("."), OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let mut value = vec![0; most];
        match rustix::fs::fgetxattr(&handle, name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                Ok(Some(Attribute::Value(value)))
            }
            Err(rustix::io::Errno::RANGE) => Ok(Some(Attribute::Longer)),
            Err(rustix::io::Errno::NODATA | rustix::io::Errno::OPNOTSUPP) => Ok(None),
            Err(errno) => Err(Error::System {
                operation: Operation::Attribute,
                path: self.path.as_ref().into(),
                errno: Errno::from_raw(errno.raw_os_error()),
            }),
        }
    }

    /// The handle, for calls such as fstatfs(2).
    #[must_use]
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Some file systems do not say in the listing what an entry is.
    fn is_directory(&self, name: &str, kind: Option<Type>) -> bool {
        match kind {
            Some(kind) => kind == Type::Directory,
            None => self.open(Path::new(name), OFlag::O_PATH | OFlag::O_DIRECTORY).is_ok(),
        }
    }

    fn stat(&self) -> Result<nix::sys::stat::FileStat> {
        fstat(&*self.handle).map_err(|errno| Error::System {
            operation: Operation::Stat,
            path: self.path.as_ref().into(),
            errno,
        })
    }
}

/// A path in pieces that the kernel takes; nearly always one.
pub(crate) fn pieces(path: &Path) -> Vec<PathBuf> {
    /// A name of 255 bytes more is less than PATH_MAX.
    const LONGEST: usize = 3 << 10;
    if path.as_os_str().len() <= LONGEST {
        return vec![path.into()];
    }
    let mut pieces = vec![PathBuf::new()];
    for component in path.components() {
        match pieces.last_mut() {
            Some(last) if last.as_os_str().len() <= LONGEST => last.push(component),
            _ => pieces.push(AsRef::<Path>::as_ref(&component).to_owned()),
        }
    }
    pieces
}

impl Files for Dir {
    /// No symbolic link is followed and nothing above the directory can be reached: there are none in a
    /// cgroup.
    fn open(&self, path: &Path, flags: OFlag) -> Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(at_once(flags))
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let relative = path.strip_prefix("/").unwrap_or(path);
        openat2(&self.handle, relative, how).map_err(|errno| open_error(self.shown(path), errno))
    }

    fn kernel(&self) -> Option<&dyn Kernel> {
        self.kernel.as_deref()
    }

    fn shown(&self, path: &Path) -> PathBuf {
        let relative = path.strip_prefix("/").unwrap_or(path);
        if relative == Path::new(".") { self.path.to_path_buf() } else { self.path.join(relative) }
    }
}
