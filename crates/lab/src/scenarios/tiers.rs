//! `lowtide tiers`: what plan says, apply does once, restore undoes; what holds pages stays; killed at any
//! point, the host comes back.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::{Cgroup, Daemon, NullBlock, Snapshot, Tenant, block, knobs, modules, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::process::output;
use crate::random::Random;
use crate::size::MIB;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tiers",
    about: "tiers apply twice is once, restore keeps what holds pages and puts the rest back, also after kill -9",
    machine: || Machine::deterministic().with_memory(512 * MIB).with_cxl(256 * MIB),
    programs: &["lowtide"],
    guest,
    judge,
};

/// Of `kill -9`, at points spread over a whole apply, or a whole restore.
const ROUNDS: usize = 12;

/// The first disk is blank, the second one formatted as swap.
const CONFIG: &str = "
tiers:
  zram: { size: 50%, memory: 10%, algorithm: ALGORITHM, backing: /dev/nullb0, priority: 100 }
  swap: [{ device: /dev/nullb1, priority: 5 }]
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

/// What the kernel's own caches hold when nobody is left.
#[derive(Debug, Serialize, Deserialize)]
struct Left {
    kind: String,
    /// Bytes of slots that count as used.
    used: u64,
}

/// A daemon with `apply: true`.
#[derive(Debug, Serialize, Deserialize)]
struct AtStart {
    kind: String,
    /// /proc/swaps while it runs.
    with: String,
    /// After its stop, and `restore --keep-tiers`.
    after: String,
    /// After `restore`.
    differences: Vec<String>,
}

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Victim {
    Apply,
    /// Applied again before the restore.
    ApplyAgain,
    Restore,
}

/// In turn.
const VICTIMS: [Victim; 3] = [Victim::Apply, Victim::ApplyAgain, Victim::Restore];

/// One kill.
#[derive(Debug, Serialize, Deserialize)]
struct Round {
    kind: String,
    victim: Victim,
    delay: Duration,
    /// Of the state that it left.
    digest: u64,
    differences: Vec<String>,
    /// Files in the state directory at the end.
    recorded: Vec<String>,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    modules::load("zram", &["num_devices=1"])?;
    for (index, size) in [(0, 64 * MIB), (1, 32 * MIB)] {
        NullBlock::create(index, size, block::SSD_NANOSECONDS)?;
    }
    output("mkswap", &["/dev/nullb1"])?;
    // The record is kept on a disk that takes its time, so that many kills meet it half written.
    let disk = NullBlock::create(2, 64 * MIB, block::DISK_NANOSECONDS)?;
    block::mount_ext4(disk.device(), &Daemon::state_dir_of("tiers"))?;
    let cgroup = Cgroup::create("tenants/a")?;
    let text = tiers()?;
    let config = configure(&text)?;
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
    report::emit(&Left { kind: "left".into(), used: swap::used()? })?;
    host.stage("restore without pages", &["restore"])?;
    host.stage("restore again", &["restore"])?;
    kills(&host)?;
    at_start(&text)
}

/// [`CONFIG`] with an algorithm that this kernel offers and does not take by itself.
fn tiers() -> Result<String> {
    let offered = knobs::read("/sys/block/zram0/comp_algorithm")?;
    let algorithm =
        ["lz4", "zstd", "lzo"].into_iter().find(|name| offered.split(' ').any(|word| word == *name));
    let algorithm = algorithm.with_context(|| format!("no algorithm but the default: {offered}"))?;
    Ok(CONFIG.replace("ALGORITHM", algorithm))
}

fn configure(tiers: &str) -> Result<PathBuf> {
    let state_dir = Daemon::state_dir_of("tiers");
    let config = state_dir.with_file_name("lowtide.yaml");
    let text = format!("state_dir: {}\n{tiers}", state_dir.display());
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
    let text = text
        .replace("backing: /dev/nullb0", "backing: X")
        .replace("device: /dev/nullb1", "device: /dev/nullb0");
    let text =
        text.replace("backing: X", "backing: /dev/nullb1").replacen("algorithm: ", "algorithm: not-", 1);
    fs::write(&wrong, text)?;
    let host = Host { config: wrong, before: host.before.clone() };
    host.stage("apply of what is impossible", &["tiers", "apply"])
}

