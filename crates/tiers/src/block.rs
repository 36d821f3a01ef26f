use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

use lowtide_core::{BlockReads, Bytes};
use lowtide_kernfs::{
    Fault, Files, Result, Root,
    parse::{columns, number},
};

const BLOCK: &str = "sys/class/block";
const BY_NUMBER: &str = "sys/dev/block";

/// Reads of the block device at `path` (`/dev/sda2`) since it is there; `None` for what is no block device,
/// such as a swap file.
pub fn reads(root: &Root, path: &str) -> Result<Option<BlockReads>> {
    let Some(directory) = directory(root, path)? else { return Ok(None) };
    root.parse_record(directory.join("stat"), parse_stat)
}

/// What was read from and written to a block device since it is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Read, by whomever and for whatever.
    pub read: Bytes,
    /// Written.
    pub written: Bytes,
}

/// Reads from and writes to the block device at `path` (`/dev/sda2`); `None` for what is no block device,
/// such as a swap file.
pub fn traffic(root: &Root, path: &str) -> Result<Option<Traffic>> {
    let Some(directory) = directory(root, path)? else { return Ok(None) };
    root.parse_record(directory.join("stat"), parse_traffic)
}

/// Reads of the block device of that number (`8:16`), as io.stat of a cgroup names it; `None` if it is gone.
pub fn reads_of_number(root: &Root, number: &str) -> Result<Option<BlockReads>> {
    // Whatever stands there, it is no path out of the directory.
    let is_number =
        number.split(':').count() == 2 && number.bytes().all(|byte| byte == b':' || byte.is_ascii_digit());
    if !is_number {
        return Ok(None);
    }
    root.parse_record(Path::new(BY_NUMBER).join(number).join("stat"), parse_stat)
}

/// The directory in /sys of the block device at `path`; `None` for what is no block device, or one that is
/// not there.
///
/// By names alone: the daemon's sandbox has no /dev. A device of the device mapper is `/dev/dm-0` where udev
/// makes links, and `/dev/mapper/NAME` without udev: a node of its own whose name is in `dm/name`.
pub(crate) fn directory(root: &Root, path: &str) -> Result<Option<PathBuf>> {
    let Ok(name) = Path::new(path).strip_prefix("/dev") else { return Ok(None) };
    if let Ok(mapped) = name.strip_prefix("mapper") {
        return mapped_by_name(root, mapped);
    }
    let (Some(whole), Some(last)) = (name.to_str(), name.file_name()) else { return Ok(None) };
    // `cciss!c0d0` is cciss/c0d0 in /dev (`kobject_set_name_vargs`, lib/kobject.c); Android has block/zram0.
    for name in [OsStr::new(&whole.replace('/', "!")), last] {
        let directory = Path::new(BLOCK).join(name);
        if root.exists(&directory)? {
            return Ok(Some(directory));
        }
    }
    Ok(None)
}

fn mapped_by_name(root: &Root, name: &Path) -> Result<Option<PathBuf>> {
    let entries = match root.dir(BLOCK).and_then(|dir| dir.entries()) {
        Err(error) if error.is_missing() => return Ok(None),
        other => other?,
    };
    // They are links.
    for device in entries.files.iter().chain(&entries.directories).filter(|name| name.starts_with("dm-")) {
        let directory = Path::new(BLOCK).join(device);
        let known = root.read_record(directory.join("dm/name"))?;
        if known.is_some_and(|known| Path::new(known.trim_end()) == name) {
            return Ok(Some(directory));
        }
    }
    Ok(None)
}

/// Understands `stat` of a block device: the first number is reads, the fourth the milliseconds they took,
/// merged ones not counted (Documentation/block/stat.rst; `part_stat_show`, block/genhd.c, 6.1 to 7.3). 17
/// numbers, more may come.
pub fn parse_stat(text: &str) -> Result<BlockReads, Fault> {
    let mut words = text.split_ascii_whitespace();
    let mut word = || words.next().ok_or_else(|| Fault::whole(text, "at least 4 numbers"));
    let count = number(1, word()?)?;
    // Merged reads, and sectors.
    word()?;
    word()?;
    Ok(BlockReads { count, time: Duration::from_millis(number(1, word()?)?) })
}

