//! redis and nginx with data sets of which most is cold: what nobody, senpai.py and lowtide leave in DRAM,
//! and how long requests take.

mod judge;
mod row;

use super::Scenario;
use crate::guest::block::{SSD_NANOSECONDS, mount_ext4};
use crate::guest::zram::ZramOptions;
use crate::guest::{NullBlock, Zram, generations, knobs};
use crate::machine::Machine;
use crate::size::MIB;
use crate::work::agents::Agents;
use crate::work::latency::Window;
use crate::work::servers::{Images, Ports};
use crate::work::sizes::{Order, Sizes};
use crate::work::usage::FINCORE;
use crate::work::{nginx, redis};
use anyhow::{Context, Result};
use std::path::Path;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "real_work",
    about: "redis and nginx, most of their data cold: nobody, senpai.py and lowtide, each for 240 s",
    machine,
    programs: &["lowtide", nginx::PROGRAM],
    guest: || run(&Variant::SHORT),
    judge: |outcome| judge::judge(outcome, &Variant::SHORT),
};

pub(super) const OFF: Scenario = Scenario {
    name: "real_work_off",
    about: "real_work with MGLRU switched off",
    guest: || run(&Variant { mglru: false, ..Variant::SHORT }),
    ..SCENARIO
};

pub(super) const HUGE: Scenario = Scenario {
    name: "real_work_huge",
    about: "real_work with transparent huge pages wherever the kernel can have them",
    guest: || run(&Variant { huge: true, ..Variant::SHORT }),
    ..SCENARIO
};

pub(super) const LONG: Scenario = Scenario {
    name: "real_work_long",
    about: "real_work for 30 minutes, nobody and lowtide",
    machine: || machine().with_limit(Duration::from_hours(2)),
    guest: || run(&Variant::LONG),
    judge: |outcome| judge::judge(outcome, &Variant::LONG),
    ..SCENARIO
};

pub(super) const IN_ORDER: Scenario = Scenario {
    name: "real_work_in_order",
    about: "real_work with keys set and files read in the order of their popularity: those that share a page are alike, and the hot ones were first",
    guest: || run(&Variant { order: Order::Popularity, ..Variant::SHORT }),
    ..SCENARIO
};

pub(super) const LONG_IN_ORDER: Scenario = Scenario {
    name: "real_work_long_in_order",
    about: "real_work_long with keys set and files read in the order of their popularity",
    guest: || run(&Variant { order: Order::Popularity, ..Variant::LONG }),
    ..LONG
};

/// Where the servers' programs and nginx's files are: on a disk, so that they are page cache.
const DISK: &str = "/srv";

fn machine() -> Machine {
    let machine = Machine::deterministic().with_limit(Duration::from_mins(40));
    machine.with_packed(redis::INSTALLED).with_packed(FINCORE)
}

/// What differs between the scenarios.
#[derive(Debug, Clone)]
struct Variant {
    rows: &'static [Agents],
    /// Seconds at which each row is looked at; the last ends it.
    marks: &'static [u64],
    windows: &'static [Window],
    /// Seconds at which `lowtide explain` is asked.
    explained: &'static [u64],
    mglru: bool,
    huge: bool,
    order: Order,
}

impl Variant {
    const SHORT: Self = Self {
        rows: &[Agents::Nobody, Agents::Senpai, Agents::Lowtide],
        marks: &[60, 120, 180, 240],
        windows: &[Window { from: 0, to: 240 }, Window { from: 120, to: 240 }],
        explained: &[120, 240],
        mglru: true,
        huge: false,
        order: Order::Shuffled,
    };

    const LONG: Self = Self {
        rows: &[Agents::Nobody, Agents::Lowtide],
        marks: &[60, 120, 240, 600, 1200, 1800],
        windows: &[
            Window { from: 0, to: 240 },
            Window { from: 0, to: 1800 },
            Window { from: 1200, to: 1800 },
        ],
        explained: &[120, 240, 1800],
        ..Self::SHORT
    };

    fn seconds(&self) -> u64 {
        self.marks.iter().copied().max().unwrap_or_default()
    }
}

fn run(variant: &Variant) -> Result<()> {
    let sizes = Sizes { order: variant.order, ..Sizes::LAB };
    knobs::set_huge_pages(if variant.huge { "always" } else { "never" })?;
    if variant.mglru {
        generations::switch_on()?;
    } else {
        knobs::write("/sys/kernel/mm/lru_gen/enabled", "n")
            .context("this kernel has no MGLRU to switch off")?;
    }
    let zram = Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    // Programs and libraries take some 30 MiB.
    let disk = NullBlock::create(0, sizes.file_bytes() + 96 * MIB, SSD_NANOSECONDS)?;
    mount_ext4(disk.device(), Path::new(DISK))?;
    let images = Images::create(Path::new(DISK), Ports { redis: 6379, nginx: 8080 }, &sizes)?;
    variant.rows.iter().try_for_each(|agents| row::run(*agents, variant, &sizes, &images, &zram))
}
