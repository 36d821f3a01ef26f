use std::{ffi::OsString, os::fd::AsRawFd};

use nix::{
    errno::Errno,
    sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor},
};

use crate::Dir;

/// Tells which files of some directories were written since it was last asked (inotify).
///
/// A file of kernfs that a process writes is told like any other (`vfs_write`, fs/read_write.c:
/// `fsnotify_modify`). What the kernel changes by itself is told only of its files of events (cgroup.events,
/// memory.events and their kin), and of those only while somebody has them in the cache of inodes
/// (`kernfs_notify_workfn`, fs/kernfs/file.c): that one of them is not told says nothing.
#[derive(Debug)]
pub struct Writes {
    inotify: Inotify,
}

/// One of the directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WatchedDir(WatchDescriptor);

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The file of this name was written, or another one took its name.
    Written(WatchedDir, OsString),
    /// The directory is gone, and its place with it.
    Gone(WatchedDir),
}

/// So many times the kernel is asked for more, of at least 128 each: all that it keeps unless somebody has
/// raised fs.inotify.max_queued_events (16384, fs/notify/inotify/inotify_user.c). Nobody who goes on writing
/// keeps the caller here for ever.
const MOST: usize = 160;

impl Writes {
    /// Of no directory yet. Fails where the user has as many of these as fs.inotify.max_user_instances
    /// allows.
    pub fn new() -> Result<Self, Errno> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        Ok(Self { inotify })
    }

    /// From now on a directory's files too. Fails where the user has as many as fs.inotify.max_user_watches
    /// allows.
    pub fn watch(&self, dir: &Dir) -> Result<WatchedDir, Errno> {
        let events = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE;
        // The directory that is held, whatever took its name: inotify takes no descriptor.
        let path = format!("/proc/self/fd/{}", dir.handle().as_raw_fd());
        self.inotify.add_watch(path.as_str(), events | AddWatchFlags::IN_ONLYDIR).map(WatchedDir)
    }

    /// No more of this one.
    pub fn forget(&self, place: WatchedDir) {
        // It fails for one that is gone already.
        let _ = self.inotify.rm_watch(place.0);
    }

    /// What was told since the last time; `None` if there was more than the kernel keeps, or than is read
    /// here: anything may have been written then.
    #[must_use]
    pub fn take(&self) -> Option<Vec<Told>> {
        let mut all = Vec::new();
        for _ in 0..MOST {
            match self.inotify.read_events() {
                Ok(events) => {
                    for event in events {
                        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                            return None;
                        }
                        let place = WatchedDir(event.wd);
                        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                            all.push(Told::Gone(place));
                        }
                        all.extend(event.name.map(|name| Told::Written(place, name)));
                    }
                }
                Err(Errno::EAGAIN) => return Some(all),
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Root;

    #[test]
    fn what_is_written_is_told_once() {
        let tree = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            fs::create_dir(tree.path().join(name)).unwrap();
            fs::write(tree.path().join(name).join("limit"), "max").unwrap();
        }
        let root = Root::open(tree.path()).unwrap();
        let writes = Writes::new().unwrap();
        let a = writes.watch(&root.dir("a").unwrap()).unwrap();
        assert_eq!(writes.take(), Some(Vec::new()));

        fs::write(tree.path().join("a/limit"), "1").unwrap();
        fs::write(tree.path().join("b/limit"), "1").unwrap();
        fs::read(tree.path().join("a/limit")).unwrap();
        let told = writes.take().unwrap();
        assert!(
            !told.is_empty() && told.iter().all(|told| *told == Told::Written(a, "limit".into())),
            "{told:?}"
        );
        assert_eq!(writes.take(), Some(Vec::new()));

        fs::write(tree.path().join("a/new"), "2").unwrap();
        fs::rename(tree.path().join("a/new"), tree.path().join("a/limit")).unwrap();
        assert!(writes.take().unwrap().contains(&Told::Written(a, "limit".into())));
        fs::remove_dir_all(tree.path().join("a")).unwrap();
        assert!(writes.take().unwrap().contains(&Told::Gone(a)));
        writes.forget(a);
    }

    #[test]
    fn more_than_the_kernel_keeps_is_not_nothing() {
        let tree = tempfile::tempdir().unwrap();
        let root = Root::open(tree.path()).unwrap();
        let writes = Writes::new().unwrap();
        writes.watch(&root.dir(".").unwrap()).unwrap();
        for name in ["a", "b"] {
            fs::write(tree.path().join(name), "").unwrap();
        }
        writes.take().unwrap();
        let mut files = ["a", "b"].map(|name| fs::File::create(tree.path().join(name)).unwrap());
        let mut write = |count| {
            for number in 0..count {
                // One after the other of two names: those that are alike are told once.
                std::io::Write::write_all(&mut files[number % 2], b"1").unwrap();
            }
        };
        write(10_000);
        assert!(writes.take().is_some_and(|told| told.len() >= 10_000), "all of that is kept");
        write(20_000);
        assert_eq!(writes.take(), None);
        let _ = writes.take();
        write(1);
        assert_eq!(writes.take().map(|told| told.len()), Some(1), "and afterwards all is as before");
    }
}
