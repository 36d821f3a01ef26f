//! Settings that lose memory.

use super::examine;
use crate::guest::block::{NullBlock, SSD_NANOSECONDS};
use crate::guest::zram::ZramOptions;
use crate::guest::{Zram, knobs, swap};
use crate::size::MIB;
use anyhow::{Context, Result, bail};
use memmap2::{Advice, MmapMut};
use std::thread::sleep;
use std::time::Duration;

/// More than the machine's memory.
pub(super) fn limit_of_zram() -> Result<()> {
    let zram = Zram::create(&ZramOptions::lz4(512 * MIB))?;
    examine("unbounded")?;
    zram.write("mem_limit", &(64 * MIB).to_string())?;
    examine("bounded")?;
    // Its table of slots counts as vmalloc.
    zram.write("reset", "1")
}

/// The zram device has 100.
pub(super) fn priorities_of_swap() -> Result<()> {
    let disk = NullBlock::create(1, 64 * MIB, SSD_NANOSECONDS)?;
    swap::on(disk.device(), 200)?;
    examine("disk_first")?;
    swap::off(disk.device())?;
    examine("disk_off")
}

/// Pages that are all different are offered to it.
pub(super) fn ksm() -> Result<()> {
    const PAGE: usize = 4096;
    let mut map = MmapMut::map_anon(4096 * PAGE).context("cannot map what is offered")?;
    for (number, page) in (1_u64..).zip(map.chunks_exact_mut(PAGE)) {
        page[..8].copy_from_slice(&number.to_ne_bytes());
    }
    map.advise(Advice::Mergeable).context("this kernel has no KSM")?;
    set_ksm("pages_to_scan", "4096")?;
    set_ksm("run", "1")?;
    wait_for_scans(3)?;
    examine("ksm")?;
    set_ksm("run", "2")?;
    examine("ksm_stopped")
}

fn wait_for_scans(scans: u64) -> Result<()> {
    for _ in 0..60 {
        let made: u64 = knobs::read(ksm_file("full_scans"))?.parse().context("full_scans")?;
        if made >= scans {
            return Ok(());
        }
        sleep(Duration::from_secs(1));
    }
    bail!("KSM made no {scans} scans in a minute")
}

fn set_ksm(file: &str, value: &str) -> Result<()> {
    knobs::write(ksm_file(file), value)
}

fn ksm_file(file: &str) -> String {
    format!("/sys/kernel/mm/ksm/{file}")
}
