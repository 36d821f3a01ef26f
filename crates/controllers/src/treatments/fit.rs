//! The subtrees that may be asked for memory as a whole.

use std::{collections::HashSet, sync::Arc};

use lowtide_cgroup::{Cgroup, Descend, Error, Mount};
use lowtide_policy::is_protected;

/// As many as a turn of the loop visits; what is beyond may hold anything.
const WALKED: usize = 32_768;

/// The greatest subtrees in which every process is in one of `acting`, or below one, and nothing is
/// protected: a request to a cgroup asks all that is below it.
pub(super) fn subtrees(mount: &Mount, own: &str, acting: &HashSet<Arc<str>>) -> Result<Vec<Cgroup>, Error> {
    let mut seen = Vec::new();
    let mut unfit = Unfit::default();
    let mut inner = Inner::default();
    let walked = mount.walk_within(WALKED, |cgroup| {
        let path = cgroup.path();
        if is_at_or_above(path, own) {
            unfit.add(path);
            return Descend::Yes;
        }
        if is_protected(path) {
            unfit.add(path);
            return Descend::No;
        }
        seen.push(cgroup.clone());
        if acting.contains(path) {
            inner.populated(path);
            return Descend::No;
        }
        // One that cannot be read may have processes.
        if cgroup.populated().map_or(true, |populated| populated.unwrap_or(false)) {
            inner.populated(path);
            inner.open.push(Arc::clone(path));
        }
        Descend::Yes
    })?;
    walked.failed.iter().chain(&walked.cut).for_each(|path| unfit.add(path));
    inner.homes().for_each(|path| unfit.add(path));
    seen.retain(|cgroup| !unfit.has(cgroup.path()) && unfit.has(parent(cgroup.path())));
    Ok(seen)
}

/// Cgroups with processes that no policy acts on, themselves or in some cgroup below.
#[derive(Default)]
struct Inner {
    open: Vec<Arc<str>>,
    /// Those that have a child with processes.
    parents: HashSet<Arc<str>>,
}

impl Inner {
    fn populated(&mut self, path: &str) {
        self.parents.insert(parent(path).into());
    }

    /// Those whose processes are in no cgroup below.
    fn homes(&self) -> impl Iterator<Item = &Arc<str>> {
        self.open.iter().filter(|path| !self.parents.contains(*path))
    }
}

/// Cgroups that may not be asked, with all above them.
#[derive(Default)]
struct Unfit(HashSet<Arc<str>>);

impl Unfit {
    fn add(&mut self, path: &str) {
        let mut path = path;
        // What is above one that is known is known.
        while self.0.insert(path.into()) && path != "/" {
            path = parent(path);
        }
    }

    fn has(&self, path: &str) -> bool {
        self.0.contains(path)
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty()).unwrap_or("/")
}

/// `/a` is at or above `/a` and `/a/b`, not `/ab`; `/` is above everything.
fn is_at_or_above(path: &str, other: &str) -> bool {
    let rest = other.strip_prefix(path.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use lowtide_kernfs::Root;
    use tempfile::TempDir;

    use super::*;

    /// Cgroups, those with a `+` with processes.
    fn tree(cgroups: &[&str]) -> TempDir {
        let tree = tempfile::tempdir().unwrap();
        for path in std::iter::once(&"+/").chain(cgroups) {
            let (populated, path) = path.strip_prefix('+').map_or((0, *path), |path| (1, path));
            let directory = tree.path().join("sys/fs/cgroup").join(path.trim_start_matches('/'));
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("cgroup.events"), format!("populated {populated}\n")).unwrap();
            fs::write(directory.join("cgroup.controllers"), "memory\n").unwrap();
        }
        tree
    }

    fn fit(cgroups: &[&str], acting: &[&str]) -> Vec<String> {
        let tree = tree(cgroups);
        let mount = Mount::find_unchecked(&Root::open(tree.path()).unwrap()).unwrap();
        let acting = acting.iter().map(|path| Arc::from(*path)).collect();
        let found = subtrees(&mount, "/system.slice/lowtide.service", &acting).unwrap();
        let mut found: Vec<_> = found.iter().map(|cgroup| cgroup.path().to_string()).collect();
        found.sort();
        found
    }

    #[test]
    fn all_processes_have_to_be_where_a_policy_acts() {
        let cgroups = ["+/k", "+/k/a", "+/k/a/1", "+/k/b", "/k/c", "+/other", "+/other/x"];
        assert_eq!(fit(&cgroups, &["/k/a", "/k/b"]), ["/k"], "the greatest subtree");
        assert_eq!(fit(&cgroups, &["/k/a"]), ["/k/a", "/k/c"]);
        assert_eq!(fit(&cgroups, &["/k/a/1", "/k/b"]), ["/k"], "what is in none but its own child");
        assert!(fit(&["+/k"], &[]).is_empty());
        assert_eq!(fit(&["+/k", "/k/empty"], &[]), ["/k/empty"], "the processes are in /k itself");
    }

    #[test]
    fn what_is_protected_and_lowtide_itself_are_in_none() {
        let cgroups = [
            "+/system.slice",
            "+/system.slice/lowtide.service",
            "+/system.slice/ssh.service",
            "+/system.slice/web.service",
            "+/init.scope",
        ];
        let acting =
            ["/system.slice", "/system.slice/ssh.service", "/init.scope", "/system.slice/web.service"];
        assert_eq!(fit(&cgroups, &acting), ["/system.slice/web.service"]);
    }

    #[test]
    fn above() {
        assert!(is_at_or_above("/", "/a") && is_at_or_above("/a", "/a") && is_at_or_above("/a", "/a/b"));
        assert!(!is_at_or_above("/a", "/ab") && !is_at_or_above("/a/b", "/a"));
        assert_eq!((parent("/a"), parent("/a/b"), parent("/")), ("/", "/a", "/"));
    }
}
