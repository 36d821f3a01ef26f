//! `lowtide tiers`: what plan says, apply does once, restore undoes; what holds pages stays; killed at any point, the host
//! comes back.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::{Cgroup, Daemon, Snapshot, Tenant, knobs, modules, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::process::output;
use crate::random::Random;
use crate::size::MIB;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tiers",
    about: "tiers apply twice is once, restore keeps what holds pages and puts the rest back, also after kill -9",
    machine: || {
        Machine::deterministic()
            .with_memory(512 * MIB)
            .with_cxl(256 * MIB)
            .with_disk(64 * MIB)
            .with_disk(32 * MIB)
    },
    programs: &["lowtide"],
    guest,
    judge,
};

/// Of `kill -9`, at points spread over a whole apply.
const ROUNDS: usize = 24;

/// The first disk is blank, the second one formatted as swap.
const CONFIG: &str = "
tiers:
  zram: { size: 50%, memory: 10%, algorithm: ALGORITHM, backing: /dev/vda, priority: 100 }
  swap: [{ device: /dev/vdb, priority: 5 }]
  zswap: { enabled: false, compressor: ALGORITHM, max_pool_percent: 33 }
  demotion: true
";

const TENANT: [&str; 6] = ["--hot", "2M", "--cold", "24M", "--pause", "20ms"];

/// One `lowtide` command and what the host was like after it.
#[derive(Debug, Serialize, Deserialize)]
struct Stage {
    kind: String,
    name: String,
    status: i32,
    said: String,
    /// What is not as it was before anything was done.
    differences: Vec<String>,
    /// /proc/swaps.
    swaps: String,
}

/// One kill in the middle of apply.
#[derive(Debug, Serialize, Deserialize)]
struct Round {
    kind: String,
    delay: Duration,
    /// Differences that the killed apply left.
    left: usize,
    /// Apply was run again before the restore.
    again: bool,
    differences: Vec<String>,
    state: Vec<String>,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    modules::load("zram", &["num_devices=1"])?;
    output("mkswap", &["/dev/vdb"])?;
    let cgroup = Cgroup::create("tenants/a")?;
    let config = configure()?;
    let host = Host { config, before: Snapshot::take()? };
    refusals(&host)?;
    host.stage("plan", &["tiers", "plan"])?;
    host.stage("plan as JSON", &["tiers", "plan", "--json"])?;
    host.stage("apply", &["tiers", "apply"])?;
    host.stage("apply again", &["tiers", "apply"])?;
    let tenant = Tenant::start("a", &cgroup, &TENANT)?;
    let asked = cgroup.write("memory.reclaim", "20M");
    println!("reclaim of 20M: {asked:?}");
    host.stage("restore with pages", &["restore"])?;
    host.stage("restore with pages again", &["restore"])?;
    tenant.stop().map(drop)?;
    host.stage("restore without pages", &["restore"])?;
    host.stage("restore again", &["restore"])?;
    kills(&host)
}

/// The host's configuration: an algorithm that this kernel offers and does not take by itself.
fn configure() -> Result<PathBuf> {
    let offered = knobs::read("/sys/block/zram0/comp_algorithm")?;
    let algorithm =
        ["lz4", "zstd", "lzo"].into_iter().find(|name| offered.split(' ').any(|word| word == *name));
    let algorithm = algorithm.with_context(|| format!("no algorithm but the default: {offered}"))?;
    let state_dir = Daemon::state_dir_of("tiers");
    fs::create_dir_all(&state_dir)?;
    let config = state_dir.with_file_name("lowtide.yaml");
    let text = format!("state_dir: {}\n{}", state_dir.display(), CONFIG.replace("ALGORITHM", algorithm));
    fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
    Ok(config)
}

struct Host {
    config: PathBuf,
    before: Snapshot,
}

impl Host {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("lowtide");
        command.args(arguments).arg("--config").arg(&self.config).stdin(Stdio::null());
        command
    }

    fn differences(&self) -> Result<Vec<String>> {
        Ok(Snapshot::take()?.differences(&self.before))
    }

    fn stage(&self, name: &str, arguments: &[&str]) -> Result<()> {
        let done = self.command(arguments).output().context("cannot start lowtide")?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        println!("--- {name}: {}\n{said}", done.status);
        report::emit(&Stage {
            kind: "stage".into(),
            name: name.into(),
            status: done.status.code().context("lowtide was killed")?,
            said,
            differences: self.differences()?,
            swaps: knobs::read("/proc/swaps")?,
        })
    }

    fn must(&self, arguments: &[&str]) -> Result<String> {
        let done = self.command(arguments).output().context("cannot start lowtide")?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        ensure!(done.status.success(), "lowtide {arguments:?}: {said}");
        Ok(said)
    }
}

/// A backing device that holds something: named before anything is written.
fn refusals(host: &Host) -> Result<()> {
    let wrong = host.config.with_file_name("wrong.yaml");
    let text = fs::read_to_string(&host.config)?;
    let text =
        text.replace("backing: /dev/vda", "backing: X").replace("device: /dev/vdb", "device: /dev/vda");
    let text = text.replace("backing: X", "backing: /dev/vdb").replacen("algorithm: ", "algorithm: not-", 1);
    fs::write(&wrong, text)?;
    let host = Host { config: wrong, before: host.before.clone() };
    host.stage("apply of what is impossible", &["tiers", "apply"])
}

