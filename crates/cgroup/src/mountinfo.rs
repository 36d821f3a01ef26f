use lowtide_kernfs::parse::unescape;

/// Where the cgroup v2 hierarchy is mounted, from the text of /proc/self/mountinfo.
///
/// On hybrid hosts it is beside the v1 hierarchies, at `/sys/fs/cgroup/unified`. With several mounts the one of the
/// whole hierarchy wins (its root field is `/`), and among those the first: later ones are bind mounts of containers.
/// Lines that are not understood are passed over: they are about other file systems.
#[must_use]
pub fn mount_point(text: &str) -> Option<String> {
    let mounts = || text.lines().filter_map(Mount::parse).filter(|mount| mount.kind == "cgroup2");
    let chosen = mounts().find(|mount| mount.root == "/").or_else(|| mounts().next())?;
    unescape(chosen.point)
}

/// The fields of a line that matter: `36 35 98:0 ROOT POINT options [optional fields…] - TYPE source options`.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let root = words.nth(3)?;
        let point = words.next()?;
        // The optional fields are of any number; a lone dash ends them.
        let kind = words.skip_while(|word| *word != "-").nth(1)?;
        Some(Self { root, point, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const UNIFIED: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
                          35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                          41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[rstest]
    #[case::unified(UNIFIED, Some("/sys/fs/cgroup"))]
    #[case::hybrid(HYBRID, Some("/sys/fs/cgroup/unified"))]
    #[case::whole_hierarchy_wins(
        "1 2 0:3 /a /bind rw - cgroup2 cgroup2 rw\n1 2 0:3 / /cg rw a:1 b:2 - cgroup2 none rw\n",
        Some("/cg")
    )]
    #[case::only_a_part("1 2 0:3 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", Some("/sys/fs/cgroup"))]
    #[case::space_in_the_name(r"1 2 0:3 / /my\040groups rw - cgroup2 cgroup2 rw", Some("/my groups"))]
    #[case::a_mount_point_named_cgroup2("1 2 0:3 / /cgroup2 rw - ext4 cgroup2 rw\n", None)]
    #[case::a_mount_point_named_dash("1 2 0:3 / /- rw - cgroup2 c rw\n", Some("/-"))]
    #[case::version_one_alone("1 2 0:3 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", None)]
    #[case::truncated("30 23 0:26 / /sys/fs/cgroup rw -", None)]
    #[case::garbage("\u{0} - - - \n", None)]
    #[case::empty("", None)]
    fn mount_points(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(mount_point(text).as_deref(), expected);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = mount_point(&text);
        }
    }
}
