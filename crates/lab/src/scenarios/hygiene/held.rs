//! Memory that programs have the kernel hold.

use super::examine;
use crate::guest::{Zram, knobs, mounts, swap};
use crate::size::MIB;
use anyhow::{Context, Result};
use memmap2::MmapOptions;
use nix::mount::umount;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

/// A page of page tables maps 2 MiB of small pages, so much is taken by one touch in each of them.
const SPARSE: u64 = 100 << 30;
/// Bytes of page tables that this takes.
pub(super) const TABLES: u64 = SPARSE / 512;
/// 16 KiB of stack in the kernel each: 2 % of 512 MiB, and far from 5 % of it, which counts as vmalloc.
const THREADS: usize = 560;
/// Of 2 MiB each. Their records are less than a thousandth of memory.
pub(super) const HUGE_PAGES: u64 = 8;
/// Bytes of a file in tmpfs.
pub(super) const FILE: u64 = 64 * MIB;

/// A read maps the kernel's one page of zeros, so there is nothing but page tables.
pub(super) fn page_tables() -> Result<()> {
    let map = MmapOptions::new().len(usize::try_from(SPARSE)?).no_reserve_swap().map_anon();
    let map = map.context("cannot map the sparse part")?;
    for byte in map.iter().step_by(usize::try_from(2 * MIB)?) {
        black_box(*byte);
    }
    examine("tables")?;
    drop(map);
    examine("unmapped")
}

pub(super) fn threads() -> Result<()> {
    let gate = Barrier::new(THREADS + 1);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| gate.wait());
        }
        let examined = examine("threads");
        gate.wait();
        examined
    })?;
    // Their stacks are freed after a grace period.
    thread::sleep(Duration::from_secs(2));
    examine("ended")
}

pub(super) fn huge_pages() -> Result<()> {
    const POOL: &str = "/proc/sys/vm/nr_hugepages";
    knobs::write(POOL, &HUGE_PAGES.to_string())?;
    examine("huge_pages")?;
    knobs::write(POOL, "0")?;
    examine("given_back")
}

/// Swap is off from here on.
pub(super) fn tmpfs(zram: &Zram) -> Result<()> {
    swap::off(&zram.device())?;
    let directory = Path::new("/mnt/memory");
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    mounts::mount_at("tmpfs", "tmpfs", directory)?;
    fs::write(directory.join("file"), vec![1; usize::try_from(FILE)?]).context("cannot fill tmpfs")?;
    examine("tmpfs")?;
    umount(directory).context("cannot unmount tmpfs")?;
    examine("unmounted")
}
