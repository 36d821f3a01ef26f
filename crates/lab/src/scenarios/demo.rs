//! The demonstration: a small server with four tenants, first left alone, then with lowtide.

use super::Scenario;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, NullBlock, Tenant, Zram, block, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::report::Report;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "demo",
    about: "four tenants on one server: 40 s left alone, 120 s with lowtide",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

const ALONE: u64 = 40;
const WITH: u64 = 120;
const EVERY: u64 = 10;

/// What runs on the server, and what is known about it.
struct Kind {
    name: &'static str,
    about: &'static str,
    arguments: &'static [&'static str],
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "web",
        about: "latency-critical: 30 MiB hot, 20 MiB every 15 s, 50 MiB left from start-up",
        arguments: &["--hot", "30M", "--warm", "20M", "--warm-every", "15s", "--cold", "50M"],
    },
    Kind {
        name: "batch",
        about: "throughput: 30 MiB hot, 90 MiB of an earlier phase",
        arguments: &["--hot", "30M", "--warm", "0", "--cold", "90M"],
    },
    Kind {
        name: "files",
        about: "file cache: 20 MiB hot, 80 MiB of a file read once",
        arguments: &["--hot", "20M", "--warm", "0", "--cold", "80M", "--file", "/mnt"],
    },
    Kind {
        name: "idle",
        about: "mostly idle: 4 MiB hot, 60 MiB cold",
        arguments: &["--hot", "4M", "--warm", "0", "--cold", "60M"],
    },
];

const CONFIG: &str = "
interval: 2s
hotness: { interval: 5s }
policies:
  - name: latency-critical
    match: [/server/web]
    mode: full
    cold_after: 20s
    slo: { memory_pressure: 0.1%, io_pressure: 1%, promotion_rate: 2%/min }
    limits: { per_minute: 30% }
  - name: batch
    match: [/server/batch, /server/idle]
    mode: full
    cold_after: 10s
    slo: { memory_pressure: 1%, io_pressure: 5%, promotion_rate: 5%/min }
    limits: { per_minute: 60% }
  - name: file-cache
    match: [/server/files]
    mode: file
    cold_after: 10s
    limits: { per_minute: 60% }
";

/// What one tenant came to.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    kind: String,
    name: String,
    /// Operations per busy second with lowtide, by those without.
    throughput: f64,
    /// Bytes in DRAM without lowtide, and with it at the end.
    alone: u64,
    with: u64,
    offloaded: u64,
    net_saved: u64,
    /// Slowest of 1000 touches, nanoseconds.
    p999_alone: u64,
    p999: u64,
    /// Share of the last minute stalled on memory.
    pressure: f64,
}

/// What the host came to.
#[derive(Debug, Serialize, Deserialize)]
struct Host {
    kind: String,
    net_saved: i64,
    own: u64,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let zram = Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    let disk = NullBlock::create(0, 512 * MIB, 80_000)?;
    block::mount_ext4(disk.device(), Path::new("/mnt"))?;
    println!("A server with four tenants, zram swap at {}:", zram.device().display());
    for Kind { name, about, .. } in &KINDS {
        println!("  {name:<6} {about}");
    }
    println!("\nFirst {ALONE} s without lowtide:");
    let alone = phase("alone", None, ALONE, &[])?;
    println!("\nNow {WITH} s with lowtide, throughput against the run without:");
    phase("with", Some(CONFIG), WITH, &alone).map(drop)
}

/// A tenant's figures when the phase was over.
struct Measured {
    report: Report,
    current: u64,
}

fn phase(name: &str, config: Option<&str>, seconds: u64, alone: &[Measured]) -> Result<Vec<Measured>> {
    let duration = format!("{seconds}s");
    let mut tenants = Vec::new();
    for kind in &KINDS {
        let cgroup = Cgroup::create(&format!("server/{}", kind.name))?;
        // Short bursts: four tenants share what one emulated processor can do.
        let more = ["--duration", &duration, "--burst", "96", "--compressibility", "0.3"];
        let arguments = [kind.arguments, &more].concat();
        tenants.push((Tenant::start(&format!("{}-{name}", kind.name), &cgroup, &arguments)?, cgroup));
    }
    let daemon = config.map(|config| Daemon::start(name, config)).transpose()?;
    let mut at = 0;
    while at + EVERY < seconds {
        std::thread::sleep(Duration::from_secs(EVERY));
        at += EVERY;
        watch(at, &tenants, daemon.as_ref(), alone)?;
    }
    finish(tenants, daemon, alone)
}

