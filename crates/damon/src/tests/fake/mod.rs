//! The kernel's stand-in: makes, loses and refuses as mm/damon/sysfs.c does, in the way of 6.12 or of 7.3.

mod access;
mod commands;
mod tree;

use std::{
    collections::BTreeMap,
    fmt::Debug,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use lowtide_kernfs::{Entries, Errno, Error, Operation, Result, Root};
use tempfile::TempDir;

use crate::{Admin, directory::Directory};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Old,
    New,
}

/// Answers for all handles, and can be looked into.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    state: Arc<Mutex<State>>,
    pub(super) root: Root,
    pub(super) host: Arc<TempDir>,
}

#[derive(Debug)]
pub(super) struct State {
    version: Version,
    files: BTreeMap<String, String>,
    inodes: BTreeMap<String, u64>,
    next: u64,
    /// Process ids of those that run, and zero for those that did.
    threads: BTreeMap<String, u32>,
    /// Every write that was taken.
    pub(super) writes: Vec<(String, String)>,
    /// So many more writes, then the process is dead.
    pub(super) fuel: Option<usize>,
    /// So many operations on the lock are told EBUSY.
    pub(super) busy: usize,
    host: PathBuf,
}

impl Kernel {
    pub(super) fn new(version: Version) -> Self {
        let host = TempDir::new().unwrap();
        let root = Root::open(host.path()).unwrap();
        let mut state = State {
            version,
            files: BTreeMap::new(),
            inodes: BTreeMap::new(),
            next: 1,
            threads: BTreeMap::new(),
            writes: Vec::new(),
            fuel: None,
            busy: 0,
            host: host.path().to_owned(),
        };
        state.directory("", &[("nr_kdamonds", "0")]);
        let kernel = Self { state: Arc::new(Mutex::new(state)), root, host: Arc::new(host) };
        kernel.put("proc/sys/kernel/random/boot_id", "boot");
        kernel.put("proc/uptime", "100.00 100.00");
        kernel.put("proc/1/stat", &stat(1));
        kernel.put("sys/fs/cgroup/a/memory.current", "");
        kernel
    }

    pub(super) fn admin(&self) -> Admin {
        Admin::with_directory(&self.root, self.handle("").unwrap()).with_patience(Duration::from_mins(1))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn put(&self, path: &str, text: &str) {
        let path = self.host.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn remove(&self, path: &str) {
        std::fs::remove_dir_all(self.host.path().join(path)).unwrap();
    }

    /// Another program writes.
    pub(super) fn write(&self, path: &str, value: &str) {
        self.state().write(path, value).unwrap();
    }

    pub(super) fn read(&self, path: &str) -> String {
        self.state().read(path).unwrap().trim_end().to_owned()
    }

    /// A program of somebody else sets up and starts kdamond `index`.
    pub(super) fn foreign(&self, index: u32) {
        let at = |file: &str| format!("{index}/contexts/0/{file}");
        self.write(&format!("{index}/contexts/nr_contexts"), "1");
        self.write(&at("operations"), "paddr");
        self.write(&at("schemes/nr_schemes"), "1");
        self.write(&at("schemes/0/access_pattern/age/max"), "77");
        self.write(&format!("{index}/state"), "on");
    }

    /// Numbers and process ids of those that run.
    pub(super) fn running(&self) -> Vec<(String, u32)> {
        self.state().threads.clone().into_iter().filter(|(_, pid)| *pid > 0).collect()
    }

    /// Its thread ends by itself.
    pub(super) fn end(&self, index: u32) {
        self.state().end(&index.to_string());
    }

    fn handle(&self, path: &str) -> Option<Arc<dyn Directory>> {
        let inode = *self.state().inodes.get(path)?;
        Some(Arc::new(Handle { kernel: self.clone(), path: path.to_owned(), inode }))
    }
}

pub(super) fn stat(start: u64) -> String {
    format!("1 (kdamond.0) S{} {start} 0 0\n", " 0".repeat(18))
}

/// A directory held open: dead once another one has its name.
#[derive(Debug)]
struct Handle {
    kernel: Kernel,
    path: String,
    inode: u64,
}

impl Handle {
    fn at(&self, path: &str) -> String {
        join(&self.path, path)
    }

    fn with<T>(
        &self,
        operation: Operation,
        path: &str,
        act: impl FnOnce(&mut State, &str) -> Result<T, Errno>,
    ) -> Result<T> {
        let full = self.at(path);
        let mut state = self.kernel.state();
        let alive = state.inodes.get(&self.path) == Some(&self.inode);
        let done = if alive { act(&mut state, &full) } else { Err(Errno::ENOENT) };
        done.map_err(|errno| Error::System { operation, path: self.shown(path).into(), errno })
    }
}

impl Directory for Handle {
    fn read(&self, path: &str) -> Result<String> {
        self.with(Operation::Read, path, |state, path| state.locked(path).and_then(|()| state.read(path)))
    }

    fn write(&self, path: &str, value: &str) -> Result<()> {
        self.with(Operation::Write, path, |state, path| {
            state.locked(path)?;
            match &mut state.fuel {
                Some(0) => return Err(Errno::EIO),
                Some(fuel) => *fuel -= 1,
                None => {}
            }
            state.write(path, value)
        })
    }

    fn subdir(&self, path: &str) -> Result<Arc<dyn Directory>> {
        self.with(Operation::Open, path, |_, _| Ok(()))?;
        self.kernel.handle(&self.at(path)).ok_or_else(|| Error::System {
            operation: Operation::Open,
            path: self.shown(path).into(),
            errno: Errno::ENOENT,
        })
    }

    fn entries(&self) -> Result<Entries> {
        self.with(Operation::List, "", |state, path| {
            let names = |paths: &mut dyn Iterator<Item = &String>| -> Vec<String> {
                let below = paths.filter_map(|full| match path {
                    "" => Some(full.as_str()),
                    path => full.strip_prefix(path)?.strip_prefix('/'),
                });
                below.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_owned).collect()
            };
            let directories = names(&mut state.inodes.keys());
            Ok(Entries { directories, files: names(&mut state.files.keys()), ..Entries::default() })
        })
    }

    fn inode(&self) -> Result<u64> {
        self.with(Operation::Stat, "", |_, _| Ok(())).map(|()| self.inode)
    }

    fn shown(&self, path: &str) -> PathBuf {
        PathBuf::from("/kdamonds").join(self.at(path))
    }
}

pub(super) fn join(directory: &str, name: &str) -> String {
    [directory, name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}
