use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

use lowtide_core::{LeftOut, left_out::Kind};
use lowtide_kernfs::{Files, Result, Root, parse::unescape};

pub(crate) const MOUNTINFO: &str = "proc/self/mountinfo";

/// Where a cgroup v2 hierarchy is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPoint {
    /// Its directory.
    pub point: PathBuf,
    /// Which cgroup stands there, as this process's cgroup namespace has it: `/` for the whole of it, `/a`
    /// for a part, `/../..` for what is above the namespace.
    pub root: PathBuf,
    /// memory.min and memory.low hold for all below that do not claim them (`memory_recursiveprot`, 5.7).
    pub recursive_protection: bool,
}

/// Where the cgroup v2 hierarchy is mounted, by /proc/self/mountinfo.
///
/// On hybrid hosts it is beside the v1 hierarchies, at `/sys/fs/cgroup/unified`. With several mounts the one
/// of the whole hierarchy wins (its root field is `/`), and among those the first: later ones are bind mounts
/// of containers. Lines that are not understood are passed over: they are about other file systems.
pub fn mount_point(root: &Root, left_out: &mut LeftOut) -> Result<Option<MountPoint>> {
    let mut choice = Choice::default();
    match root.read_lines(MOUNTINFO, |line| choice.take(line)) {
        Ok(too_long) => left_out.add_unnamed(Kind::Line, too_long as u64),
        Err(error) if error.is_missing() => {}
        Err(error) => return Err(error),
    }
    Ok(choice.whole.or(choice.part))
}

/// What was seen so far that may be it.
#[derive(Debug, Default)]
struct Choice {
    whole: Option<MountPoint>,
    part: Option<MountPoint>,
}

impl Choice {
    fn take(&mut self, line: &[u8]) {
        let Some(found) = MountPoint::parse(line) else { return };
        let place = if found.root.as_os_str() == "/" { &mut self.whole } else { &mut self.part };
        place.get_or_insert(found);
    }
}

impl MountPoint {
    /// The fields of a line that matter: `36 35 98:0 ROOT POINT options [optional fields…] - TYPE source
    /// OPTIONS`.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let root = words.nth(3)?;
        let point = words.next()?;
        // The optional fields are of any number; a lone dash ends them.
        let mut words = words.skip_while(|word| *word != b"-").skip(1);
        if words.next()? != b"cgroup2" {
            return None;
        }
        let options = words.nth(1).unwrap_or_default();
        let path = |word| PathBuf::from(OsString::from_vec(unescape(word)));
        Some(Self {
            point: path(point),
            root: path(root),
            recursive_protection: options
                .split(|byte| *byte == b',')
                .any(|word| word == b"memory_recursiveprot"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const UNIFIED: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";
    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
                          35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                          41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    fn find(text: &[u8]) -> Option<MountPoint> {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("proc/self")).unwrap();
        std::fs::write(tree.path().join(MOUNTINFO), text).unwrap();
        mount_point(&Root::open(tree.path()).unwrap(), &mut LeftOut::default()).unwrap()
    }

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
        assert_eq!(find(text.as_bytes()).map(|found| found.point), expected.map(PathBuf::from));
    }

    #[test]
    fn what_is_mounted_and_how() {
        let unified = find(UNIFIED.as_bytes()).unwrap();
        assert_eq!((unified.root.as_path(), unified.recursive_protection), ("/".as_ref(), true));
        let part = find(b"1 2 0:3 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n").unwrap();
        assert_eq!((part.root.as_path(), part.recursive_protection), ("/../..".as_ref(), false));
    }

    /// Kind 4: a mount point of somebody else's that is no UTF-8, and our own.
    #[test]
    fn mount_points_need_not_be_text() {
        let foreign = [b"9 2 8:1 / /caf\xe9 rw - ext4 /dev/sda1 rw\n", UNIFIED.as_bytes()].concat();
        assert_eq!(find(&foreign).unwrap().point, PathBuf::from("/sys/fs/cgroup"));
        let own = find(b"1 2 0:3 / /caf\xe9 rw - cgroup2 cgroup2 rw\n").unwrap();
        assert_eq!(own.point.as_os_str().as_bytes(), b"/caf\xe9");
    }

    /// Kind 4: container hosts have as many mounts.
    #[test]
    fn the_list_may_be_longer_than_any_other_file() {
        let mut text =
            b"9 2 0:4 / /var/lib/containers/overlay/merged rw - overlay overlay rw\n".repeat(80_000);
        assert!(text.len() > lowtide_kernfs::READ_LIMIT);
        text.extend(UNIFIED.as_bytes());
        assert_eq!(find(&text).unwrap().point, PathBuf::from("/sys/fs/cgroup"));
    }

    proptest! {
        #[test]
        fn no_line_panics(line in any::<Vec<u8>>()) {
            let _ = MountPoint::parse(&line);
        }
    }
}