/// Prints a line for each tenant.
fn watch(at: u64, tenants: &[(Tenant, Cgroup)], daemon: Option<&Daemon>, alone: &[Measured]) -> Result<()> {
    let status = daemon.map(Daemon::status).transpose()?;
    println!(
        "{:>5}  {:<6} {:>8} {:>10} {:>9} {:>11}  decision",
        "time", "tenant", "in DRAM", "offloaded", "pressure", "throughput"
    );
    for (index, (tenant, cgroup)) in tenants.iter().enumerate() {
        let report = tenant.reports()?.into_iter().next_back().context("no report yet")?;
        let target = status.as_ref().and_then(|status| find(status, KINDS[index].name));
        let figure = |name: &str| {
            target.map_or(0.0, |target| target["decision"]["figures"][name].as_f64().unwrap_or(0.0))
        };
        let throughput = alone.get(index).map_or_else(
            || format!("{:.0}/s", report.rate),
            |alone| format!("{:.1} %", report.rate / alone.report.rate * 100.0),
        );
        let decision = target.map_or_else(String::new, |target| {
            let decision = &target["decision"];
            format!(
                "{} ({})",
                decision["action"]["kind"].as_str().unwrap_or(""),
                decision["reason"].as_str().unwrap_or("")
            )
        });
        println!(
            "{at:>3} s  {:<6} {:>4.0} MiB {:>6.1} MiB {:>8.3}% {throughput:>11}  {decision}",
            KINDS[index].name,
            mib(cgroup.read_number("memory.current")?),
            figure("offloaded") / 1_048_576.0,
            figure("memory_pressure_minute") * 100.0,
        );
    }
    Ok(())
}

fn find<'a>(status: &'a serde_json::Value, name: &str) -> Option<&'a serde_json::Value> {
    status["cgroups"].as_array()?.iter().find(|target| target["path"] == format!("/server/{name}"))
}

fn finish(
    tenants: Vec<(Tenant, Cgroup)>,
    daemon: Option<Daemon>,
    alone: &[Measured],
) -> Result<Vec<Measured>> {
    let status = daemon.as_ref().map(Daemon::status).transpose()?;
    let mut measured = Vec::new();
    for (index, (tenant, cgroup)) in tenants.into_iter().enumerate() {
        let current = cgroup.read_number("memory.current")?;
        let report = tenant.finish()?;
        cgroup.remove()?;
        if let (Some(status), Some(before)) = (&status, alone.get(index)) {
            let name = KINDS[index].name;
            let target = find(status, name).with_context(|| format!("{name} is no target"))?;
            report::emit(&line(name, target, before, &report, current))?;
        }
        measured.push(Measured { report, current });
    }
    if let (Some(daemon), Some(status)) = (daemon, status) {
        let net_saved = status["net_saved"].as_i64().unwrap_or_default();
        report::emit(&Host {
            kind: "host".into(),
            net_saved,
            own: status["own"].as_u64().unwrap_or_default(),
        })?;
        daemon.stop()?;
    }
    Ok(measured)
}

fn line(name: &str, target: &serde_json::Value, before: &Measured, report: &Report, current: u64) -> Line {
    let figures = &target["decision"]["figures"];
    Line {
        kind: "line".into(),
        name: name.to_owned(),
        throughput: report.rate / before.report.rate,
        alone: before.current,
        with: current,
        offloaded: figures["offloaded"].as_u64().unwrap_or_default(),
        net_saved: target["net_saved"].as_u64().unwrap_or_default(),
        p999_alone: before.report.touch.p999,
        p999: report.touch.p999,
        pressure: figures["memory_pressure_minute"].as_f64().unwrap_or_default(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "megabytes for a table")]
fn judge(outcome: &Outcome) -> Result<()> {
    let lines: Vec<Line> = outcome
        .results
        .iter()
        .filter(|value| value["kind"] == "line")
        .map(Line::deserialize)
        .collect::<Result<_, _>>()?;
    ensure!(lines.len() == KINDS.len(), "{} of {} tenants reported", lines.len(), KINDS.len());
    println!("\nWhat lowtide saved, kernel {}, measured in the same run:\n", outcome.kernel);
    println!(
        "{:<7} {:>12} {:>11} {:>10} {:>10} {:>11} {:>17} {:>9}",
        "tenant", "DRAM without", "with", "offloaded", "net saved", "throughput", "p99.9 touch", "pressure"
    );
    for line in &lines {
        println!(
            "{:<7} {:>8.0} MiB {:>7.0} MiB {:>6.0} MiB {:>6.0} MiB {:>10.2}% {:>6.1} → {:<5.1} µs {:>7.3}%",
            line.name,
            mib(line.alone),
            mib(line.with),
            mib(line.offloaded),
            mib(line.net_saved),
            line.throughput * 100.0,
            line.p999_alone as f64 / 1e3,
            line.p999 as f64 / 1e3,
            line.pressure * 100.0
        );
    }
    let (alone, with) =
        (lines.iter().map(|line| line.alone).sum::<u64>(), lines.iter().map(|line| line.with).sum::<u64>());
    let host: Host = outcome.result("host")?;
    println!("{:<7} {:>8.0} MiB {:>7.0} MiB", "all", mib(alone), mib(with));
    let net = alone.saturating_sub(with) as f64 - zram_cost(&lines) - host.own as f64;
    println!(
        "\nDRAM given back: {:.0} MiB of {:.0} MiB ({:.0} %), net of what zram takes for it and of lowtide's own {:.1} MiB.",
        net / MIB as f64,
        mib(alone),
        net / alone as f64 * 100.0,
        mib(host.own)
    );
    Ok(())
}

/// DRAM that the offloaded pages take in compressed form.
#[expect(clippy::cast_precision_loss, reason = "megabytes for a table")]
fn zram_cost(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.offloaded.saturating_sub(line.net_saved) as f64).sum()
}
