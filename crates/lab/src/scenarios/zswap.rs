//! zswap over a disk: the tenant's truth of what is in the one and what on the other, against the kernel's
//! counters.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::SSD_NANOSECONDS;
use crate::guest::{Cgroup, Generations, NullBlock, Tenant, knobs, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::pages::{Places, Truth};
use crate::tenant::report::Event;
use anyhow::{Context, Result, bail};
use lowtide_kernfs::Root;
use serde::{Deserialize, Serialize};
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "zswap",
    about: "zswap over a disk: the truth tells them apart, whatever the page left in its slot before",
    machine: || Machine::deterministic().with_memory(1 << 30).with_limit(Duration::from_mins(15)),
    programs: &[],
    guest,
    judge,
};

/// As long as less than half of it is used, a page that comes back keeps its slot (`mem_cgroup_swap_full`,
/// mm/memcontrol.c), and goes out to the same one again.
const SIZE: u64 = 64 * MIB;
const DEVICE: &str = "/dev/nullb0";
const ARGS: [&str; 12] = [
    "--hot",
    "0",
    "--warm",
    "0",
    "--cold",
    "12M",
    "--pause",
    "20ms",
    "--verify",
    "--interval",
    "1m",
    "--sunk-to",
];
/// The kernel's counters have besides: the tenant's pages that belong to no part, and what was written and
/// has come back. The truth has besides: what was read ahead and is neither here nor there.
const APART: u64 = MIB / 4;
/// The kernel's counters of a cgroup are up to date after two seconds (`FLUSH_TIME`, mm/memcontrol.c).
const SETTLED: Duration = Duration::from_secs(3);

/// A tenant by its own truth, and by the kernel's counters.
#[derive(Debug, Serialize, Deserialize)]
struct Look {
    kind: String,
    swapped: u64,
    sunk: u64,
    /// `zswapped` of memory.stat.
    zswapped: u64,
    /// To the disk, since the look before.
    written: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    kind: String,
    wrong_pages: Vec<usize>,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let disk = NullBlock::create(0, SIZE, SSD_NANOSECONDS)?;
    swap::on(disk.device(), 10)?;
    knobs::set_zswap("compressor", "lz4")?;
    knobs::set_zswap("enabled", "Y")?;
    let root = Root::open("/")?;

    let mut scene = Scene::begin(&root, "first")?;
    scene.cgroup.write("memory.zswap.max", "0")?;
    scene.take("12M", "disk")?;
    scene.touch_all()?;
    scene.cgroup.write("memory.zswap.max", "max")?;
    scene.take("12M", "touched")?;
    let first = scene.end()?;

    let mut scene = Scene::begin(&root, "second")?;
    scene.take("4M", "second")?;
    scene.cgroup.write("memory.zswap.max", "0")?;
    scene.take("2M", "mixed")?;
    let second = scene.end()?;
    report::emit(&End { kind: "end".into(), wrong_pages: vec![first, second] })
}

struct Scene {
    cgroup: Cgroup,
    tenant: Tenant,
    generations: Generations,
    written: u64,
}

impl Scene {
    fn begin(root: &Root, name: &str) -> Result<Self> {
        let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
        let tenant = Tenant::start(name, &cgroup, &[&ARGS[..], &[DEVICE]].concat())?;
        let generations = Generations::of(root, &cgroup)?.context("there is no MGLRU")?;
        Ok(Self { cgroup, tenant, generations, written: written()? })
    }

    /// Reclaims so much of what is cold, and looks where it is.
    fn take(&mut self, amount: &str, kind: &str) -> Result<()> {
        for _ in 0..3 {
            sleep(Duration::from_secs(1));
            self.generations.walk()?;
        }
        // It may be less: what is written to the disk is not free yet.
        if let Err(error) = self.cgroup.write("memory.reclaim", amount) {
            println!("{error:#}");
        }
        sleep(SETTLED);
        let Places { swapped, sunk, .. } =
            all(&self.tenant.truth()?.truth.context("the truth was asked for")?);
        let zswapped = self.cgroup.stat("memory.stat", "zswapped")?;
        let before = std::mem::replace(&mut self.written, written()?);
        let written = self.written - before;
        report::emit(&Look { kind: kind.into(), swapped, sunk, zswapped, written })
    }

    fn touch_all(&self) -> Result<()> {
        self.tenant.touch_all()?;
        for _ in 0..600 {
            if self.tenant.reports()?.iter().any(|report| report.event == Event::TouchedAll) {
                return Ok(());
            }
            sleep(Duration::from_millis(10));
        }
        bail!("the tenant did not touch its memory within 6 s")
    }

    /// Says how many pages were not what was written to them.
    fn end(self) -> Result<usize> {
        let wrong_pages = self.tenant.stop()?.wrong_pages.context("the tenant verifies")?;
        self.cgroup.remove()?;
        Ok(wrong_pages)
    }
}

/// Bytes written to the disk since it was made (Documentation/block/stat.rst: sectors of 512 bytes).
fn written() -> Result<u64> {
    let stat = knobs::read("/sys/block/nullb0/stat")?;
    let sectors = stat.split_ascii_whitespace().nth(6).context("a block device counts sectors written")?;
    Ok(sectors.parse::<u64>()? * 512)
}

fn all(truth: &Truth) -> Places {
    let mut all = Places::default();
    for Places { resident, slow, swapped, sunk, absent } in [truth.hot, truth.warm, truth.scan, truth.cold] {
        all.resident += resident;
        all.slow += slow;
        all.swapped += swapped;
        all.sunk += sunk;
        all.absent += absent;
    }
    all
}

fn judge(outcome: &Outcome) -> Result<()> {
    let mut verdict = Verdict::default();
    for (kind, what) in [
        ("disk", "memory.zswap.max=0, nothing in zswap"),
        ("touched", "all touched, memory.zswap.max=max"),
        ("second", "another tenant, memory.zswap.max=max"),
        ("mixed", "memory.zswap.max=0 over what is in zswap"),
    ] {
        let Look { swapped, sunk, zswapped, written, .. } = outcome.result(kind)?;
        println!(
            "{what}: {:.2} MiB in swap, {:.2} of it on the disk; zswapped {:.2}, written {:.2}",
            mib(swapped),
            mib(sunk),
            mib(zswapped),
            mib(written)
        );
        let agree = (swapped - sunk).abs_diff(zswapped) < APART && sunk.abs_diff(written) < APART;
        verdict.expect(swapped > 3 * MIB && agree, "the truth and the kernel's counters agree");
        let (where_it_is, what) = match kind {
            "disk" => (sunk == swapped, "all of it is on the disk"),
            "mixed" => (sunk > MIB, "some of it is on the disk"),
            _ => (sunk == 0, "nothing of it is on the disk"),
        };
        verdict.expect(where_it_is, what);
    }
    let End { wrong_pages, .. } = outcome.result("end")?;
    verdict.expect(wrong_pages.iter().all(|wrong| *wrong == 0), "every page holds what was written to it");
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}
