use std::{path::Path, time::Duration};

use lowtide_core::BlockReads;
use lowtide_kernfs::{Fault, Files, Result, Root, parse::number};

/// Reads of the block device at `path` (`/dev/sda2`) since it is there; `None` for what is no block device, such as a swap
/// file.
pub fn reads(root: &Root, path: &str) -> Result<Option<BlockReads>> {
    let Some(name) = Path::new(path).strip_prefix("/dev").ok().and_then(Path::file_name) else {
        return Ok(None);
    };
    root.parse_record(Path::new("sys/class/block").join(name).join("stat"), parse_stat)
}

/// Understands `stat` of a block device: the first number is reads, the fourth the milliseconds they took, merged ones not
/// counted (Documentation/block/stat.rst; `part_stat_show`, block/genhd.c, 6.1 to 7.3). 17 numbers, more may come.
pub fn parse_stat(text: &str) -> Result<BlockReads, Fault> {
    let mut words = text.split_ascii_whitespace();
    let mut word = || words.next().ok_or_else(|| Fault::whole(text, "at least 4 numbers"));
    let count = number(1, word()?)?;
    // Merged reads, and sectors.
    word()?;
    word()?;
    Ok(BlockReads { count, time: Duration::from_millis(number(1, word()?)?) })
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
    #[case("/dev/zram0", true)]
    #[case("/dev/mapper/zram0", true)]
    #[case("/var/zram0", false)]
    #[case("/dev/sda2", false)]
    #[case("/dev", false)]
    #[case("", false)]
    fn only_of_a_block_device_that_is_there(#[case] path: &str, #[case] there: bool) {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("sys/class/block/zram0")).unwrap();
        std::fs::write(tree.path().join("sys/class/block/zram0/stat"), STAT).unwrap();
        let root = Root::open(tree.path()).unwrap();
        assert_eq!(reads(&root, path).unwrap().is_some(), there);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = parse_stat(&text);
        }
    }
}
