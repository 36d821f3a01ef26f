//! Forbidden tiers: not one byte of a cgroup goes where its policy forbids it, by the kernel's own counters,
//! while others go there; and after `kill -9` and `lowtide restore` every knob is as it was.
//!
//! First zram, and a swap disk that is switched on later: then the kernel can no longer be told the two
//! apart. Then zswap over a disk, whose pool is made so small in the end that it overflows. In both, what
//! lowtide asks for is followed by what the kernel takes by itself: large requests that are not lowtide's.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, NullBlock, Snapshot, Tenant, Zram, block, knobs, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "forbidden",
    about: "not one byte in a forbidden tier, by the kernel's counters; every knob back after kill -9 and restore",
    machine: || Machine::deterministic().with_memory(768 * MIB).with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

const TENANT: [&str; 8] = ["--hot", "2M", "--warm", "0", "--cold", "40M", "--pause", "20ms"];

/// The tenants of both runs. What is allowed to each stands in [`tiers`].
const TENANTS: [&str; 4] = ["free", "no-disk", "no-zswap", "none"];

/// So long the loop works by itself.
const WORK: Duration = Duration::from_secs(24);
/// Longer than two turns.
const TURNS: Duration = Duration::from_secs(5);
const SQUEEZE: &str = "30M";

/// What the operator had set, nobody's default: a lost one would show.
const OPERATORS: [(&str, &str); 2] = [("memory.swap.max", "900M"), ("memory.zswap.max", "800M")];

/// What the scenario itself changes after the first look.
const CHANGED: [&str; 2] = ["/proc/swaps", "/sys/module/zswap/parameters/max_pool_percent"];

/// One tenant after one phase.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    kind: String,
    run: String,
    phase: String,
    tenant: String,
    /// memory.swap.current and memory.swap.peak.
    swap: u64,
    peak: u64,
    /// Of memory.stat: uncompressed bytes in zswap, and pages stored there and written on from there.
    zswapped: u64,
    zswpout: u64,
    zswpwb: u64,
    /// Pages written to a device, where the kernel counts them by cgroup (6.14).
    pswpout: Option<u64>,
    /// Written to the swap disk by anybody.
    disk_written: u64,
    /// memory.swap.max, memory.zswap.max, memory.zswap.writeback.
    knobs: [String; 3],
    /// The last decision's second reason.
    file_only: Option<String>,
}

/// The end of a run.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    kind: String,
    run: String,
    /// Knobs that the killed daemon left changed.
    changed: usize,
    /// After `lowtide restore`.
    differences: Vec<String>,
    again: String,
    /// What `lowtide check --environment` said of the host, and `explain` of the tenant without disk.
    environment: String,
    explained: String,
}

fn tiers(tenant: &str) -> &'static str {
    match tenant {
        "no-disk" => "tiers: [{ use: zram }, { use: zswap }]",
        "no-zswap" => "tiers: [{ use: zram }, { use: disk }]",
        "none" => "tiers: [{ use: node }]",
        _ => "",
    }
}

