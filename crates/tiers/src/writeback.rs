//! Moving pages of a zram device to its backing device (CONFIG_ZRAM_WRITEBACK).

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use lowtide_core::Bytes;
use lowtide_kernfs::{Errno, Error, Files, Root, page_size, parse::integer};

/// The kernel counts the limit in 4 KiB, whatever the page size
/// (Documentation/admin-guide/blockdev/zram.rst).
const LIMIT_UNIT: u64 = 4096;

/// Which pages are written back. All of these keep to the idle marks: `huge` and `incompressible` alone,
/// which the kernel has too, take pages that were stored a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Selection {
    /// `idle`: all that are marked.
    Idle,
    /// `huge_idle`: those of them that did not compress, each of which frees a whole page.
    HugeIdle,
}

impl Selection {
    const fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::HugeIdle => "huge_idle",
        }
    }
}

/// Why a call ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Nothing of the selection is left in DRAM.
    All,
    /// The limit was reached (EIO), after exactly that many pages.
    UpToLimit,
}

/// What the kernel answers. Pages may have been written before it: bd_stat tells.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WritebackError {
    /// ENOSPC.
    #[error("the backing device is full ({0})")]
    BackingFull(Error),
    /// ENODEV or ENOENT: no backing device any more, or no zram device.
    #[error("the zram device or its backing device is gone ({0})")]
    Gone(Error),
    /// EAGAIN: somebody else has pages of the device written back or recompressed.
    #[error("another writeback or recompression is running ({0})")]
    Busy(Error),
    /// EINVAL: this kernel does not have what was asked.
    #[error("this kernel cannot do it ({0})")]
    Unsupported(Error),
    /// The limit does not count, so nothing was asked of the kernel.
    #[error("/{}: somebody else turned the limit off: nothing is written without one", .0.display())]
    Unlimited(PathBuf),
    /// Anything else.
    #[error(transparent)]
    Kernel(Error),
}

impl From<Error> for WritebackError {
    fn from(error: Error) -> Self {
        match error.errno() {
            Some(Errno::ENOSPC) => Self::BackingFull(error),
            Some(Errno::ENODEV | Errno::ENOENT) => Self::Gone(error),
            Some(Errno::EAGAIN) => Self::Busy(error),
            Some(Errno::EINVAL) => Self::Unsupported(error),
            _ => Self::Kernel(error),
        }
    }
}

/// The files of one zram device that have to do with writing back.
#[derive(Debug, Clone)]
pub struct Writeback {
    root: Root,
    directory: PathBuf,
}

impl Writeback {
    /// Of the device `name` (`zram0`). Touches nothing.
    #[must_use]
    pub fn of(root: &Root, name: &str) -> Self {
        Self { root: root.clone(), directory: Path::new("sys/block").join(name) }
    }

    /// The file of the limit, from the root directory.
    #[must_use]
    pub fn limit_file(&self) -> PathBuf {
        self.directory.join("writeback_limit")
    }

    /// The file that says whether the limit counts.
    #[must_use]
    pub fn limit_switch(&self) -> PathBuf {
        self.directory.join("writeback_limit_enable")
    }

    /// Sets how much may be written from now on; what is less than a page is left off.
    ///
    /// Before a fix of November 2025 the kernel takes a page's worth from whatever is more than nothing
    /// (`bd_wb_limit -= 1UL << (PAGE_SHIFT - 12)`, drivers/block/zram/zram_drv.c): with pages of more than 4
    /// KiB a limit that is no multiple of them would wrap round, to no limit.
    ///
    /// From 7.0 on, at the latest, this waits for a call of [`Writeback::write`] that is running
    /// (`writeback_limit_store` takes init_lock for writing, drivers/block/zram/zram_drv.c), so it cannot be
    /// used to cut one short.
    pub fn set_limit(&self, limit: Bytes) -> Result<(), WritebackError> {
        let units = units(limit, Bytes::new(page_size() as u64));
        Ok(self.root.write(self.limit_file(), units.to_string())?)
    }

    /// What may still be written; `None` without CONFIG_ZRAM_WRITEBACK.
    pub fn limit(&self) -> Result<Option<Bytes>, WritebackError> {
        let units = self.root.parse_record(self.limit_file(), integer)?;
        Ok(units.map(|units| Bytes::new(units.saturating_mul(LIMIT_UNIT))))
    }

    /// Marks the pages that were neither stored nor read for longer than `age`, in whole seconds rounded up,
    /// and at least one: `0` would mark all.
    ///
    /// [`WritebackError::Unsupported`] without CONFIG_ZRAM_TRACK_ENTRY_ACTIME (6.1:
    /// CONFIG_ZRAM_MEMORY_TRACKING). Younger pages lose a mark that they have from 6.12 on; on 6.1 they keep
    /// it. 7.3 keeps times in whole seconds, so a page may have to be one second older. Goes over all slots,
    /// the device locked page by page.
    pub fn mark_older(&self, age: Duration) -> Result<(), WritebackError> {
        let seconds = age.as_secs() + u64::from(age.subsec_nanos() > 0);
        self.mark(&seconds.max(1).to_string())
    }

    /// Marks all pages. Each loses its mark when it is read, and a page that is stored has none.
    pub fn mark_all(&self) -> Result<(), WritebackError> {
        self.mark("all")
    }

    fn mark(&self, what: &str) -> Result<(), WritebackError> {
        Ok(self.root.write(self.directory.join("idle"), what)?)
    }

