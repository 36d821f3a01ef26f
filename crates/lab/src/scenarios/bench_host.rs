//! The pack for hosts, proved in machines of the lab: it refuses, cleans up after a kill, and runs with every
//! agent.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::{SSD_NANOSECONDS, mount_ext4};
use crate::guest::{NullBlock, Snapshot, knobs, report};
use crate::machine::{Machine, Root};
use crate::outcome::Outcome;
use crate::size::MIB;
use crate::spec::STAGE;
use crate::work::results::{Mark, Row, Served};
use crate::work::table;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

pub(super) const PACK: Scenario = Scenario {
    name: "bench_pack",
    about: "the pack for hosts on a machine that has nothing but it, and no network",
    machine,
    programs: &[
        "pack/run",
        "pack/lowtide-bench",
        "pack/lowtide",
        "pack/busybox",
        "pack/redis.tar.xz",
        "pack/nginx.tar.xz",
        "pack/postgres.tar.xz",
        "pack/compile.tar.xz",
        "pack/oomd.tar.xz",
    ],
    guest,
    judge,
};

pub(super) const HOST: Scenario = Scenario {
    name: "bench_host",
    about: "the same on a machine with this host's root",
    machine: || machine().with_root(Root::Host),
    ..PACK
};

fn machine() -> Machine {
    // A processor for each group.
    Machine::deterministic().with_cpus(4).with_memory(4096 * MIB).with_limit(Duration::from_mins(40))
}

/// The bench's directory is on a disk of its own.
const DISK: &str = "/srv";
const SECONDS: u64 = 45;
const ROWS: [&str; 4] = ["nobody", "senpai", "oomd", "lowtide"];

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
struct Proof {
    kind: String,
    /// It was started without the word that allows it to change the host.
    refused: bool,
    /// Settings that differed while a run was being killed, and after the clean-up.
    killed: [usize; 2],
    /// Settings that differ after a whole run.
    after: Vec<String>,
    /// What the run wrote.
    figures: Value,
}

fn guest() -> Result<()> {
    let disk = NullBlock::create(0, 1536 * MIB, SSD_NANOSECONDS)?;
    mount_ext4(disk.device(), Path::new(DISK))?;
    let before = Snapshot::take()?;
    let differences = || anyhow::Ok(Snapshot::take()?.differences(&before));
    let refused = !bench("run").status().context("cannot start the bench")?.success();
    let mut killed = start()?;
    wait_for_tenants(&mut killed)?;
    killed.kill().context("cannot kill the bench")?;
    killed.wait().context("cannot wait for the bench")?;
    let left = differences()?.len();
    let cleaned = bench("lowtide-bench").arg("clean").status().context("cannot clean up")?;
    anyhow::ensure!(cleaned.success(), "the clean-up ended with {cleaned}");
    let killed = [left, differences()?.len()];
    let status = start()?.wait().context("cannot wait for the bench")?;
    anyhow::ensure!(status.success(), "the bench ended with {status}");
    let figures = serde_json::from_str(&knobs::read(Path::new(STAGE).join("figures.json"))?)?;
    report::emit(&Proof { kind: "proof".into(), refused, killed, after: differences()?, figures })
}

fn bench(program: &str) -> Command {
    Command::new(Path::new(STAGE).join(program))
}

fn start() -> Result<Child> {
    let mut command = bench("run");
    command.args(["--this-host-may-be-changed", "--work", DISK, "--size", "tiny"]);
    command
        .args(["--seconds", &SECONDS.to_string()])
        .arg("--json")
        .arg(Path::new(STAGE).join("figures.json"));
    command.spawn().context("cannot start the bench")
}

/// Until the first server has memory of its own: then there is everything that is to be cleaned up.
fn wait_for_tenants(bench: &mut Child) -> Result<()> {
    for _ in 0..6000 {
        let redis = Path::new("/sys/fs/cgroup/lowtide-bench/nobody/redis/memory.current");
        if redis.exists() && knobs::read(redis)?.parse::<u64>()? > MIB {
            return Ok(());
        }
        let ended = bench.try_wait().context("cannot ask for the bench")?;
        anyhow::ensure!(ended.is_none(), "the bench ended before it started a server");
        std::thread::sleep(Duration::from_millis(100));
    }
    anyhow::bail!("the bench started no server within ten minutes")
}

fn judge(outcome: &Outcome) -> Result<()> {
    let proof: Proof = outcome.result("proof")?;
    let marks: Vec<Mark> = Vec::deserialize(&proof.figures["marks"]).context("the marks")?;
    let served: Vec<Served> = Vec::deserialize(&proof.figures["served"]).context("the ends")?;
    let rows = ROWS.map(|name| Row::of(name, &marks, &served)).into_iter().collect::<Result<Vec<_>>>()?;
    table::print(&rows);
    println!();
    let mut verdict = Verdict::default();
    verdict.expect(proof.refused, "refuses without --this-host-may-be-changed");
    let [left, cleaned] = proof.killed;
    verdict.expect(
        left > 0 && cleaned == 0,
        format!("{left} settings differ after a kill, {cleaned} after `clean`"),
    );
    verdict.expect(proof.after.is_empty(), format!("after a whole run these differ: {:?}", proof.after));
    for row in &rows {
        let servers = &row.served.load.servers;
        let counts: Vec<_> = servers.iter().map(|(name, of)| (name, of.windows[0].requests)).collect();
        verdict.expect(
            counts.len() == 4 && counts.iter().all(|(_, count)| *count > 0),
            format!("{}: requests {counts:?}", row.name),
        );
    }
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}
