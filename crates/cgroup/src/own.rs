use lowtide_kernfs::{Files, Root};

use crate::Result;

/// The cgroup v2 path of the calling process, as it sees the hierarchy (its own cgroup namespace).
///
/// `None` on a host without cgroup v2, where /proc/self/cgroup has no line `0::`.
pub fn own_path(root: &Root) -> Result<Option<String>> {
    Ok(root.read_optional("proc/self/cgroup")?.as_deref().and_then(parse_own_path).map(ToOwned::to_owned))
}

/// Understands /proc/self/cgroup: the path on the line `0::PATH`.
///
/// A cgroup that was removed while its last process was still exiting has ` (deleted)` behind the path.
#[must_use]
pub fn parse_own_path(text: &str) -> Option<&str> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    path.starts_with('/').then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::unified("0::/system.slice/lowtide.service\n", Some("/system.slice/lowtide.service"))]
    #[case::hybrid("9:name=systemd:/\n4:memory:/a\n0::/\n", Some("/"))]
    #[case::deleted("0::/a (deleted)\n", Some("/a"))]
    #[case::outside_the_namespace("0::/../b\n", Some("/../b"))]
    #[case::colon_in_the_name("0::/a:b\n", Some("/a:b"))]
    #[case::version_one("4:memory:/a\n", None)]
    #[case::truncated("0:", None)]
    #[case::no_path("0::\n", None)]
    #[case::empty("", None)]
    fn own_paths(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(parse_own_path(text), expected);
    }
}
