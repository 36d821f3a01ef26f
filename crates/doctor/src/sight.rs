use std::{cell::RefCell, collections::BTreeMap, path::Path};

use lowtide_cgroup::Mount;
use lowtide_kernfs::{Errno, Error, Files, Root};

use crate::{build::Build, finding::Evidence, running::Running};

pub(crate) const MOUNTINFO: &str = "proc/self/mountinfo";
/// Where the hierarchy would be.
const USUAL: &str = "sys/fs/cgroup";

/// What all of the doctor's questions need.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) root: Root,
    /// The cgroup v2 hierarchy, if there is one.
    pub(crate) mount: Option<Mount>,
    pub(crate) mounts: Vec<Mounted>,
    /// The kernel's command line.
    command_line: String,
    pub(crate) build: Build,
    /// The daemon, if it runs here.
    pub(crate) running: Option<Running>,
    /// Files that are there and could not be read.
    unread: RefCell<BTreeMap<String, String>>,
}

/// A file system and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// The number of its device, such as `8:1`.
    pub(crate) device: String,
    pub(crate) kind: String,
    /// As the list has it: a space is `\040`.
    pub(crate) point: String,
    /// Of the file system, not of the mount: for cgroup v1 the controllers.
    pub(crate) options: String,
}

impl Sight {
    pub(crate) fn new(root: &Root, running: Option<Running>) -> Self {
        let mount = if root.is_host() { Mount::find(root) } else { Mount::find_unchecked(root) };
        let text = |path: &str| root.read(path).unwrap_or_default();
        Self {
            root: root.clone(),
            mount: mount.ok(),
            mounts: mounts(root),
            command_line: text("proc/cmdline"),
            build: Build::read(root, text("proc/sys/kernel/osrelease").trim()),
            running,
            unread: RefCell::default(),
        }
    }

    /// Reads a file.
    pub(crate) fn look(&self, path: impl Into<String>) -> Look {
        let path = path.into();
        let outcome = self.root.read_optional(&path);
        // A process that has ended meanwhile is gone.
        if let Some(error) = outcome.as_ref().err().filter(|error| error.errno() != Some(Errno::ESRCH)) {
            self.unread.borrow_mut().insert(path.clone(), answer(error));
        }
        Look { path, outcome }
    }

    /// What nobody could read, and why.
    pub(crate) fn unread(&self) -> Vec<Evidence> {
        self.unread.borrow().iter().map(|(path, why)| Evidence::new(path.as_str(), why)).collect()
    }

    /// A file below the cgroup hierarchy's root.
    pub(crate) fn cgroup_file(&self, name: &str) -> String {
        let place = self.mount.as_ref().map_or(Path::new(USUAL), |mount| self.below_root(mount.path()));
        place.join(name.trim_matches('/')).to_string_lossy().trim_end_matches('/').to_owned()
    }

    /// A path without the directory that stands for `/`.
    pub(crate) fn below_root<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(self.root.path()).unwrap_or(path)
    }

    /// The first file system of a kind.
    pub(crate) fn mounted(&self, kind: &str) -> Option<&Mounted> {
        self.mounts.iter().find(|mounted| mounted.kind == kind)
    }

    /// The list of mounts as evidence.
    pub(crate) fn mounts_say(said: impl AsRef<str>) -> Evidence {
        Evidence::new(MOUNTINFO, said)
    }

    /// The word of the kernel's command line that begins with `prefix`, and has `part` in it.
    pub(crate) fn boot_word(&self, prefix: &str, part: &str) -> Option<Evidence> {
        let mut words = self.command_line.split_ascii_whitespace();
        let word = words.find(|word| word.strip_prefix(prefix).is_some_and(|rest| rest.contains(part)))?;
        Some(Evidence::new("proc/cmdline", word))
    }
}

/// Understands /proc/self/mountinfo; see `lowtide_cgroup::mount_point`. Of a mount point that is no UTF-8 the
/// kind is known all the same.
fn mounts(root: &Root) -> Vec<Mounted> {
    let mut found: Vec<Mounted> = Vec::new();
    // Without the list none is known. The first of each kind is enough, but of cgroup v1, which has several.
    let _ = root.read_lines(MOUNTINFO, |line| {
        let new = Mounted::parse(line);
        let is_known = |new: &Mounted| new.kind != "cgroup" && found.iter().any(|one| one.kind == new.kind);
        found.extend(new.filter(|new| !is_known(new)));
    });
    found
}

impl Mounted {
    /// A line of the list.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let line = String::from_utf8_lossy(line);
        let (before, after) = line.split_once(" - ")?;
        let (mut before, mut after) = (before.split_ascii_whitespace(), after.split_ascii_whitespace());
        Some(Self {
            device: before.nth(2)?.to_owned(),
            kind: after.next()?.to_owned(),
            point: before.nth(1)?.to_owned(),
            options: after.nth(1).unwrap_or_default().to_owned(),
        })
    }
}

/// What came of reading a file.
#[derive(Debug)]
pub(crate) struct Look {
    path: String,
    outcome: Result<Option<String>, Error>,
}

impl Look {
    /// What it holds, trimmed.
    pub(crate) fn text(&self) -> Option<&str> {
        self.outcome.as_ref().ok()?.as_deref().map(str::trim)
    }

    /// It is not there. (That it cannot be read says nothing.)
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.outcome, Ok(None))
    }

    /// Its first line, or why there is none.
    pub(crate) fn evidence(&self) -> Evidence {
        match &self.outcome {
            Ok(Some(text)) => self.says(text.trim().lines().next().unwrap_or("empty")),
            Ok(None) => self.says("not there"),
            Err(error) => self.says(answer(error)),
        }
    }

    /// What matters of it, in other words.
    pub(crate) fn says(&self, said: impl AsRef<str>) -> Evidence {
        Evidence::new(&self.path, said)
    }
}

/// An error without its path, which is the evidence's own.
pub(crate) fn answer(error: &Error) -> String {
    match error {
        Error::System { operation, errno, .. } => format!("cannot {operation}: {}", errno.desc()),
        Error::Malformed { fault, .. } => fault.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_with_and_without_optional_fields() {
        let text = "36 30 0:8 / /sys/kernel/debug rw,relatime shared:9 - debugfs debugfs rw\n\
                    35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                    truncated line -\n\n- - -\n";
        let of = |device: &str, kind: &str, point: &str, options: &str| Mounted {
            device: device.to_owned(),
            kind: kind.to_owned(),
            point: point.to_owned(),
            options: options.to_owned(),
        };
        let expected = [
            of("0:8", "debugfs", "/sys/kernel/debug", "rw"),
            of("0:32", "cgroup", "/sys/fs/cgroup/memory", "rw,memory"),
        ];
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("proc/self")).unwrap();
        std::fs::write(tree.path().join(MOUNTINFO), [b"9 2 8:1 / /caf\xe9 rw\n", text.as_bytes()].concat())
            .unwrap();
        assert_eq!(mounts(&Root::open(tree.path()).unwrap()), expected);
    }
}
