use std::path::Path;

use lowtide_kernfs::{Files, Root};

use crate::{Descend, Error, Mount, Result};

const OWN: &str = "proc/self/cgroup";

/// The cgroup v2 path of the calling process, as it sees the hierarchy (its own cgroup namespace): see
/// [`Mount::own`].
///
/// `None` on a host without cgroup v2, where /proc/self/cgroup has no line `0::`.
pub fn own_path(root: &Root) -> Result<Option<String>> {
    Ok(root.read_optional(OWN)?.as_deref().and_then(parse_own_path).map(ToOwned::to_owned))
}

impl Mount {
    /// Where the calling process is in this mount; `None` where /proc/self/cgroup does not say.
    ///
    /// The kernel tells it from the root of the process's cgroup namespace, and the mount may show more than
    /// that, or less: in a container with a namespace of its own that has the host's hierarchy, both are `/`,
    /// and it is somewhere below. There it is looked for by its process id. [`Error::OwnUnknown`] if it is
    /// not found.
    pub fn own(&self, root: &Root) -> Result<Option<String>> {
        let Some(named) = own_path(root)? else { return Ok(None) };
        let top = self.top_of_mount();
        let above_namespace = |path: &Path| path.starts_with("/..");
        if above_namespace(top) || above_namespace(Path::new(&named)) {
            return self.find_own(root).map(Some);
        }
        let named = self.without_mark(named)?;
        // Outside of what is mounted there is nothing to keep out of.
        let Ok(below) = Path::new(&named).strip_prefix(top) else { return Ok(Some("/".to_owned())) };
        let path = format!("/{}", below.display());
        if path == "/" && root.is_host() && !self.root().is_ok_and(|cgroup| has_own(&cgroup)) {
            return self.find_own(root).map(Some);
        }
        Ok(Some(path))
    }

    /// A cgroup that was removed while its last process was still exiting has ` (deleted)` behind the path,
    /// and another one may be called like that.
    fn without_mark(&self, named: String) -> Result<String> {
        match named.strip_suffix(DELETED) {
            Some(path) if self.open(&named)?.is_none() => Ok(path.to_owned()),
            _ => Ok(named),
        }
    }

    fn find_own(&self, root: &Root) -> Result<String> {
        let mut found = None;
        self.walk(|cgroup| {
            if found.is_none() && has_own(cgroup) {
                found = Some(cgroup.path().to_string());
            }
            if found.is_none() { Descend::Yes } else { Descend::No }
        })?;
        found.ok_or_else(|| Error::OwnUnknown { mount: self.path().into(), told: root.shown(Path::new(OWN)) })
    }
}

/// Whether this process is in a cgroup, not below it.
fn has_own(cgroup: &crate::Cgroup) -> bool {
    let own = std::process::id().to_string();
    let mut found = false;
    // In a threaded cgroup the file cannot be read; its processes are listed in the one above.
    let read = cgroup.dir().read_lines("cgroup.procs", |line| found |= line == own.as_bytes());
    read.is_ok() && found
}

const DELETED: &str = " (deleted)";

/// Understands /proc/self/cgroup: the path on the line `0::PATH`.
#[must_use]
pub fn parse_own_path(text: &str) -> Option<&str> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    path.starts_with('/').then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::unified("0::/system.slice/lowtide.service\n", Some("/system.slice/lowtide.service"))]
    #[case::hybrid("9:name=systemd:/\n4:memory:/a\n0::/\n", Some("/"))]
    #[case::deleted("0::/a (deleted)\n", Some("/a (deleted)"))]
    #[case::outside_the_namespace("0::/../b\n", Some("/../b"))]
    #[case::colon_in_the_name("0::/a:b\n", Some("/a:b"))]
    #[case::version_one("4:memory:/a\n", None)]
    #[case::truncated("0:", None)]
    #[case::no_path("0::\n", None)]
    #[case::empty("", None)]
    fn own_paths(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(parse_own_path(text), expected);
    }

    /// A mount whose root is `top`, with cgroups of which `mine` has this process.
    fn own(top: &str, named: &str, cgroups: &[&str], mine: Option<&str>) -> Result<Option<String>> {
        let tree = tempfile::tempdir().unwrap();
        let put = |path: &str, text: String| {
            let path = tree.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("proc/self/mountinfo", format!("1 2 0:3 {top} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"));
        put("proc/self/cgroup", format!("0::{named}\n"));
        for cgroup in cgroups {
            put(&format!("sys/fs/cgroup/{cgroup}/cgroup.procs"), "1\n".to_owned());
        }
        if let Some(mine) = mine {
            put(&format!("sys/fs/cgroup/{mine}/cgroup.procs"), format!("1\n{}\n", std::process::id()));
        }
        let root = Root::open(tree.path()).unwrap();
        Mount::find_unchecked(&root).unwrap().own(&root)
    }

    /// Kind 7: a namespace of its own, and the host's hierarchy.
    #[rstest]
    #[case::whole("/", "/a/b", None, Some("/a/b"))]
    #[case::a_part("/a", "/a/b", None, Some("/b"))]
    #[case::the_part_itself("/a/b", "/a/b", None, Some("/"))]
    #[case::not_in_the_part("/x", "/a/b", None, Some("/"))]
    #[case::private_namespace("/../..", "/", Some("docker/x"), Some("/docker/x"))]
    #[case::beside_the_namespace("/", "/../b", Some("b"), Some("/b"))]
    #[case::not_to_be_found("/../..", "/", None, None)]
    #[case::deleted("/", "/gone (deleted)", None, Some("/gone"))]
    #[case::called_like_that("/", "/a (deleted)", None, Some("/a (deleted)"))]
    fn where_it_is(
        #[case] top: &str,
        #[case] named: &str,
        #[case] mine: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        let found = own(top, named, &["a/b", "docker/x", "a (deleted)"], mine);
        match expected {
            Some(path) => assert_eq!(found.unwrap().as_deref(), Some(path)),
            None => assert!(matches!(found, Err(Error::OwnUnknown { .. })), "{found:?}"),
        }
    }
}
