//! What was seen, and what has to be so.

use super::super::verdict::Verdict;
use crate::guest::Cgroup;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Of a cgroup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Memory {
    kind: String,
    name: String,
    /// memory.current.
    current: u64,
    /// memory.swap.current.
    swap: u64,
    /// `shmem` of memory.stat: tmpfs in DRAM.
    shmem: u64,
}

impl Memory {
    pub(super) fn of(name: &str, cgroup: &Cgroup) -> Result<Self> {
        let stat = cgroup.read("memory.stat")?;
        let shmem = stat.lines().find_map(|line| line.strip_prefix("shmem "));
        Ok(Self {
            kind: "memory".into(),
            name: name.into(),
            current: cgroup.read_number("memory.current")?,
            swap: cgroup.read_number("memory.swap.current")?,
            shmem: shmem.and_then(|text| text.parse().ok()).context("memory.stat has no shmem")?,
        })
    }
}

impl Memory {
    fn print(&self) {
        let Self { name, current, swap, shmem, .. } = self;
        println!(
            "{name:<8} {:>6.1} MiB, {:>6.1} in swap, {:>6.1} of tmpfs",
            mib(*current),
            mib(*swap),
            mib(*shmem)
        );
    }
}

/// lowtide in its container.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Daemon {
    pub(super) kind: String,
    /// Lines of /proc/PID/status.
    pub(super) capabilities: String,
    pub(super) no_new_privileges: String,
    pub(super) seccomp: String,
    /// VmLck.
    pub(super) locked: u64,
    /// The mount of `/`, a line of mountinfo.
    pub(super) root: String,
    /// What /healthz and /readyz answer.
    pub(super) alive: u16,
    pub(super) ready: u16,
    pub(super) is_own_target: bool,
    pub(super) problems: Vec<String>,
    /// `lowtide status --json`.
    pub(super) status: Value,
}

/// What it calls the pod `web`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) kind: String,
    pub(super) pod: Value,
    /// A line of metrics with the pod's namespace.
    pub(super) metric: String,
    /// What `explain` says of the pod `quiet`.
    pub(super) quiet: String,
}

/// A pod of a node that swaps to a disk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cache {
    pub(super) kind: String,
    pub(super) memory: Memory,
    pub(super) explained: String,
}

/// A pod that was taken away.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Gone {
    pub(super) kind: String,
    /// Mounts of its container in lowtide's list.
    pub(super) before: usize,
    pub(super) after: usize,
    pub(super) bundle_is_left: bool,
}

/// The end of lowtide's container.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) kind: String,
    pub(super) status: i32,
    /// Seconds.
    pub(super) after: f64,
    /// The knob while lowtide ran, and after it.
    pub(super) held: String,
    pub(super) left: String,
    /// Files in the state directory.
    pub(super) state: Vec<String>,
}

/// CAP_DAC_OVERRIDE is 1, CAP_SYS_RESOURCE 24.
const CAPABILITIES: &str = "0000000001000002";

pub(super) fn judge(outcome: &Outcome) -> Result<()> {
    let memory: Vec<Memory> = outcome.all("memory")?;
    memory.iter().for_each(Memory::print);
    let of = |name: &str| {
        memory.iter().find(|memory| memory.name == name).with_context(|| format!("{name} was not seen"))
    };
    let mut verdict = Verdict::default();
    verdict.expect(of("web")?.swap > 40 * MIB, "a pod is offloaded from within a container");
    verdict.expect(of("no-swap")?.swap == 0, "not one that kubelet gives no swap");
    verdict.expect(of("quiet")?.swap == 0, "nor one whose annotation says `off`");
    let kubelet = of("kubelet")?;
    verdict
        .expect(kubelet.swap == 0 && kubelet.shmem >= 16 * MIB, "secrets, which are kubelet's, stay in DRAM");
    let seen: Daemon = outcome.result("daemon")?;
    let is_kubelet = |target: &Value| target["path"] == "/system.slice/kubelet.service";
    let targets = seen.status["cgroups"].as_array().context("status has no cgroups")?;
    verdict.expect(!targets.iter().any(is_kubelet), "kubelet is no target, whatever a policy says");
    named(&outcome.result("named")?, &mut verdict);
    let cached: Vec<Cache> = outcome.all("cache")?;
    for Cache { memory, .. } in &cached {
        memory.print();
    }
    caches(&cached, &mut verdict)?;
    daemon(&seen, &mut verdict);
    let Gone { before, after, bundle_is_left, .. } = outcome.result("gone")?;
    println!("mounts of a pod in lowtide's list: {before}, and {after} after it was taken away");
    verdict.expect(!bundle_is_left && after == 0, "lowtide holds nothing of a pod that is gone");
    let Ended { status, after, held, left, state, .. } = outcome.result("ended")?;
    println!("ended with {status} after {after:.1} s; state: {}", state.join(", "));
    verdict.expect(held == "0" && left == "max", "at its end it puts back what it held");
    verdict.expect(status == 0, "and ends well");
    println!("kernel {}, {:.0} s wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

/// `scratch` and `plain` differ by a volume in memory alone.
fn caches(seen: &[Cache], verdict: &mut Verdict) -> Result<()> {
    let of = |name: &str| {
        seen.iter().find(|cache| cache.memory.name == name).with_context(|| format!("{name} was not seen"))
    };
    let (scratch, plain) = (of("scratch")?, of("plain")?);
    verdict.expect(plain.memory.swap > 40 * MIB, "where the node swaps to a disk, a pod is offloaded");
    let stays = scratch.memory.swap == 0 && scratch.memory.shmem >= 16 * MIB;
    verdict.expect(stays, "and not one with a volume in memory");
    verdict
        .expect(scratch.explained.contains("tmpfs"), format!("whose reason is told: {}", scratch.explained));
    Ok(())
}

fn named(Named { pod, metric, quiet, .. }: &Named, verdict: &mut Verdict) {
    println!("{pod}\n{metric}");
    let is = |key: &str, value: &str| pod[key] == value;
    verdict.expect(
        is("namespace", "shop") && is("name", "web") && is("container", "server"),
        "the pod has its names",
    );
    verdict.expect(metric.contains("namespace=\"shop\""), "in metrics too");
    let is_told = quiet.contains("lowtide.io/policy") && quiet.contains("`off`");
    verdict.expect(is_told, format!("and an annotation is shown: {quiet}"));
}

fn daemon(daemon: &Daemon, verdict: &mut Verdict) {
    println!(
        "capabilities {}, {:.1} MiB locked, / is {}",
        daemon.capabilities,
        mib(daemon.locked),
        daemon.root
    );
    daemon.problems.iter().for_each(|problem| println!("problem: {problem}"));
    verdict.expect(daemon.capabilities == CAPABILITIES, "it has two capabilities");
    verdict.expect(
        daemon.no_new_privileges == "1" && daemon.seccomp == "2",
        "a seccomp filter, and no way to more",
    );
    verdict.expect(
        daemon.root.split(' ').nth(5).is_some_and(|options| options.starts_with("ro")),
        "a root that it cannot write",
    );
    verdict.expect(daemon.locked > 0, "its memory is locked all the same");
    verdict.expect((daemon.alive, daemon.ready) == (200, 200), "both probes are answered");
    verdict.expect(!daemon.is_own_target, "it is no target of its own");
    let is_warning = |problem: &String| {
        problem.contains("[/system.slice/kubelet.service]") && problem.contains("never a target")
    };
    let warned = matches!(&daemon.problems[..], [problem] if is_warning(problem));
    verdict.expect(warned, "it warns of the policy that names kubelet, and nothing else is a problem");
}
