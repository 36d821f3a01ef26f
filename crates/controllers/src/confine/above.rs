//! What the operator has set of zswap above a target. Both of its limits hold for all below
//! (`obj_cgroup_may_zswap`, `mem_cgroup_zswap_writeback_enabled`, mm/memcontrol.c).

use std::sync::Arc;

use lowtide_cgroup::Mount;
use lowtide_core::Bytes;
use lowtide_journal::knobs;
use lowtide_kernfs::{Dir, Error, Files};

use super::knob::{self, Knob};

/// The smallest memory.zswap.max of all above, and whether all of them let pages go on from zswap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) zswap_max: Bytes,
    pub(super) writeback: bool,
}

/// The cgroups above the target that was looked at last, the top first. With targets in the order of a walk
/// each directory is opened and read once, from the one above it, however many targets lie below and however
/// deep.
#[derive(Debug)]
pub(super) struct Above {
    top: Option<Dir>,
    path: Vec<(Arc<str>, Dir, Bounds)>,
    /// Directories that were read.
    read: usize,
}

impl Above {
    pub(super) fn new(mount: &Mount) -> Self {
        Self { top: mount.root().ok().map(|root| root.dir().clone()), path: Vec::new(), read: 0 }
    }

    /// What holds for the cgroup at `path`; of one above that is gone, nothing.
    pub(super) fn of(&mut self, path: &str) -> Result<Bounds, Error> {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let above = names.split_last().map_or(&[][..], |(_, above)| above);
        let known = self.path.iter().zip(above).take_while(|((known, ..), name)| **known == ***name).count();
        self.path.truncate(known);
        for name in above.iter().skip(known) {
            let Some(parent) = self.path.last().map(|(_, dir, _)| dir).or(self.top.as_ref()) else { break };
            let entered = parent.subdir(name).and_then(|dir| Ok((self.bounds().within(&dir)?, dir)));
            self.read += 1;
            match entered {
                Ok((bounds, dir)) => self.path.push(((*name).into(), dir, bounds)),
                Err(error) if error.is_gone() || error.is_missing() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.bounds())
    }

    /// How many directories were read.
    pub(super) const fn read(&self) -> usize {
        self.read
    }

    fn bounds(&self) -> Bounds {
        let last = self.path.last().map(|(.., bounds)| *bounds);
        last.unwrap_or(Bounds { zswap_max: Bytes::MAX, writeback: true })
    }
}

impl Bounds {
    /// With what a directory below has set.
    fn within(self, dir: &Dir) -> Result<Self, Error> {
        let limit = dir.read_optional(Knob::ZswapMax.file())?.map(|text| knob::parsed(&text));
        let switch = dir.read_optional(Knob::Writeback.file())?;
        Ok(Self {
            zswap_max: limit.map_or(self.zswap_max, |limit| self.zswap_max.min(limit)),
            writeback: self.writeback && switch.is_none_or(|text| !knobs::same(&text, "0")),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use lowtide_kernfs::Root;

    use super::*;

    /// Kind 1: 400 targets at depth 400 had 160 000 directories opened in each turn, each by its whole path.
    #[test]
    fn each_directory_above_is_read_once_however_many_targets_are_below() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        fs::create_dir_all(directory.path().join("sys/fs/cgroup")).unwrap();
        let mount = Mount::at(root.dir("sys/fs/cgroup").unwrap());
        let (mut deepest, mut path) = (root.dir("sys/fs/cgroup").unwrap(), String::new());
        for depth in 0..400 {
            path = format!("{path}/level{depth:03}");
            nix::sys::stat::mkdirat(
                deepest.handle(),
                &*format!("level{depth:03}"),
                nix::sys::stat::Mode::S_IRWXU,
            )
            .unwrap();
            deepest = deepest.subdir(format!("level{depth:03}")).unwrap();
        }
        fs::write(directory.path().join("sys/fs/cgroup/level000/memory.zswap.max"), "4096\n").unwrap();
        let mut above = Above::new(&mount);
        for leaf in 0..400 {
            let bounds = above.of(&format!("{path}/leaf{leaf:03}")).unwrap();
            assert_eq!(bounds, Bounds { zswap_max: Bytes::kib(4), writeback: true });
        }
        assert_eq!(above.read(), 400);
        let other = above.of("/level000/other").unwrap();
        assert_eq!((other.zswap_max, above.read()), (Bytes::kib(4), 400));
        assert_eq!(above.of("/elsewhere/gone/leaf").unwrap().zswap_max, Bytes::MAX);
    }
}