fn kills(host: &Host) -> Result<()> {
    let timed = |arguments: &[&str]| {
        let started = Instant::now();
        host.must(arguments).map(|_| started.elapsed())
    };
    let (apply, restore) = (timed(&["tiers", "apply"])?, timed(&["restore"])?);
    let mut random = Random::new(4);
    for round in 0..ROUNDS {
        let victim = VICTIMS[round % VICTIMS.len()];
        let (arguments, whole): (&[&str], _) = match victim {
            Victim::Apply | Victim::ApplyAgain => (&["tiers", "apply"], apply),
            Victim::Restore => (&["restore"], restore),
        };
        if victim == Victim::Restore {
            host.must(&["tiers", "apply"])?;
        }
        let delay = Duration::from_micros(random.below(u64::try_from(whole.as_micros())?));
        let mut child = host.command(arguments).stdout(Stdio::null()).spawn()?;
        sleep(delay);
        child.kill().context("cannot kill lowtide")?;
        child.wait()?;
        let digest = digest();
        if victim == Victim::ApplyAgain {
            host.must(&["tiers", "apply"])?;
        }
        host.must(&["restore"])?;
        let differences = host.differences()?;
        let recorded = names(&Daemon::state_dir_of("tiers"))?;
        report::emit(&Round { kind: "round".into(), victim, delay, digest, differences, recorded })?;
    }
    Ok(())
}

/// Of what apply changes, in the middle of it: what cannot be read is a state too.
fn digest() -> u64 {
    let mut hasher = DefaultHasher::new();
    let zram = ["comp_algorithm", "backing_dev", "disksize", "mm_stat"]
        .map(|file| format!("/sys/block/zram1/{file}"));
    let zswap = ["compressor", "max_pool_percent"].map(|file| format!("/sys/module/zswap/parameters/{file}"));
    let others = ["/proc/swaps".to_owned(), "/sys/kernel/mm/numa/demotion_enabled".to_owned()];
    for file in zram.iter().chain(&zswap).chain(&others) {
        knobs::read(file).ok().hash(&mut hasher);
    }
    hasher.finish()
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// The daemon sets it up at its start, and leaves it at its stop.
fn at_start(tiers: &str) -> Result<()> {
    let before = Snapshot::take()?;
    let mut daemon = Daemon::start("tiers-at-start", &tiers.replace("tiers:", "tiers:\n  apply: true"))?;
    let with = knobs::read("/proc/swaps")?;
    daemon.terminate()?;
    let host = Host { config: daemon.config().clone(), before };
    host.must(&["restore", "--keep-tiers"])?;
    let after = knobs::read("/proc/swaps")?;
    println!("{}", daemon.log()?);
    host.must(&["restore"])?;
    report::emit(&AtStart { kind: "at start".into(), with, after, differences: host.differences()? })
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
    let planned_steps = json["steps"].as_array().into_iter().flatten();
    let steps = planned_steps.filter(|step| step["state"] == "to_do").count();
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
        let off = !kept.swaps.contains("/dev/nullb1") && kept.swaps.contains("/dev/zram1");
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
    judge_at_start(&outcome.result("at start")?, &mut verdict);
    let left: Left = outcome.result("left")?;
    println!("{} KiB of slots counted as used when the tenant was gone", left.used >> 10);
    let slow = if planned.said.contains("without effect") { "no slower node" } else { "a slower node" };
    println!("this kernel knows {slow}");
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
    for difference in rounds.iter().flat_map(|round| &round.differences) {
        println!("NOT AS BEFORE after a kill: {difference}");
    }
    let delays: Vec<_> =
        rounds.iter().map(|round| format!("{:.1}", round.delay.as_secs_f64() * 1e3)).collect();
    println!("killed after {} ms", delays.join(", "));
    verdict.expect(
        rounds.len() == ROUNDS && rounds.iter().all(|round| round.differences.is_empty()),
        format!("after {} kills in the middle of apply and restore the host is as before", rounds.len()),
    );
    let states: BTreeSet<_> = rounds.iter().map(|round| round.digest).collect();
    verdict.expect(states.len() >= 4, format!("the kills met {} different states", states.len()));
    let recorded = rounds.iter().flat_map(|round| &round.recorded);
    let recorded: BTreeSet<_> =
        recorded.filter(|name| !["history", "lost+found"].contains(&&***name)).collect();
    verdict.expect(recorded.is_empty(), format!("nothing is left in the state directory, {recorded:?}"));
}

fn judge_at_start(at_start: &AtStart, verdict: &mut Verdict) {
    let is_on = |swaps: &str| swaps.contains("/dev/zram1") && swaps.contains("/dev/nullb1");
    verdict.expect(is_on(&at_start.with), "a daemon with `apply: true` sets it up at its start");
    verdict.expect(is_on(&at_start.after), "its stop and `restore --keep-tiers` leave it on");
    verdict.expect(
        at_start.differences.is_empty(),
        format!("`restore` puts the host back: {:?}", at_start.differences),
    );
}
