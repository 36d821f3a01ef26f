//! A thousand cgroups under one policy: what one turn of the loop costs.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, ProcessUse, SyscallCount, Zram, cgroup, http, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "thousand",
    about: "what a tick costs with 1, 100 and 1000 cgroups under one policy: system calls, CPU, memory",
    // Without it the kernel may come to distrust the counted clock, and count CPU in steps of 4 ms from then
    // on.
    machine: || Machine::deterministic().with_kernel_arg("tsc=reliable").with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// The sizes that are measured; each adds to the cgroups of the one before.
const SIZES: [usize; 3] = [1, 100, 1000];
const TICKS: u64 = 10;
const INTERVAL: Duration = Duration::from_secs(1);
const METRICS: &str = "127.0.0.1:9464";

/// Full mode, so that pressure and everything else is read that decides; the floor keeps it from asking for
/// memory, which is not the tick's own cost.
const CONFIG: &str = "
interval: 1s
metrics: { listen: 127.0.0.1:9464 }
policies:
  - name: many
    match: [/many/*]
    mode: full
    limits: { floor: 1GiB }
";

/// What was measured with so many cgroups.
#[derive(Debug, Serialize, Deserialize)]
struct Cost {
    kind: String,
    cgroups: usize,
    ticks: u64,
    /// System calls of the thread that ticks, all of them in the time of those ticks.
    calls: BTreeMap<String, u64>,
    /// Processor time of the whole daemon in that time.
    cpu: Duration,
    /// The part of it that the kernel took, to 10 ms.
    kernel_cpu: Duration,
    /// The daemon's own figure for the last tick.
    tick_cpu: f64,
    process: ProcessUse,
    /// Of one scrape of /metrics.
    scrape: Duration,
    page: usize,
}

/// What a file of a cgroup takes of the kernel's memory as long as its descriptor is kept, in bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    kind: String,
    /// Opened, not read yet.
    opened: u64,
    /// Read once: the kernel keeps the buffer (`seq_read_iter`, fs/seq_file.c).
    read: u64,
}

/// Whether the daemon saw what others changed, by the second turn after it.
#[derive(Debug, Serialize, Deserialize)]
struct Changes {
    kind: String,
    /// memory.swap.max.
    limit: bool,
    /// The last process of a cgroup ended.
    unpopulated: bool,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    println!("clock: {}", knobs::read("/sys/devices/system/clocksource/clocksource0/current_clocksource")?);
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    let home = Cgroup::create("lab")?;
    let mut holders = Vec::new();
    report::emit(&kept()?)?;
    for size in SIZES {
        while holders.len() < size {
            holders.push(hold(holders.len())?);
        }
        cgroup::enter(home.path())?;
        report::emit(&measure(size)?)?;
    }
    if let Some(last) = holders.pop() {
        report::emit(&changes(holders.len(), last)?)?;
    }
    for mut holder in holders {
        holder.kill()?;
        holder.wait()?;
    }
    Ok(())
}

/// A process that sleeps on a little memory. This process enters the cgroup first: its child is born there,
/// and needs no second program to move it.
fn hold(index: usize) -> Result<Child> {
    let cgroup = Cgroup::create(&format!("many/{index}"))?;
    cgroup::enter(cgroup.path())?;
    let mut command = Command::new("lab-guest");
    command.args(["hold", "256K"]).stdin(Stdio::null());
    command.spawn().context("cannot start lab-guest")
}

/// Many at once, since the kernel counts its own memory by the slab.
fn kept() -> Result<Kept> {
    const MANY: usize = 500;
    let slab = || {
        let text = knobs::read("/proc/meminfo")?;
        let line = text.lines().find_map(|line| line.strip_prefix("SUnreclaim:"));
        let size = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        size.map(|kib| kib * 1024).context("/proc/meminfo has no SUnreclaim")
    };
    let before = slab()?;
    let open = |_| File::open("/sys/fs/cgroup/lab/memory.pressure");
    let files = (0..MANY).map(open).collect::<std::io::Result<Vec<_>>>()?;
    let opened = slab()?;
    let mut buffer = [0; 512];
    for file in &files {
        ensure!(file.read_at(&mut buffer, 0)? > 0, "memory.pressure is empty");
    }
    let read = slab()?;
    let each = |from: u64, to: u64| to.saturating_sub(from) / MANY as u64;
    Ok(Kept { kind: "kept".into(), opened: each(before, opened), read: each(before, read) })
}

/// A limit that somebody writes, and a process that ends: neither is read in every turn.
fn changes(last: usize, mut holder: Child) -> Result<Changes> {
    let daemon = Daemon::start("thousand-changes", CONFIG)?;
    sleep(4 * INTERVAL);
    let (limited, emptied) = (format!("/many/{}", last - 1), format!("/many/{last}"));
    Cgroup::at(Path::new(&format!("/sys/fs/cgroup{limited}"))).write("memory.swap.max", "4194304")?;
    holder.kill()?;
    holder.wait()?;
    let ticks_before = ticks()?;
    while ticks()? < ticks_before + 2 {
        sleep(INTERVAL / 4);
    }
    let status = daemon.status()?;
    let cgroup = |path: &str| {
        let mut all = status["cgroups"].as_array().into_iter().flatten();
        all.find(|cgroup| cgroup["path"] == path).with_context(|| format!("status has no {path}"))
    };
    let changes = Changes {
        kind: "changes".into(),
        limit: cgroup(&limited)?["memory"]["swap_max"] == 4_194_304,
        unpopulated: cgroup(&emptied)?["decision"]["reason"] == "unpopulated",
    };
    daemon.stop()?;
    Ok(changes)
}

/// Counts from the pause between two ticks to another one, about ten ticks later. Of the daemon only the page
/// of metrics is asked for meanwhile, twice: it is drawn already, and takes ten calls.
fn measure(size: usize) -> Result<Cost> {
    let daemon = Daemon::start(&format!("thousand-{size}"), CONFIG)?;
    // The daemon's own memory warms up.
    sleep(3 * INTERVAL);
    let count = SyscallCount::start(daemon.id())?;
    let calls_before = in_a_pause(&count)?;
    let before = ProcessUse::of(daemon.id())?;
    let ticks_before = ticks()?;
    sleep(INTERVAL * u32::try_from(TICKS)?);
    let ticks = ticks()? - ticks_before;
    let calls = since(&calls_before, &in_a_pause(&count)?);
    let process = ProcessUse::of(daemon.id())?;
    let status = daemon.status()?;
    let started = Instant::now();
    let page = http::get(METRICS, "/metrics")?;
    let scrape = started.elapsed();
    let targets = status["cgroups"].as_array().context("status has no cgroups")?;
    ensure!(targets.len() == size, "{} targets instead of {size}", targets.len());
    let cost = Cost {
        kind: "cost".into(),
        cgroups: size,
        ticks,
        calls,
        cpu: process.cpu.saturating_sub(before.cpu),
        kernel_cpu: process.kernel_cpu.saturating_sub(before.kernel_cpu),
        tick_cpu: seconds(&status["tick_cpu"]).context("no tick_cpu")?,
        process,
        scrape,
        page: page.body.len(),
    };
    drop(count);
    daemon.stop()?;
    Ok(cost)
}

/// The calls so far, when there was none for a while: a tick makes one every few microseconds.
fn in_a_pause(count: &SyscallCount) -> Result<BTreeMap<String, u64>> {
    loop {
        let before = count.calls()?;
        sleep(INTERVAL / 50);
        if count.calls()? == before {
            return Ok(before);
        }
    }
}

/// How many there have been.
fn ticks() -> Result<u64> {
    let page = http::get(METRICS, "/metrics")?.body;
    let line = page.lines().find_map(|line| line.strip_prefix("lowtide_ticks_total "));
    line.and_then(|count| count.parse().ok()).context("/metrics has no lowtide_ticks_total")
}

fn since(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let left = |(name, count): (&String, &u64)| (name.clone(), count - before.get(name).unwrap_or(&0));
    after.iter().map(left).filter(|(_, count)| *count > 0).collect()
}

/// A duration in the daemon's JSON.
fn seconds(value: &serde_json::Value) -> Option<f64> {
    value.as_f64()
}

#[expect(clippy::cast_precision_loss, reason = "figures for a human")]
fn print_table(costs: &[Cost]) {
    println!(
        "| cgroups | system calls | per cgroup | CPU | in the kernel | per cgroup | RSS | peak | scrape | page |"
    );
    println!(
        "|--------:|-------------:|-----------:|----:|--------------:|-----------:|----:|-----:|-------:|-----:|"
    );
    for cost in costs {
        let ticks = cost.ticks as f64;
        let calls = cost.calls.values().sum::<u64>() as f64 / ticks;
        let cpu = cost.cpu.as_secs_f64() / ticks;
        println!(
            "| {} | {calls:.0} | {:.1} | {:.1} ms | {} | {:.0} µs | {:.1} MiB | {:.1} MiB | {:.0} ms | {} KiB |",
            cost.cgroups,
            calls / cost.cgroups as f64,
            cpu * 1e3,
            in_kernel(cost),
            cpu * 1e6 / cost.cgroups as f64,
            mib(cost.process.resident),
            mib(cost.process.peak),
            cost.scrape.as_secs_f64() * 1e3,
            cost.page / 1024
        );
    }
    for cost in costs {
        let (says, locked) = (cost.tick_cpu, mib(cost.process.locked));
        println!("{} cgroups: lowtide_tick_cpu_seconds {says:.4}, {locked:.1} MiB locked", cost.cgroups);
    }
}

/// The kernel tells it in steps of 10 ms only.
fn in_kernel(cost: &Cost) -> String {
    if cost.cpu < Duration::from_millis(200) {
        return "-".to_owned();
    }
    format!("{:.0} %", 100.0 * cost.kernel_cpu.as_secs_f64() / cost.cpu.as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "figures for a human")]
fn judge(outcome: &Outcome) -> Result<()> {
    let costs: Vec<Cost> = outcome.all("cost")?;
    println!(
        "kernel {}, per tick (mean of {TICKS}), {:.0} s wall",
        outcome.kernel,
        outcome.wall.as_secs_f64()
    );
    print_table(&costs);
    let last = costs.last().context("nothing was measured")?;
    let mut calls: Vec<_> = last.calls.iter().collect();
    calls.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (name, count) in calls {
        println!("{name:>24} {:>9.1} a tick", *count as f64 / last.ticks as f64);
    }
    let kept: Kept = outcome.result("kept")?;
    println!(
        "a kept descriptor of a cgroup's file takes {} bytes, {} once it was read",
        kept.opened, kept.read
    );
    let changes: Changes = outcome.result("changes")?;
    let mut verdict = Verdict::default();
    verdict.expect(changes.limit, "a limit that somebody writes is seen by the second turn");
    verdict.expect(changes.unpopulated, "a process that ends is seen by the second turn");
    verdict.expect(costs.len() == SIZES.len(), "every size was measured");
    verdict.expect(costs.iter().all(|cost| cost.ticks + 1 >= TICKS), "over nine ticks or more each");
    verdict.expect(last.process.locked > 0, "the daemon's memory is locked");
    verdict.finish()
}
