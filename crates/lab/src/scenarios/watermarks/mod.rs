//! How early kswapd begins: readers of files larger than memory beside a service that takes memory in bursts,
//! with the watermarks as the kernel has them, at static factors, in adaptivemm's hands and in lowtide's.

mod judge;
mod meter;
mod row;

use super::Scenario;
use crate::guest::block::{NullBlock, SSD_NANOSECONDS};
use crate::guest::{knobs, report};
use crate::machine::Machine;
use crate::size::MIB;
use anyhow::{Result, ensure};
use row::{Keeper, run};
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "watermarks",
    about: "three readers of 1.2 GB each beside bursts of 48 MB on 512 MB: direct reclaim under six keepers of the watermarks",
    machine: || Machine::deterministic().with_memory(512 * MIB).with_limit(Duration::from_mins(40)),
    programs: &["lowtide"],
    guest,
    judge: judge::judge,
};

/// Each reader has a disk of its own, on which nothing is kept.
const READERS: u32 = 3;
const FILE: u64 = 1200 * MIB;
/// One of so many pages is written to.
const DIRTY_EVERY: u32 = 64;
const BURST: u64 = 48 * MIB;
const BURST_EVERY: Duration = Duration::from_millis(100);

/// Of each row, in seconds: the load before anything counts, in which whoever adapts learns, and what counts.
/// The processors are busy all the time, so that a second of it takes five on the wall.
const LEAD_IN: u64 = 5;
const COUNTED: u64 = 7;

const ROWS: [Keeper; 6] = [
    Keeper::Nobody,
    Keeper::Lowtide,
    Keeper::Static(100),
    Keeper::Static(400),
    Keeper::Static(1000),
    Keeper::Adaptivemm,
];

/// A burst is a tenth of this machine, and it needs a head start of more than that while readers take the
/// rest: the bound is not to be in the way here.
const AVAILABLE_LOSS: f64 = 0.8;
const CONFIG: &str = "
interval: 1s
hotness: { source: none }
history: { enabled: false }
watermarks: { adapt: true, max_scale_factor: 3000, available_loss: 80%, protection: 10s }
policies: []
";
/// Four protection times, and some until kswapd's CPU of the load is forgotten.
const PATIENCE: u64 = 90;

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    for number in 0..READERS {
        NullBlock::create_without_content(number, FILE, SSD_NANOSECONDS)?;
    }
    let original: u16 = knobs::read(row::FACTOR)?.parse()?;
    ensure!(original == row::ORIGINAL, "this kernel begins with a factor of {original}");
    ROWS.iter().try_for_each(|keeper| report::emit(&run(*keeper)?))
}
