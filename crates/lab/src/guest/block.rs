//! Block devices whose latency is chosen, and file systems on block devices.

use super::{knobs, modules, mounts};
use crate::process::output;
use crate::size::MIB;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Latency of an SSD, in nanoseconds.
pub const SSD_NANOSECONDS: u64 = 80_000;
/// Latency of a spinning disk, in nanoseconds.
pub const DISK_NANOSECONDS: u64 = 8_000_000;

/// A block device in the guest's own memory that answers after a fixed time on the guest's own clock. Use it
/// instead of a virtio disk where figures count: the host's disk is outside counted time. What is stored on
/// it takes guest memory (outside every cgroup).
#[derive(Debug)]
pub struct NullBlock {
    device: PathBuf,
}

impl NullBlock {
    /// Creates device number `index` (0, 1, ...) of so many bytes.
    pub fn create(index: u32, bytes: u64, completion_nanoseconds: u64) -> Result<Self> {
        Self::make(index, bytes, completion_nanoseconds, 1)
    }

    /// As [`NullBlock::create`], with nothing behind it: what is written is lost, what is read is anything,
    /// and it takes no memory, so it may be larger than the machine.
    pub fn create_without_content(index: u32, bytes: u64, completion_nanoseconds: u64) -> Result<Self> {
        Self::make(index, bytes, completion_nanoseconds, 0)
    }

    fn make(index: u32, bytes: u64, completion_nanoseconds: u64, memory_backed: u64) -> Result<Self> {
        modules::load("null_blk", &["nr_devices=0"])?;
        mounts::ensure_configfs()?;
        let null_block = Self { device: PathBuf::from(format!("/dev/nullb{index}")) };
        let directory = null_block.directory();
        fs::create_dir(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        for (file, value) in [
            ("size", bytes / MIB),
            ("blocksize", 4096),
            ("memory_backed", memory_backed),
            ("irqmode", 2),
            ("completion_nsec", completion_nanoseconds),
            ("power", 1),
        ] {
            knobs::write(directory.join(file), &value.to_string())?;
        }
        Ok(null_block)
    }

    /// Makes it anew with another latency: what is on it is lost, its counters begin again, and nobody may
    /// use it.
    pub fn set_latency(&self, completion_nanoseconds: u64) -> Result<()> {
        let settings = [("power", 0), ("completion_nsec", completion_nanoseconds), ("power", 1)];
        settings
            .iter()
            .try_for_each(|(file, value)| knobs::write(self.directory().join(file), &value.to_string()))
    }

    /// One page in each request, so that as many pages as the queue has places (64) take all of them. Whoever
    /// writes one more waits in the kernel, and hears no signal, until one ends (`blk_mq_get_tag`,
    /// block/blk-mq-tag.c; 6.12).
    pub fn take_single_pages(&self) -> Result<()> {
        let name =
            self.device.file_name().and_then(|name| name.to_str()).context("device path is not text")?;
        knobs::write(format!("/sys/block/{name}/queue/max_sectors_kb"), "4")?;
        knobs::write(format!("/sys/block/{name}/queue/nomerges"), "2")
    }

    fn directory(&self) -> PathBuf {
        Path::new("/sys/kernel/config/nullb").join(self.device.file_name().unwrap_or_default())
    }

    /// The device file.
    #[must_use]
    pub fn device(&self) -> &Path {
        &self.device
    }
}

/// Makes an ext4 file system on `device` and mounts it at `directory`: a place for files whose pages are real
/// file cache (the guest's root is in memory, its pages are swapped like anonymous ones).
pub fn mount_ext4(device: &Path, directory: &Path) -> Result<()> {
    let device = device.to_str().context("device path is not text")?;
    output("mkfs.ext4", &["-q", "-F", "-O", "^has_journal", device])?;
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    modules::load("ext4", &[])?;
    mounts::mount_at(device, "ext4", directory)
}