fn kills(host: &Host) -> Result<()> {
    let started = Instant::now();
    host.must(&["tiers", "apply"])?;
    let whole = started.elapsed();
    host.must(&["restore"])?;
    let mut random = Random::new(4);
    for round in 0..ROUNDS {
        let span = u64::try_from(whole.as_micros() * 5 / 4)?;
        let delay = Duration::from_micros(random.below(span));
        let mut child = host.command(&["tiers", "apply"]).stdout(Stdio::null()).spawn()?;
        sleep(delay);
        child.kill().context("cannot kill lowtide")?;
        child.wait()?;
        let left = host.differences()?.len();
        let again = round % 2 == 1;
        if again {
            host.must(&["tiers", "apply"])?;
        }
        host.must(&["restore"])?;
        let differences = host.differences()?;
        report::emit(&Round { kind: "round".into(), delay, left, again, differences, state: files(host)? })?;
    }
    Ok(())
}

fn files(host: &Host) -> Result<Vec<String>> {
    let directory = host.config.with_file_name("state");
    let entries = fs::read_dir(Path::new(&directory))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn judge(outcome: &Outcome) -> Result<()> {
    let stages: Vec<Stage> = outcome.all("stage")?;
    let rounds: Vec<Round> = outcome.all("round")?;
    let mut verdict = Verdict::default();
    for stage in &stages {
        println!("{}: exit {}, {} settings differ", stage.name, stage.status, stage.differences.len());
    }
    let stage =
        |name: &str| stages.iter().find(|stage| stage.name == name).with_context(|| format!("no {name}"));
    let impossible = stage("apply of what is impossible")?;
    verdict.expect(
        impossible.status == 1
            && impossible.differences.is_empty()
            && ["this kernel offers", "it holds swap space", "not formatted as swap"]
                .iter()
                .all(|why| impossible.said.contains(why)),
        "three impossible things are named, and nothing is written",
    );
    let planned = stage("plan")?;
    verdict.expect(
        planned.status == 0 && planned.differences.is_empty() && planned.said.contains("to do"),
        "plan says what is to do, and changes nothing",
    );
    let json: serde_json::Value = serde_json::from_str(&stage("plan as JSON")?.said)?;
    let states: Vec<_> =
        json.as_array().into_iter().flatten().map(|step| step["state"].to_string()).collect();
    let steps = states.iter().filter(|state| *state == "\"to_do\"").count();
    let applied = stage("apply")?;
    let done = applied.said.lines().filter(|line| line.starts_with("done ")).count();
    verdict.expect(
        applied.status == 0 && done == steps && steps >= 9,
        format!("apply did {done} steps of {steps} planned"),
    );
    judge_again(applied, stage("apply again")?, &mut verdict);
    for name in ["restore with pages", "restore with pages again"] {
        let kept = stage(name)?;
        let lives =
            kept.said.lines().any(|line| line.starts_with("/dev/zram1: KEPT: ") && line.contains("MiB"));
        let off = !kept.swaps.contains("/dev/vdb") && kept.swaps.contains("/dev/zram1");
        verdict.expect(
            kept.status == 1 && lives && off,
            format!("{name}: the device with pages is kept and said, the empty one is off"),
        );
    }
    for name in ["restore without pages", "restore again"] {
        let restored = stage(name)?;
        for difference in &restored.differences {
            println!("NOT AS BEFORE: {difference}");
        }
        verdict.expect(
            restored.status == 0 && restored.differences.is_empty(),
            format!("{name}: the host is as before"),
        );
    }
    judge_kills(&rounds, &mut verdict);
    println!("{:.0} s wall on {}", outcome.wall.as_secs_f64(), outcome.kernel);
    verdict.finish()
}

fn judge_again(first: &Stage, second: &Stage, verdict: &mut Verdict) {
    verdict.expect(
        second.status == 0 && !second.said.contains("done ") && second.said.contains("nothing to do"),
        "apply again has nothing to do",
    );
    verdict.expect(
        first.differences == second.differences && first.swaps == second.swaps,
        format!("and the host is as after the first one, {} settings from before", first.differences.len()),
    );
}

fn judge_kills(rounds: &[Round], verdict: &mut Verdict) {
    let lefts: Vec<_> = rounds.iter().map(|round| round.left).collect();
    println!("settings that killed applies left different: {lefts:?}");
    for difference in rounds.iter().flat_map(|round| &round.differences) {
        println!("NOT AS BEFORE after a kill: {difference}");
    }
    verdict.expect(
        rounds.len() == ROUNDS && rounds.iter().all(|round| round.differences.is_empty()),
        format!("after {} kills in the middle of apply the host is as before", rounds.len()),
    );
    let kinds: BTreeSet<_> = lefts.iter().filter(|left| **left > 0).collect();
    verdict.expect(kinds.len() >= 3, format!("the kills met {} different states in between", kinds.len()));
    verdict.expect(
        rounds.iter().all(|round| round.state.iter().all(|file| file == "lock")),
        "nothing is left recorded",
    );
}
