use std::{path::Path, sync::Arc};

use lowtide_core::CgroupId;
use lowtide_kernfs::{Dir, Error as FileError, Files, Operation, Root};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};

use crate::{Cgroup, Error, Result, mount_point};

const MOUNTINFO: &str = "proc/self/mountinfo";
const FALLBACK: &str = "sys/fs/cgroup";

/// The cgroup v2 hierarchy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mount {
    dir: Dir,
}

impl Mount {
    /// Finds the hierarchy of the running system, and makes sure that it is one.
    pub fn find(root: &Root) -> Result<Self> {
        let mount = Self::find_unchecked(root)?;
        let errno =
            |errno| FileError::System { operation: Operation::Stat, path: mount.path().into(), errno };
        let kind = fstatfs(mount.dir.handle()).map_err(errno)?.filesystem_type();
        if kind == CGROUP2_SUPER_MAGIC {
            Ok(mount)
        } else {
            Err(Error::NotCgroup2 { path: mount.path().into() })
        }
    }

    /// Finds the hierarchy where /proc/self/mountinfo says it is, or in `/sys/fs/cgroup`, whatever the file system:
    /// for trees of fixtures.
    pub fn find_unchecked(root: &Root) -> Result<Self> {
        let text = root.read_optional(MOUNTINFO)?.unwrap_or_default();
        let point = mount_point(&text).unwrap_or_else(|| FALLBACK.to_owned());
        match root.dir(&point) {
            Ok(dir) => Ok(Self { dir }),
            Err(error) if error.is_missing() => Err(Error::NotMounted {
                mountinfo: root.shown(Path::new(MOUNTINFO)),
                fallback: root.shown(Path::new(&point)),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// The hierarchy whose root directory is `dir`.
    #[must_use]
    pub const fn at(dir: Dir) -> Self {
        Self { dir }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The root cgroup.
    pub fn root(&self) -> Result<Cgroup> {
        Cgroup::new(self.dir.clone(), "/".into()).map(|(cgroup, _)| cgroup)
    }

    /// The cgroup at `path`, such as `/web/api`; `None` where there is none.
    pub fn open(&self, path: &str) -> Result<Option<Cgroup>> {
        let inner = path.trim_matches('/');
        if inner.is_empty() {
            return self.root().map(Some);
        }
        match self.dir.subdir(inner) {
            Ok(dir) => Ok(Some(Cgroup::new(dir, format!("/{inner}").into())?.0)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The cgroup at `path` if it is still the one that was decided on; [`Error::Replaced`] if another one has taken
    /// its path.
    pub fn open_as(&self, path: &str, id: CgroupId) -> Result<Option<Cgroup>> {
        match self.open(path)? {
            Some(cgroup) if cgroup.id() != id => {
                let path = cgroup.dir().path().into();
                Err(Error::Replaced { path, found: cgroup.id().0, expected: id.0 })
            }
            other => Ok(other),
        }
    }

    pub(crate) fn top(&self) -> (Dir, Arc<str>) {
        (self.dir.clone(), "/".into())
    }
}
