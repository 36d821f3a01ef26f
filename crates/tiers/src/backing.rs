use lowtide_core::Bytes;
use lowtide_kernfs::{Files, Result, Root, parse::integer};

use crate::block::directory;

/// Sectors of /sys/class/block/*/size, whatever the device's own are (`SECTOR_SHIFT`,
/// include/linux/blk_types.h).
const SECTOR: u64 = 512;

/// The block device below a zram device, which takes what is written back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backing {
    /// Its path as the kernel names it: symbolic links resolved, such as `/dev/nvme0n1p3`.
    pub path: String,
    /// Its size; `None` where /sys has no such device.
    pub capacity: Option<Bytes>,
}

impl Backing {
    /// The backing device of the zram device `name` (`zram0`); `None` if it has none, or the kernel was built
    /// without CONFIG_ZRAM_WRITEBACK.
    pub fn read(root: &Root, name: &str) -> Result<Option<Self>> {
        let Some(text) = root.read_optional(format!("sys/block/{name}/backing_dev"))? else {
            return Ok(None);
        };
        let path = text.trim();
        // `backing_dev_show` says `none` without one (drivers/block/zram/zram_drv.c, 6.1 to 7.3).
        if path.is_empty() || path == "none" {
            return Ok(None);
        }
        Ok(Some(Self { path: path.to_owned(), capacity: capacity(root, path)? }))
    }
}

fn capacity(root: &Root, path: &str) -> Result<Option<Bytes>> {
    let Some(directory) = directory(root, path)? else { return Ok(None) };
    let sectors = root.parse_record(directory.join("size"), integer)?;
    Ok(sectors.map(|sectors| Bytes::new(sectors.saturating_mul(SECTOR))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::fs;

    fn read(backing_dev: Option<&str>, size: Option<&str>) -> Result<Option<Backing>> {
        let tree = tempfile::tempdir().unwrap();
        let put = |path: &str, text: Option<&str>| {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if let Some(text) = text {
                fs::write(path, text).unwrap();
            }
        };
        put("sys/block/zram0/backing_dev", backing_dev);
        put("sys/class/block/nullb0/size", size);
        Backing::read(&Root::open(tree.path()).unwrap(), "zram0")
    }

    #[rstest]
    #[case::no_support(None)]
    #[case::none(Some("none\n"))]
    #[case::empty(Some(""))]
    fn without(#[case] text: Option<&str>) {
        assert_eq!(read(text, Some("8\n")), Ok(None));
    }

    #[rstest]
    #[case::known(Some("524288\n"), Some(Bytes::mib(256)))]
    #[case::gone(None, None)]
    #[case::huge(Some("18446744073709551615\n"), Some(Bytes::MAX))]
    fn with(#[case] size: Option<&str>, #[case] capacity: Option<Bytes>) {
        let expected = Backing { path: "/dev/nullb0".into(), capacity };
        assert_eq!(read(Some("/dev/nullb0\n"), size), Ok(Some(expected)));
    }

    #[rstest]
    #[case("")]
    #[case("max\n")]
    #[case("-1\n")]
    fn malformed(#[case] size: &str) {
        let error = read(Some("/dev/nullb0\n"), Some(size)).unwrap_err().to_string();
        assert!(error.contains("sys/class/block/nullb0/size:1: "), "{error}");
    }
}
