//! Swap devices and files.

use super::knobs;
use crate::process::output;
use anyhow::{Context, Result};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Formats `device` and swaps on it; a higher `priority` is filled first.
pub fn on(device: &Path, priority: i16) -> Result<()> {
    let device = device.to_str().context("device path is not text")?;
    output("mkswap", &[device])?;
    output("swapon", &["--priority", &priority.to_string(), device]).map(drop)
}

/// Swaps off; its pages come back to DRAM first.
pub fn off(device: &Path) -> Result<()> {
    output("swapoff", &[device]).map(drop)
}

/// A swap file of so many bytes, on a file system that is on a block device.
pub fn file(path: &Path, bytes: u64) -> Result<()> {
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    drop(file);
    output("fallocate", &["--length", &bytes.to_string(), path.to_str().context("path is not text")?])?;
    on(path, 0)
}

/// Bytes used of all swap.
pub fn used() -> Result<u64> {
    Ok(kilobytes("SwapTotal:")?.saturating_sub(kilobytes("SwapFree:")?) * 1024)
}

/// Bytes free of all swap.
pub fn free() -> Result<u64> {
    Ok(kilobytes("SwapFree:")? * 1024)
}

fn kilobytes(name: &str) -> Result<u64> {
    let text = knobs::read("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|rest| rest.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).with_context(|| format!("/proc/meminfo has no {name}"))
}