fn config(run: &str) -> String {
    let policies = TENANTS.map(|tenant| {
        format!(
            "
  - name: {tenant}
    match: [/{run}/{tenant}]
    mode: {}
    cold_after: 3s
    slo: {{ memory_pressure: 5%, io_pressure: 10%, promotion_rate: 5%/min }}
    limits: {{ per_minute: 100%, floor: 8MiB }}
    {}",
            // What is held in `file` too is not what lowtide asks for.
            if tenant == "no-zswap" { "file" } else { "full" },
            tiers(tenant)
        )
    });
    format!("interval: 2s\nhotness: {{ source: none }}\npolicies:{}\n", policies.concat())
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let disk = NullBlock::create(0, 256 * MIB, block::SSD_NANOSECONDS)?;
    let zram = Zram::swap(&ZramOptions::lz4(48 * MIB), 100)?;
    let run = Run::start("zram")?;
    sleep(WORK);
    run.look("alone")?;
    swap::on(disk.device(), 10)?;
    sleep(TURNS);
    run.look("with a disk")?;
    run.squeeze(&["no-disk", "none"])?;
    run.look("restricted squeezed")?;
    run.squeeze(&["free", "no-zswap", "free"])?;
    run.look("all squeezed")?;
    run.end()?;
    swap::off(&zram.device())?;
    knobs::set_zswap("max_pool_percent", "10")?;
    knobs::set_zswap("enabled", "Y")?;
    let run = Run::start("zswap")?;
    sleep(WORK);
    run.look("alone")?;
    run.squeeze(&["no-disk", "none"])?;
    run.look("restricted squeezed")?;
    // The pool overflows from now on: the kernel writes on what it may.
    knobs::set_zswap("max_pool_percent", "1")?;
    run.squeeze(&["free", "no-zswap"])?;
    run.look("all squeezed")?;
    run.end()
}

/// Four tenants and a daemon.
struct Run {
    name: String,
    before: Snapshot,
    tenants: Vec<(Cgroup, Tenant)>,
    daemon: Daemon,
}

impl Run {
    fn start(name: &str) -> Result<Self> {
        let mut tenants = Vec::new();
        for tenant in TENANTS {
            let cgroup = Cgroup::create(&format!("{name}/{tenant}"))?;
            for (file, value) in OPERATORS {
                cgroup.write(file, value)?;
            }
            let started = Tenant::start(&format!("{name}-{tenant}"), &cgroup, &TENANT)?;
            tenants.push((cgroup, started));
        }
        let before = Snapshot::take()?;
        Ok(Self { name: name.into(), before, tenants, daemon: Daemon::start(name, &config(name))? })
    }

    fn cgroup(&self, tenant: &str) -> Result<&Cgroup> {
        let path = format!("/{}/{tenant}", self.name);
        let mut cgroups = self.tenants.iter().map(|(cgroup, _)| cgroup);
        cgroups.find(|cgroup| cgroup.name() == path).with_context(|| format!("no tenant {tenant}"))
    }

    fn squeeze(&self, tenants: &[&str]) -> Result<()> {
        for tenant in tenants {
            let asked = self.cgroup(tenant)?.write("memory.reclaim", SQUEEZE);
            println!(
                "{SQUEEZE} of {tenant}: {}",
                asked.map_or_else(|error| format!("{error:#}"), |()| "done".into())
            );
        }
        sleep(TURNS);
        Ok(())
    }

    fn look(&self, phase: &str) -> Result<()> {
        println!("{}: {phase}, after {:.1} s", self.name, knobs::uptime()?);
        for tenant in TENANTS {
            let cgroup = self.cgroup(tenant)?;
            let pages = |name| Ok::<_, anyhow::Error>(cgroup.stat("memory.stat", name)? * 4096);
            let decision = &self.daemon.target(&cgroup.name())?["decision"];
            report::emit(&Seen {
                kind: "seen".into(),
                run: self.name.clone(),
                phase: phase.into(),
                tenant: tenant.into(),
                swap: cgroup.read_number("memory.swap.current")?,
                peak: cgroup.read_number("memory.swap.peak")?,
                zswapped: cgroup.stat("memory.stat", "zswapped")?,
                zswpout: pages("zswpout")?,
                zswpwb: pages("zswpwb")?,
                pswpout: pages("pswpout").ok(),
                disk_written: disk_written()?,
                knobs: knobs_of(cgroup)?,
                file_only: decision["file_only"].as_str().map(str::to_owned),
            })?;
        }
        Ok(())
    }

    /// Of what lowtide could have changed.
    fn differences(&self) -> Result<Vec<String>> {
        let mut differences = Snapshot::take()?.differences(&self.before);
        differences.retain(|line| !CHANGED.iter().any(|path| line.starts_with(path)));
        Ok(differences)
    }

