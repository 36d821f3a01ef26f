//! zram devices.

use super::{knobs, modules, swap};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// What a zram device shall be like.
#[derive(Debug, Clone)]
pub struct ZramOptions {
    /// Uncompressed bytes it takes.
    pub size: u64,
    /// Compression algorithm, such as `lz4`, `zstd`.
    pub algorithm: String,
    /// DRAM bytes it may take.
    pub memory_limit: Option<u64>,
    /// A block device for what is written back.
    pub backing: Option<PathBuf>,
}

impl ZramOptions {
    /// So many bytes, lz4, no limit, no backing device.
    #[must_use]
    pub fn lz4(size: u64) -> Self {
        Self { size, algorithm: "lz4".to_owned(), memory_limit: None, backing: None }
    }
}

/// A zram device.
#[derive(Debug)]
pub struct Zram {
    index: u32,
}

/// What a zram device holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ZramUse {
    /// Uncompressed bytes stored.
    pub stored: u64,
    /// Compressed bytes.
    pub compressed: u64,
    /// DRAM bytes taken, allocator and all.
    pub memory: u64,
}

/// What a zram device has to do with its backing device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BackingUse {
    /// Bytes that lie there.
    pub stored: u64,
    /// Bytes read from there since it was set up.
    pub read: u64,
    /// Bytes written there since it was set up.
    pub written: u64,
}

impl Zram {
    /// Makes a new device.
    pub fn create(options: &ZramOptions) -> Result<Self> {
        modules::load("zram", &["num_devices=0"])?;
        let zram = Self::add()?;
        zram.set_up(options)?;
        Ok(zram)
    }

    /// Makes a new device that has no size yet, and takes nothing.
    pub fn add() -> Result<Self> {
        let index = knobs::read("/sys/class/zram-control/hot_add")?;
        Ok(Self { index: index.parse().with_context(|| format!("hot_add gave {index:?}"))? })
    }

    /// Its number.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Gives it a size and what else there is to set.
    pub fn set_up(&self, options: &ZramOptions) -> Result<()> {
        self.write("comp_algorithm", &options.algorithm)?;
        if let Some(backing) = &options.backing {
            self.write("backing_dev", backing.to_str().context("backing path is not text")?)?;
        }
        self.write("disksize", &options.size.to_string())?;
        if let Some(limit) = options.memory_limit {
            self.write("mem_limit", &limit.to_string())?;
        }
        Ok(())
    }

    /// Makes a new device and swaps on it.
    pub fn swap(options: &ZramOptions, priority: i16) -> Result<Self> {
        let zram = Self::create(options)?;
        swap::on(&zram.device(), priority)?;
        Ok(zram)
    }

    /// The device file.
    #[must_use]
    pub fn device(&self) -> PathBuf {
        PathBuf::from(format!("/dev/zram{}", self.index))
    }

    /// What it holds now.
    pub fn usage(&self) -> Result<ZramUse> {
        parse_mm_stat(&self.read("mm_stat")?)
    }

    /// What lies on its backing device now, and what was read and written there.
    pub fn backing(&self) -> Result<BackingUse> {
        parse_bd_stat(&self.read("bd_stat")?)
    }

    /// Reads one of its sysfs files.
    pub fn read(&self, file: &str) -> Result<String> {
        knobs::read(self.sysfs().join(file))
    }

    /// Writes one of its sysfs files, such as `idle` or `writeback`.
    pub fn write(&self, file: &str, value: &str) -> Result<()> {
        knobs::write(self.sysfs().join(file), value)
    }

    fn sysfs(&self) -> PathBuf {
        Path::new("/sys/block").join(format!("zram{}", self.index))
    }
}

fn parse_mm_stat(text: &str) -> Result<ZramUse> {
    let values: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match values[..] {
        [stored, compressed, memory, ..] => Ok(ZramUse { stored, compressed, memory }),
        _ => anyhow::bail!("mm_stat has {text:?}"),
    }
}

/// Three numbers in units of 4 KiB.
fn parse_bd_stat(text: &str) -> Result<BackingUse> {
    let values: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match values[..] {
        [stored, read, written, ..] => {
            Ok(BackingUse { stored: stored * 4096, read: read * 4096, written: written * 4096 })
        }
        _ => anyhow::bail!("bd_stat has {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_numbers_count() {
        let usage =
            parse_mm_stat("  4096     120   12288        0   12288        0        0        0        0")
                .unwrap();
        assert_eq!(usage, ZramUse { stored: 4096, compressed: 120, memory: 12288 });
        assert!(parse_mm_stat("12").is_err());
        let backing = BackingUse { stored: 4096, read: 8192, written: 12288 };
        assert_eq!(parse_bd_stat("       1        2        3").unwrap(), backing);
        assert!(parse_bd_stat("1 2").is_err());
    }
}
