//! zram filled to 95 % with tenants running: the balancer brings it back, without it new offload stops.
//!
//! Two tenants start one after the other, so that their cold parts differ in age, and are offloaded by the
//! scenario itself, in both runs the same way and on and on.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::SSD_NANOSECONDS;
use crate::guest::look::{now, seconds, sleep_until};
use crate::guest::zram::{BackingUse, ZramOptions};
use crate::guest::{Cgroup, Daemon, NullBlock, Tenant, Zram, knobs, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::ages::AgeRow;
use crate::tenant::report::Report;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "balancer",
    about: "zram filled to 95 % with tenants running: drained in the predicted time; without a balancer it fills up",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// DRAM that zram may take.
const LIMIT: u64 = 12 * MIB;
const SIZE: u64 = 128 * MIB;
const FILLED: f64 = 0.95;
const WATERMARK: f64 = 0.80;
const TENANTS: [&str; 2] = ["a", "b"];
const ARGS: [&str; 12] = [
    "--hot",
    "2M",
    "--warm",
    "3M",
    "--warm-every",
    "5s",
    "--cold",
    "36M",
    "--pause",
    "20ms",
    "--burst",
    "128",
];
/// Fine classes of idle age: the order of what sank is judged by them.
const AGES: &str = "10s,15s,20s,25s,30s,35s,40s,45s,50s,55s,60s,65s,70s,75s,80s,85s,90s,95s,100s,105s,110s";
/// Seconds from the moment at which zram is filled to the end of a run.
const WATCHED: f64 = 30.0;
/// Asked of each tenant, every `EVERY` seconds after that.
const MORE: u64 = 256 << 10;
const EVERY: f64 = 2.0;
/// The touches up to so many seconds after that are compared: the first drain is over then, and without a
/// balancer zram is not yet full (what the kernel does then slows tenants down by itself).
const COMPARED: f64 = 7.0;
/// Calls that gain next to nothing, after which the run without a balancer ends: each takes the emulation a
/// minute.
const FUTILE: usize = 1;

const CONFIG: &str = "
interval: 1s
hotness: { source: none }
balancer: { watermark: 80%, low: 70%, scan_interval: 2s, min_age: 10s, rate: 2MiB/s, write_budget: 1GiB/day }
policies:
  - { name: tenants, match: [/tenants/*], mode: observe }
";

/// zram at one moment.
#[derive(Debug, Serialize, Deserialize)]
struct Fill {
    kind: String,
    run: String,
    /// Seconds since it was filled.
    at: f64,
    /// DRAM that it takes.
    memory: u64,
    backing: BackingUse,
    /// All swap slots.
    slots: u64,
    reason: String,
    /// Seconds to the low mark, as the daemon predicts.
    drained_in: Option<f64>,
}

/// One call of memory.reclaim.
#[derive(Debug, Serialize, Deserialize)]
struct Offload {
    kind: String,
    run: String,
    /// Seconds since zram was filled.
    at: f64,
    /// Seconds that it took.
    took: f64,
    /// By how much the uncompressed bytes rose that zram holds, sunk or not. Slots rise too when the store
    /// fails.
    gained: u64,
}

/// How a tenant ended.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    kind: String,
    run: String,
    report: Report,
    /// Its last report before [`COMPARED`].
    compared: Report,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    run("without", 0)?;
    run("with", 1)
}

fn run(name: &str, index: u32) -> Result<()> {
    let disk = NullBlock::create(index, SIZE, SSD_NANOSECONDS)?;
    let options = ZramOptions {
        memory_limit: Some(LIMIT),
        backing: Some(disk.device().to_owned()),
        ..ZramOptions::lz4(SIZE)
    };
    let zram = Zram::swap(&options, 100)?;
    let sunk_from = format!("zram{index}");
    let mut tenants = Vec::new();
    for (number, tenant) in (1_u32..).zip(TENANTS) {
        let own = format!("{tenant}-{name}");
        let cgroup = Cgroup::create(&format!("tenants/{own}"))?;
        let args = [&ARGS[..], &["--ages", AGES, "--sunk-from", &sunk_from]].concat();
        tenants.push((Tenant::start(&own, &cgroup, &args)?, cgroup));
        sleep(Duration::from_secs(8));
        offload(&tenants, number, &zram)?;
    }
    let start = now()?;
    watch(name, start, &zram, &tenants)?;
    for (tenant, cgroup) in tenants {
        let reports = tenant.reports()?;
        let compared = reports.into_iter().rfind(|report| report.clock <= start + COMPARED);
        let compared = compared.context("the tenant reported nothing in time")?;
        let report = tenant.stop()?;
        report::emit(&End { kind: "end".into(), run: name.into(), report, compared })?;
        cgroup.remove()?;
    }
    swap::off(&zram.device())
}

/// Fills zram with memory of the newest tenant, each of them its share.
fn offload(tenants: &[(Tenant, Cgroup)], number: u32, zram: &Zram) -> Result<()> {
    let Some((_, cgroup)) = tenants.last() else { return Ok(()) };
    let share = FILLED * f64::from(number) / f64::from(u32::try_from(TENANTS.len())?);
    // The first call makes the kernel age the pages; EAGAIN is less than asked.
    let _ = cgroup.write("memory.reclaim", "128K");
    sleep(Duration::from_secs(6));
    for _ in 0..400 {
        if mib(zram.usage()?.memory) >= mib(LIMIT) * share {
            break;
        }
        let _ = cgroup.write("memory.reclaim", "256K");
    }
    Ok(())
}

fn watch(run: &str, start: f64, zram: &Zram, tenants: &[(Tenant, Cgroup)]) -> Result<()> {
    report::emit(&fill(run, start, zram, None)?)?;
    let daemon = if run == "with" { Some(Daemon::start("balancer", CONFIG)?) } else { None };
    let mut more = start + EVERY;
    let mut futile = 0;
    while now()? < start + WATCHED && futile < FUTILE {
        let next = now()? + 1.0;
        report::emit(&fill(run, start, zram, daemon.as_ref())?)?;
        if now()? >= more {
            more += EVERY;
            for (_, cgroup) in tenants {
                if futile >= FUTILE {
                    break;
                }
                let offload = offload_more(run, start, zram, cgroup)?;
                futile += usize::from(offload.gained < MORE / 10);
                report::emit(&offload)?;
            }
        }
        sleep_until(next)?;
    }
    report::emit(&fill(run, start, zram, daemon.as_ref())?)?;
    let Some(daemon) = daemon else { return Ok(()) };
    println!("{}", String::from_utf8_lossy(&daemon.command(&["status"])?.stdout));
    println!("{}", daemon.log()?);
    daemon.stop()
}

fn offload_more(run: &str, start: f64, zram: &Zram, cgroup: &Cgroup) -> Result<Offload> {
    let (begun, before) = (now()?, zram.usage()?.stored);
    // EAGAIN is less than asked.
    let _ = cgroup.write("memory.reclaim", &MORE.to_string());
    let (at, took) = (begun - start, now()? - begun);
    let gained = zram.usage()?.stored.saturating_sub(before);
    Ok(Offload { kind: "offload".into(), run: run.into(), at, took, gained })
}

fn fill(run: &str, start: f64, zram: &Zram, daemon: Option<&Daemon>) -> Result<Fill> {
    let status = daemon.map(Daemon::status).transpose()?.unwrap_or_default();
    let decision = &status["balancer"][0]["decision"];
    Ok(Fill {
        kind: "fill".into(),
        run: run.into(),
        at: now()? - start,
        memory: zram.usage()?.memory,
        backing: zram.backing()?,
        slots: swap::used()?,
        reason: decision["reason"].as_str().unwrap_or_default().into(),
        drained_in: seconds(&decision["figures"]["drained_in"]),
    })
}

fn judge(outcome: &Outcome) -> Result<()> {
    let fills: Vec<Fill> = outcome.all("fill")?;
    let ends: Vec<End> = outcome.all("end")?;
    let of = |run: &'static str| fills.iter().filter(move |fill| fill.run == run).collect::<Vec<_>>();
    let (without, with) = (of("without"), of("with"));
    for (name, fills) in [("without", &without), ("with", &with)] {
        println!("{name}\n       s    fill  slots/MiB  sunk/MiB  reason");
        for fill in fills.iter().step_by(2) {
            println!(
                "{:>8.1} {:>6.1}% {:>10.1} {:>9.1}  {}",
                fill.at,
                share(fill) * 100.0,
                mib(fill.slots),
                mib(fill.backing.written),
                fill.reason
            );
        }
    }
    let mut verdict = Verdict::default();
    judge_time(&with, &mut verdict)?;
    judge_peer(&without, &outcome.all("offload")?, &mut verdict);
    judge_order(&ends, &with, &mut verdict)?;
    judge_latency(&ends, &mut verdict)?;
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

fn share(fill: &Fill) -> f64 {
    mib(fill.memory) / mib(LIMIT)
}

fn judge_time(with: &[&Fill], verdict: &mut Verdict) -> Result<()> {
    let first = with.first().context("nothing was watched")?;
    verdict.expect(share(first) >= 0.94, format!("filled to {:.1} % at the start", share(first) * 100.0));
    let most = with.iter().map(|fill| share(fill)).fold(0.0, f64::max);
    verdict.expect(most <= 0.98, format!("{:.1} % at the most", most * 100.0));
    let begun = with.iter().find(|fill| fill.reason == "watermark").context("it never began")?;
    let predicted = begun.drained_in.context("it did not predict")?;
    let under = with.iter().find(|fill| fill.at > begun.at && share(fill) < WATERMARK);
    let under = under.context("it never came under the watermark")?;
    verdict.expect(
        under.at - begun.at <= predicted,
        format!(
            "under the watermark {:.1} s after it began; {predicted:.1} s were predicted for the low mark",
            under.at - begun.at
        ),
    );
    let stays = with.iter().filter(|fill| fill.at > under.at).map(|fill| share(fill)).fold(0.0, f64::max);
    verdict.expect(stays <= WATERMARK + 0.05, format!("{:.1} % at the most after that", stays * 100.0));
    Ok(())
}

/// Without it, zram fills up and calls gain nothing any more; with it they go on as before.
fn judge_peer(without: &[&Fill], offloads: &[Offload], verdict: &mut Verdict) {
    println!("  run      s    took/s  gained/KiB");
    for Offload { run, at, took, gained, .. } in offloads {
        println!("{run:>8} {at:>6.1} {took:>8.2} {:>8}", gained >> 10);
    }
    let full = without.last().map_or(0.0, |fill| share(fill));
    verdict.expect(full >= 0.98, format!("without a balancer zram ends {:.1} % full", full * 100.0));
    let futile = |run: &str| {
        offloads.iter().filter(|offload| offload.run == run && offload.gained < MORE / 10).count()
    };
    verdict.expect(
        futile("without") >= FUTILE && futile("with") == 0,
        format!("calls that gain nothing: {} without, {} with it", futile("without"), futile("with")),
    );
}

/// Of the bytes that sank, those that are among as many of the coldest in swap. What came back was none of
/// them.
fn judge_order(ends: &[End], with: &[&Fill], verdict: &mut Verdict) -> Result<()> {
    let mut all: Vec<AgeRow> = Vec::new();
    let mut parts = [0; 4];
    for end in ends.iter().filter(|end| end.run == "with") {
        let truth = end.report.truth.as_ref().context("the last report says where the pages are")?;
        for (sum, places) in parts.iter_mut().zip([truth.hot, truth.warm, truth.scan, truth.cold]) {
            *sum += places.sunk;
        }
        all.resize(truth.ages.len(), AgeRow::default());
        for (sum, row) in all.iter_mut().zip(&truth.ages) {
            sum.at_least = row.at_least;
            sum.swap += row.swap;
            sum.sunk += row.sunk;
        }
    }
    println!("idle at least   in swap   of it sunk, MiB");
    for row in &all {
        println!("{:>11.0} s {:>9.1} {:>12.1}", row.at_least, mib(row.swap), mib(row.sunk));
    }
    let written = with.last().map_or(0, |fill| fill.backing.written);
    // The youngest class above which no more lies in swap than sank: all that sank should be there.
    let coldest = all.iter().rev().take_while(|row| row.swap <= written).last();
    let within = coldest.map_or(0, |row| row.sunk);
    // Of the class at the border, as much as fits among the coldest may have sunk.
    let border = all.iter().rev().find(|row| row.swap > written);
    let fits = written - coldest.map_or(0, |row| row.swap);
    let at_border = border.map_or(0, |row| row.sunk - within).min(fits);
    let right = mib(within + at_border) / mib(written);
    verdict.expect(
        right >= 0.95,
        format!(
            "{:.1} % of {:.1} MiB that sank are among the coldest (hot {:.1}, warm {:.1}, cold {:.1} MiB)",
            right * 100.0,
            mib(written),
            mib(parts[0]),
            mib(parts[1]),
            mib(parts[3])
        ),
    );
    Ok(())
}

fn judge_latency(ends: &[End], verdict: &mut Verdict) -> Result<()> {
    println!("          touch p99, ns       p99.9            sweep p99       (without, with)");
    for tenant in TENANTS {
        let of = |run: &str| {
            let name = format!("{tenant}-{run}");
            ends.iter().find(|end| end.report.name == name).with_context(|| format!("no end of {name}"))
        };
        let (without, with) = (&of("without")?.compared, &of("with")?.compared);
        println!(
            "{tenant:>6} {:>8} {:>8}  {:>8} {:>8}  {:>8} {:>8}",
            without.touch.p99,
            with.touch.p99,
            without.touch.p999,
            with.touch.p999,
            without.warm_touch.p99,
            with.warm_touch.p99
        );
        for (what, without, with) in [
            ("p99 of touches", without.touch.p99, with.touch.p99),
            ("p99 of sweeps", without.warm_touch.p99, with.warm_touch.p99),
        ] {
            verdict.expect(
                mib(with) <= mib(without) * 1.1,
                format!("{tenant}: {what} {with} ns, {without} without"),
            );
        }
    }
    Ok(())
}