    fn end(mut self) -> Result<()> {
        let said = self.daemon.command(&["check", "--environment"])?;
        let environment =
            String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
        let explained = self.daemon.explain(&format!("/{}/no-disk", self.name))?;
        println!("{environment}\n{explained}");
        self.daemon.kill()?;
        let changed = self.differences()?.len();
        let restored = restore(&self.daemon)?;
        println!("{restored}");
        report::emit(&End {
            kind: "end".into(),
            run: self.name.clone(),
            changed,
            differences: self.differences()?,
            again: restore(&self.daemon)?,
            environment,
            explained,
        })?;
        println!("{}", self.daemon.log()?);
        for (cgroup, tenant) in self.tenants {
            tenant.stop()?;
            cgroup.remove()?;
        }
        Ok(())
    }
}

fn restore(daemon: &Daemon) -> Result<String> {
    let output = daemon.command(&["restore"])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "restore: {text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

fn knobs_of(cgroup: &Cgroup) -> Result<[String; 3]> {
    let [swap, zswap, writeback] = ["memory.swap.max", "memory.zswap.max", "memory.zswap.writeback"];
    Ok([cgroup.read(swap)?, cgroup.read(zswap)?, cgroup.read(writeback)?])
}

/// The seventh number of a block device's `stat`: sectors of 512 bytes.
fn disk_written() -> Result<u64> {
    let text = knobs::read("/sys/block/nullb0/stat")?;
    let sectors: u64 = text.split_whitespace().nth(6).context("nullb0/stat is too short")?.parse()?;
    Ok(sectors * 512)
}

fn judge(outcome: &Outcome) -> Result<()> {
    let seen: Vec<Seen> = outcome.all("seen")?;
    println!(
        "run    phase                tenant     swap    peak  in zswap  stored  written on  disk written  knobs"
    );
    for Seen {
        run,
        phase,
        tenant,
        swap,
        peak,
        zswapped,
        zswpout,
        zswpwb,
        disk_written,
        knobs,
        file_only,
        ..
    } in &seen
    {
        println!(
            "{run:<6} {phase:<20} {tenant:<9} {:>5.1} {:>7.1} {:>9.1} {:>7.1} {:>11.1} {:>13.1}  {} {}",
            mib(*swap),
            mib(*peak),
            mib(*zswapped),
            mib(*zswpout),
            mib(*zswpwb),
            mib(*disk_written),
            knobs.join(" "),
            file_only.as_deref().unwrap_or("-")
        );
    }
    let seen = Looks { seen };
    let mut verdict = Verdict::default();
    seen.judge_zram(&mut verdict)?;
    seen.judge_zswap(&mut verdict)?;
    for end in outcome.all::<End>("end")? {
        judge_end(&end, &mut verdict);
    }
    println!("{:.0} s wall on {}", outcome.wall.as_secs_f64(), outcome.kernel);
    verdict.finish()
}

struct Looks {
    seen: Vec<Seen>,
}

impl Looks {
    fn at(&self, run: &str, phase: &str, tenant: &str) -> Result<&Seen> {
        let is_it = |seen: &&Seen| (&*seen.run, &*seen.phase, &*seen.tenant) == (run, phase, tenant);
        self.seen.iter().find(is_it).with_context(|| format!("{tenant} was not looked at: {run}, {phase}"))
    }

    fn judge_zram(&self, verdict: &mut Verdict) -> Result<()> {
        let [alone, later, squeezed, all] = ["alone", "with a disk", "restricted squeezed", "all squeezed"]
            .map(|phase| move |tenant| self.at("zram", phase, tenant));
        for tenant in ["free", "no-disk"] {
            let swap = alone(tenant)?.swap;
            verdict.expect(swap > 3 * MIB, format!("zram alone: {tenant} has {:.1} MiB there", mib(swap)));
        }
        let peak = all("none")?.peak;
        verdict.expect(peak == 0, format!("zram: none never had a byte in swap (peak {peak})"));
        let (before, after) = (later("no-disk")?, squeezed("no-disk")?);
        verdict.expect(
            after.swap <= before.swap && after.knobs[0] == "0",
            format!("with a disk: no-disk has {} bytes in swap, squeezed {}", before.swap, after.swap),
        );
        verdict.expect(
            after.file_only.as_deref() == Some("tier_forbidden"),
            format!("with a disk: no-disk stays for {:?}", after.file_only),
        );
        verdict.expect(
            after.disk_written == before.disk_written,
            format!(
                "restricted squeezed: {} bytes more on the disk",
                after.disk_written - before.disk_written
            ),
        );
        let others = all("free")?.disk_written - after.disk_written;
        verdict.expect(others > 5 * MIB, format!("the others squeezed: {:.1} MiB on the disk", mib(others)));
        let swap = all("no-disk")?.swap;
        verdict.expect(swap <= before.swap, format!("in the end no-disk has {swap} bytes in swap"));
        Ok(())
    }

    fn judge_zswap(&self, verdict: &mut Verdict) -> Result<()> {
        let [alone, squeezed, all] = ["alone", "restricted squeezed", "all squeezed"]
            .map(|phase| move |tenant| self.at("zswap", phase, tenant));
        let peak = all("none")?.peak;
        verdict.expect(peak == 0, format!("zswap: none never had a byte in swap (peak {peak})"));
        let no_zswap = all("no-zswap")?;
        verdict.expect(
            no_zswap.zswpout == 0 && no_zswap.zswapped == 0 && no_zswap.swap > 5 * MIB,
            format!(
                "no-zswap: {} bytes stored in zswap, {:.1} MiB on the disk",
                no_zswap.zswpout,
                mib(no_zswap.swap)
            ),
        );
        let (before, after, end) = (alone("no-disk")?, squeezed("no-disk")?, all("no-disk")?);
        verdict.expect(
            before.zswpout > 3 * MIB && after.zswpout > before.zswpout,
            format!(
                "no-disk: {:.1} MiB stored in zswap, squeezed {:.1}",
                mib(before.zswpout),
                mib(after.zswpout)
            ),
        );
        verdict.expect(
            after.disk_written == before.disk_written,
            format!(
                "restricted squeezed: {} bytes more on the disk",
                after.disk_written - before.disk_written
            ),
        );
        verdict.expect(
            end.zswpwb == 0 && end.pswpout.is_none_or(|written| written == 0),
            format!("no-disk: {} bytes written on from zswap, {:?} to devices", end.zswpwb, end.pswpout),
        );
        let free = all("free")?;
        verdict.expect(
            free.zswpout > MIB && free.zswpwb > free.zswpout / 2,
            format!("free: {:.1} MiB stored, {:.1} MiB written on", mib(free.zswpout), mib(free.zswpwb)),
        );
        for (tenant, held) in [("no-disk", &end.knobs), ("no-zswap", &no_zswap.knobs), ("free", &free.knobs)]
        {
            let trap = held[1] == "0" && held[2] == "0";
            verdict.expect(!trap, format!("{tenant}: memory.zswap.max {}, writeback {}", held[1], held[2]));
        }
        Ok(())
    }
}

fn judge_end(end: &End, verdict: &mut Verdict) {
    let run = &end.run;
    verdict.expect(
        end.changed >= 3 && end.differences.is_empty() && end.again.starts_with("nothing to put back"),
        format!("{run}: {} knobs left by the kill, after restore {:?} differ", end.changed, end.differences),
    );
    let cannot = end.environment.contains("cannot choose a device")
        && end.explained.contains("cannot choose a device");
    let stays = end.explained.contains("memory.zswap.writeback 0");
    let said = if run == "zram" { cannot } else { stays };
    verdict.expect(said, format!("{run}: check --environment and explain say what cannot be told apart"));
}
