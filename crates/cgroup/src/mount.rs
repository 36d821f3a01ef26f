use std::{path::Path, sync::Arc};

use lowtide_core::{CgroupId, LeftOut};
use lowtide_kernfs::{Dir, Error as FileError, Files, Operation, Root};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};

use crate::{
    Cgroup, Error, Result,
    mountinfo::{MOUNTINFO, MountPoint, mount_point},
};

const FALLBACK: &str = "sys/fs/cgroup";

/// The cgroup v2 hierarchy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mount {
    dir: Dir,
    /// As the list of mounts has it; `None` where it was not in it.
    point: Option<Arc<MountPoint>>,
    /// Below which the host's other files are; `None` where nobody said.
    host: Option<Root>,
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

    /// Finds the hierarchy where /proc/self/mountinfo says it is, or in `/sys/fs/cgroup`, whatever the file
    /// system: for trees of fixtures.
    pub fn find_unchecked(root: &Root) -> Result<Self> {
        let point = mount_point(root, &mut LeftOut::default())?;
        let place = point.as_ref().map_or(Path::new(FALLBACK), |point| &point.point);
        match root.dir(place) {
            Ok(dir) => Ok(Self { dir, point: point.map(Arc::new), host: Some(root.clone()) }),
            Err(error) if error.is_missing() => Err(Error::NotMounted {
                mountinfo: root.shown(Path::new(MOUNTINFO)),
                fallback: root.shown(place),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// The hierarchy whose root directory is `dir`.
    #[must_use]
    pub const fn at(dir: Dir) -> Self {
        Self { dir, point: None, host: None }
    }

    /// Whether memory.min and memory.low hold for all below that do not claim them (`memory_recursiveprot`).
    /// So where nobody says: systemd mounts it like that (246).
    #[must_use]
    pub fn protects_recursively(&self) -> bool {
        self.point.as_ref().is_none_or(|point| point.recursive_protection)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The root cgroup. Its memory is that of the whole host ([`Cgroup::memory`]), where the mount was found
    /// below a root directory.
    pub fn root(&self) -> Result<Cgroup> {
        Cgroup::top(self.dir.clone(), self.host.clone())
    }

    /// The cgroup at `path`, such as `/web/api`; `None` where there is none.
    pub fn open(&self, path: &str) -> Result<Option<Cgroup>> {
        let inner = path.trim_matches('/');
        if inner.is_empty() {
            return self.root().map(Some);
        }
        match self.dir.subdir(inner) {
            Ok(dir) => Ok(Some(Cgroup::new(dir, format!("/{inner}").into())?)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The cgroup at `path` if it is still the one that was decided on; [`Error::Replaced`] if another one
    /// has taken its path.
    pub fn open_as(&self, path: &str, id: CgroupId) -> Result<Option<Cgroup>> {
        match self.open(path)? {
            Some(cgroup) if cgroup.id() != id => {
                let path = cgroup.dir().path().into();
                Err(Error::Replaced { path, found: cgroup.id().0, expected: id.0 })
            }
            other => Ok(other),
        }
    }

    /// Which cgroup is at the top of the mount, as this process's namespace has it.
    pub(crate) fn top_of_mount(&self) -> &Path {
        self.point.as_ref().map_or(Path::new("/"), |point| &point.root)
    }

    pub(crate) fn top(&self) -> (Dir, Arc<str>) {
        (self.dir.clone(), "/".into())
    }
}
