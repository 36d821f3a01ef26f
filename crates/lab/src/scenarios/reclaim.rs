//! One `memory.reclaim` of a tenant by hand, then the sudden touch: what both cost, and that the figures of
//! the lab agree from run to run when reclaim and faults take part.

use super::Scenario;
use crate::guest::zram::{ZramOptions, ZramUse};
use crate::guest::{Cgroup, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::pages::Truth;
use crate::tenant::report::{Event, Report};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "reclaim",
    about: "memory.reclaim of 80 MiB from the baseline tenant to zram by hand, then its sudden touch",
    machine: Machine::deterministic,
    programs: &[],
    guest,
    judge,
};

/// What the guest found.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    kind: String,
    /// Seconds of the writes to memory.reclaim.
    reclaim_seconds: f64,
    /// Where the pages were afterwards.
    truth: Truth,
    zram: ZramUse,
    /// Seconds the tenant took to touch all of its memory.
    touch_all_seconds: f64,
    /// The tenant's last report.
    end: Report,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let zram = Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    let cgroup = Cgroup::create("tenants/a")?;
    let tenant = Tenant::start("a", &cgroup, &["--warm-every", "5s"])?;
    sleep(Duration::from_secs(12));
    let reclaim_seconds = reclaim(&cgroup)?;
    tenant.ask_truth()?;
    let truth = wait_for(&tenant, Event::Asked)?.truth.context("asked, but no truth")?;
    let usage = zram.usage()?;
    tenant.touch_all()?;
    let touch_all_seconds = wait_for(&tenant, Event::TouchedAll)?.seconds.context("no duration")?;
    sleep(Duration::from_secs(5));
    let end = tenant.stop()?;
    report::emit(&Found {
        kind: "reclaim".to_owned(),
        reclaim_seconds,
        truth,
        zram: usage,
        touch_all_seconds,
        end,
    })
}

/// In chunks; less than asked (EAGAIN) is part of the experiment.
fn reclaim(cgroup: &Cgroup) -> Result<f64> {
    let begin = Instant::now();
    for _ in 0..5 {
        if let Err(error) = cgroup.write("memory.reclaim", "16M") {
            println!("{error:#}");
        }
        sleep(Duration::from_millis(100));
    }
    println!("left in memory: {:.1} MiB", mib(cgroup.read_number("memory.current")?));
    Ok((begin.elapsed().saturating_sub(Duration::from_millis(500))).as_secs_f64())
}

fn wait_for(tenant: &Tenant, event: Event) -> Result<Report> {
    for _ in 0..1000 {
        if let Some(report) = tenant.reports()?.into_iter().rev().find(|report| report.event == event) {
            return Ok(report);
        }
        sleep(Duration::from_millis(20));
    }
    anyhow::bail!("the tenant did not report {event:?} within 20 s")
}

fn judge(outcome: &Outcome) -> Result<()> {
    let found: Found = outcome.result("reclaim")?;
    println!("kernel {}, {:.1} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    println!("{:>14}  {:.4} s for 5 x 16 MiB", "reclaim", found.reclaim_seconds);
    for (name, places) in [("hot", found.truth.hot), ("warm", found.truth.warm), ("cold", found.truth.cold)] {
        println!("{name:>14}  {:.1} MiB in DRAM, {:.1} MiB gone", mib(places.resident), mib(places.gone()));
    }
    println!(
        "{:>14}  {:.1} MiB in {:.1} MiB of DRAM",
        "zram",
        mib(found.zram.stored),
        mib(found.zram.memory)
    );
    println!("{:>14}  {:.4} s for all pages", "sudden touch", found.touch_all_seconds);
    println!("{:>14}  {:.1} operations per busy second", "throughput", found.end.rate);
    ensure!(found.truth.cold.gone() > 0, "memory.reclaim moved nothing");
    Ok(())
}