/// As [`parse_stat`]: the third number is sectors read, the seventh sectors written, 512 bytes each whatever
/// the device.
fn parse_traffic(text: &str) -> Result<Traffic, Fault> {
    const SECTOR: u64 = 512;
    let [_, _, read, _, _, _, written] = columns(text)?;
    let bytes = |sectors: u64| Bytes::new(sectors.saturating_mul(SECTOR));
    Ok(Traffic { read: bytes(read), written: bytes(written) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const STAT: &str = "     309        0     4400        4       33        0      264        0        0        4        4        0        0        0        0        0        0\n";

    #[rstest]
    #[case::zram_on_6_12(STAT, Some((309, 4)))]
    #[case::shortest("1 2 3 4", Some((1, 4)))]
    #[case::empty("", None)]
    #[case::truncated("1 2 3", None)]
    #[case::max("max 0 0 4", None)]
    #[case::garbage("1 2 3 \u{0}", None)]
    #[case::negative("1 2 3 -4", None)]
    #[case::overflow("18446744073709551616 0 0 4", None)]
    fn matrix(#[case] text: &str, #[case] expected: Option<(u64, u64)>) {
        let expected = expected.map(|(count, ms)| BlockReads { count, time: Duration::from_millis(ms) });
        assert_eq!(parse_stat(text).ok(), expected);
    }

    #[rstest]
    #[case::zram_on_6_12(STAT, Some((4400, 264)))]
    #[case::shortest("1 2 3 4 5 6 7", Some((3, 7)))]
    #[case::empty("", None)]
    #[case::truncated("1 2 3 4 5 6", None)]
    #[case::max("1 2 max 4 5 6 7", None)]
    #[case::negative("1 2 3 4 5 6 -7", None)]
    #[case::overflow("1 2 18446744073709551616 4 5 6 7", None)]
    fn sectors_of_512_bytes(#[case] text: &str, #[case] expected: Option<(u64, u64)>) {
        let expected = expected.map(|(read, written)| Traffic {
            read: Bytes::new(read * 512),
            written: Bytes::new(written * 512),
        });
        assert_eq!(parse_traffic(text).ok(), expected);
    }

    #[rstest]
    #[case("/dev/zram0", true)]
    #[case("/dev/cciss/c0d0", true)]
    #[case("/dev/block/zram0", true)]
    #[case("/dev/dm-3", true)]
    #[case("/dev/mapper/vg-swap", true)]
    #[case("/dev/mapper/zram0", false)]
    #[case("/dev/mapper/dm-3", false)]
    #[case("/dev/mapper", false)]
    #[case("/var/zram0", false)]
    #[case("/dev/sda2", false)]
    #[case("/dev", false)]
    #[case("", false)]
    fn only_of_a_block_device_that_is_there(#[case] path: &str, #[case] there: bool) {
        let tree = tempfile::tempdir().unwrap();
        for device in ["zram0", "cciss!c0d0", "dm-0/dm", "dm-3/dm"] {
            std::fs::create_dir_all(tree.path().join(BLOCK).join(device)).unwrap();
        }
        for (file, text) in [
            ("zram0/stat", STAT),
            ("cciss!c0d0/stat", STAT),
            ("dm-0/dm/name", "vg-root\n"),
            ("dm-3/dm/name", "vg-swap\n"),
            ("dm-3/stat", STAT),
        ] {
            std::fs::write(tree.path().join(BLOCK).join(file), text).unwrap();
        }
        let root = Root::open(tree.path()).unwrap();
        assert_eq!(reads(&root, path).unwrap().is_some(), there);
    }

    #[rstest]
    #[case("8:16", true)]
    #[case("8:17", false)]
    #[case("../block/8:16", false)]
    #[case("8:16/", false)]
    #[case("", false)]
    fn by_number(#[case] number: &str, #[case] there: bool) {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join(BY_NUMBER).join("8:16")).unwrap();
        std::fs::write(tree.path().join(BY_NUMBER).join("8:16/stat"), STAT).unwrap();
        let root = Root::open(tree.path()).unwrap();
        assert_eq!(reads_of_number(&root, number).unwrap().is_some(), there);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = (parse_stat(&text), parse_traffic(&text));
        }
    }
}