    /// Whether the limit counts. [`WritebackError::Gone`] without CONFIG_ZRAM_WRITEBACK.
    pub fn is_limited(&self) -> Result<bool, WritebackError> {
        Ok(self.root.parse(self.limit_switch(), integer)? != 0)
    }

    /// Writes pages to the backing device, and returns when the last one is written. A signal does not end
    /// it.
    ///
    /// [`WritebackError::Unlimited`] where [`Writeback::is_limited`] is false: without a limit the kernel
    /// would write all.
    ///
    /// Up to 6.12 one page at a time in the order of the slots; from 6.13 the largest compressed first, from
    /// 7.0 several at a time.
    pub fn write(&self, selection: Selection) -> Result<Written, WritebackError> {
        if !self.is_limited()? {
            return Err(WritebackError::Unlimited(self.limit_switch()));
        }
        match self.root.write(self.directory.join("writeback"), selection.word()) {
            Ok(()) => Ok(Written::All),
            // So does a device that fails: whoever set the limit sees from it whether it was reached.
            Err(error) if error.errno() == Some(Errno::EIO) && self.limit()? == Some(Bytes::ZERO) => {
                Ok(Written::UpToLimit)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The number to write for `limit` where pages are of `page`.
fn units(limit: Bytes, page: Bytes) -> u64 {
    limit.whole(page).get() / LIMIT_UNIT
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::fs;

    struct Device {
        tree: tempfile::TempDir,
        writeback: Writeback,
    }

    impl Device {
        fn new(files: &[&str]) -> Self {
            let tree = tempfile::tempdir().unwrap();
            let directory = tree.path().join("sys/block/zram0");
            fs::create_dir_all(&directory).unwrap();
            for file in files {
                fs::write(directory.join(file), "").unwrap();
            }
            let writeback = Writeback::of(&Root::open(tree.path()).unwrap(), "zram0");
            Self { tree, writeback }
        }

        fn put(&self, file: &str, text: &str) {
            fs::write(self.tree.path().join("sys/block/zram0").join(file), text).unwrap();
        }

        fn holds(&self, file: &str) -> String {
            fs::read_to_string(self.tree.path().join("sys/block/zram0").join(file)).unwrap()
        }
    }

    #[rstest]
    #[case(Duration::ZERO, "1")]
    #[case(Duration::from_mins(10), "600")]
    #[case(Duration::from_millis(600_001), "601")]
    fn an_age_is_never_rounded_down(#[case] age: Duration, #[case] written: &str) {
        let device = Device::new(&["idle"]);
        device.writeback.mark_older(age).unwrap();
        assert_eq!(device.holds("idle"), written);
        device.writeback.mark_all().unwrap();
        assert_eq!(device.holds("idle"), "all");
    }

    #[test]
    fn the_limit_is_whole_pages_counted_in_4_kib() {
        let device = Device::new(&["writeback_limit"]);
        let page = page_size() as u64;
        device.writeback.set_limit(Bytes::new(3 * page + page - 1)).unwrap();
        assert_eq!(device.holds("writeback_limit"), (3 * page / 4096).to_string());
        assert_eq!(device.writeback.limit(), Ok(Some(Bytes::new(3 * page))));
    }

    #[rstest]
    #[case(4, 15, 3)]
    #[case(16, 63, 12)]
    #[case(64, 63, 0)]
    #[case(64, 200, 48)]
    fn pages_of_any_size(#[case] page: u64, #[case] limit: u64, #[case] expected: u64) {
        assert_eq!(units(Bytes::kib(limit), Bytes::kib(page)), expected);
    }

    #[rstest]
    #[case(Selection::Idle, "idle")]
    #[case(Selection::HugeIdle, "huge_idle")]
    fn words(#[case] selection: Selection, #[case] word: &str) {
        let device = Device::new(&["writeback"]);
        device.put("writeback_limit_enable", "1\n");
        assert_eq!(device.writeback.write(selection), Ok(Written::All));
        assert_eq!(device.holds("writeback"), word);
    }

    #[test]
    fn without_a_limit_nothing_is_written() {
        let device = Device::new(&["writeback"]);
        device.put("writeback_limit_enable", "0\n");
        assert!(matches!(device.writeback.write(Selection::Idle), Err(WritebackError::Unlimited(_))));
        assert_eq!(device.holds("writeback"), "");
    }

    #[test]
    fn a_device_that_is_gone() {
        let device = Device::new(&[]);
        assert!(matches!(device.writeback.write(Selection::Idle), Err(WritebackError::Gone(_))));
        assert!(matches!(device.writeback.mark_all(), Err(WritebackError::Gone(_))));
        assert!(matches!(device.writeback.set_limit(Bytes::ZERO), Err(WritebackError::Gone(_))));
        assert_eq!(device.writeback.limit(), Ok(None));
    }

    #[test]
    fn answers_are_told_apart() {
        let answer = |errno| {
            WritebackError::from(Error::System {
                operation: lowtide_kernfs::Operation::Write,
                path: Path::new("/sys/block/zram0/writeback").into(),
                errno,
            })
        };
        assert!(matches!(answer(Errno::ENOSPC), WritebackError::BackingFull(_)));
        assert!(matches!(answer(Errno::ENODEV), WritebackError::Gone(_)));
        assert!(matches!(answer(Errno::EAGAIN), WritebackError::Busy(_)));
        assert!(matches!(answer(Errno::EINVAL), WritebackError::Unsupported(_)));
        assert!(matches!(answer(Errno::EIO), WritebackError::Kernel(_)));
    }
}
