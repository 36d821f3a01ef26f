//! The cgroups of a target's subtree that hold memory themselves.

use std::{collections::HashMap, sync::Arc};

use lowtide_cgroup::{Cgroup, Error, Mount};
use lowtide_core::{ByType, Bytes, LeftOut, MemoryStat};
use lowtide_kernfs::{Files, parse::bytes};

use crate::{Target, places::subtree};

/// Less than this is not worth a scheme.
const LEAST: Bytes = Bytes::mib(1);

/// Paths of those with memory of their own, from the cgroup root.
///
/// `memory.current` counts those below with it, and a page is charged to one alone.
pub(crate) fn holders(target: &Cgroup, left_out: &mut LeftOut) -> Result<Vec<Arc<str>>, Error> {
    let current = |cgroup: &Cgroup| cgroup.dir().parse_record("memory.current", bytes).ok().flatten();
    let all = subtree(target, left_out, current)?;
    let mut own: HashMap<&str, Bytes> = all.iter().map(|(path, current)| (&**path, *current)).collect();
    for (path, current) in &all {
        let parent = path.rsplit_once('/').map(|(parent, _)| parent);
        if let Some(parent) = parent.and_then(|parent| own.get_mut(parent)) {
            *parent = *parent - *current;
        }
    }
    let holds = |path: &Arc<str>| own.get(&**path).is_some_and(|own| *own >= LEAST);
    let below = all.iter().map(|(path, _)| path).filter(|path| holds(path)).cloned();
    // The root has no memory.current, and what lives in no other cgroup is its own.
    let root = || Arc::from("/");
    let is_root = &**target.path() == "/" && target.dir().exists("memory.current") == Ok(false);
    Ok(is_root.then(root).into_iter().chain(below).collect())
}

/// What a cgroup, with all below it, has on the lists that memory is reclaimed from; `None` if it is gone.
pub(crate) fn charged(mount: &Mount, target: &Target) -> Option<ByType> {
    let stat = mount.open_as(&target.path, target.id).ok().flatten()?.usage().ok()?.stat;
    let MemoryStat { inactive_anon, active_anon, inactive_file, active_file, .. } = stat;
    Some(ByType { anon: inactive_anon + active_anon, file: inactive_file + active_file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_kernfs::Root;

    #[test]
    fn only_what_is_not_charged_below_counts() {
        let tree = tempfile::tempdir().unwrap();
        for (path, current) in [
            ("a", 100 << 20),
            ("a/b", 70 << 20),
            ("a/b/c", 69 << 20),
            ("a/b/c/d", 69 << 20),
            ("a/e", 30 << 20),
            ("ab", 9 << 20),
        ] {
            let directory = tree.path().join("sys/fs/cgroup").join(path);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("memory.current"), format!("{current}\n")).unwrap();
        }
        std::fs::create_dir(tree.path().join("sys/fs/cgroup/a/no-memory-controller")).unwrap();
        let mount = Mount::find_unchecked(&Root::open(tree.path()).unwrap()).unwrap();
        let found = |path: &str| {
            let holders = holders(&mount.open(path).unwrap().unwrap(), &mut LeftOut::default()).unwrap();
            holders.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found("/a"), ["/a/b", "/a/b/c/d", "/a/e"]);
        assert_eq!(found("/a/b/c"), ["/a/b/c/d"]);
        assert_eq!(found("/a/no-memory-controller"), Vec::<String>::new());
        assert_eq!(found("/"), ["/", "/a/b", "/a/b/c/d", "/a/e", "/ab"]);
    }
}
