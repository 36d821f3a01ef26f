//! lowtide as the chart runs it: its image, made by `cargo xtask dist`, in a container of containerd's with
//! the mounts and rights of the DaemonSet, beside pods that it offloads, or leaves alone.
//!
//! The runtime's CRI is asked by `kubelet.py` what kubelet asks it. There is no network plugin: pods have the
//! machine's network.

mod judge;
mod node;
mod pods;

use super::Scenario;
use crate::guest::block::SSD_NANOSECONDS;
use crate::guest::systemd::wait_for;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, NullBlock, ProcessUse, Zram, http, knobs, report, swap};
use crate::machine::{Machine, Root};
use crate::process::output;
use crate::size::MIB;
use anyhow::{Context, Result};
use judge::{Daemon, Ended, Gone, Memory, judge};
use node::{Kubelet, Pod};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "containerd",
    about: "lowtide in a container as the Helm chart runs it, without privileges: pods are offloaded or left alone, secrets stay in DRAM",
    machine: || {
        let machine = Machine::default().with_root(Root::HostWithSystemd);
        machine.with_memory(3072 * MIB).with_limit(Duration::from_mins(40))
    },
    programs: &[super::IMAGE, "containerd", "containerd-shim-runc-v2", "ctr", "runc", "busybox"],
    guest,
    judge,
};

/// Of the chart, as people without Helm apply it: mounts and rights are read from it, not repeated here.
const CHART: &str = include_str!("../../../../../packaging/helm/lowtide.yaml");
const METRICS: &str = "127.0.0.1:9464";
/// What lowtide holds of a pod in the end: the policy allows zram, the kernel would choose between it and the disk,
/// so the pod gets no more swap at all (docs/tiers.md).
const KNOB: &str = "memory.swap.max";

/// In the place of the chart's policies, which observe. The last one names kubelet, as an operator may by
/// mistake.
const POLICIES: &str = "
policies:
  - name: pods
    match: [/kubepods.slice/kubepods-burstable.slice/**]
    mode: full
    cold_after: 1m
    slo: { memory_pressure: 50%, io_pressure: 50% }
    limits: { floor: 4MiB, per_minute: 100% }
    tiers: [{ use: zram }]
    may_choose: [off]
  - name: caches
    match: [/kubepods.slice/kubepods-burstable.slice/**]
    namespaces: [cache]
    mode: full
    cold_after: 1m
    slo: { memory_pressure: 50%, io_pressure: 50% }
    limits: { floor: 4MiB, per_minute: 100% }
  - name: services
    match: [/system.slice/kubelet.service]
    mode: full
    cold_after: 1m
    slo: { memory_pressure: 50%, io_pressure: 50% }
    limits: { floor: 1MiB, per_minute: 100% }
";

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(768 * MIB), 100)?;
    let kubelet = Kubelet::start()?;
    let tenants = kubelet.run("tenants", &pods::tenants(), &[])?;
    let of = |name: &str| tenants.get(name).with_context(|| format!("there is no pod {name}"));
    let daemon = kubelet.run("lowtide", CHART, &[("policies.yaml", POLICIES)])?;
    let daemon = daemon.get("lowtide").context("the chart has no pod of lowtide")?;
    let waited = wait_for("the pod `web` is offloaded", Duration::from_mins(12), || {
        sleep(Duration::from_secs(2));
        Ok(of("web")?.cgroup().read_number("memory.swap.current")? > 40 * MIB)
    });
    for command in [&["status"][..], &["explain", &of("web")?.cgroup().name()], &["doctor"]] {
        println!(
            "{}",
            kubelet
                .exec(daemon, &[&["lowtide"], command].concat())
                .unwrap_or_else(|error| format!("{error:#}"))
        );
    }
    waited.with_context(|| node::logs(daemon))?;
    // What is written of kubelet, or of who wants to be left alone, would be under way by now.
    sleep(Duration::from_secs(30));
    for name in pods::NAMES {
        report::emit(&Memory::of(name, &of(name)?.cgroup())?)?;
    }
    report::emit(&Memory::of("kubelet", &Cgroup::at(Path::new(node::KUBELET)))?)?;
    report::emit(&look(&kubelet, daemon)?)?;
    report::emit(&names(&kubelet, daemon, of("web")?, of("quiet")?)?)?;
    for memory in with_a_disk(&kubelet, daemon)? {
        report::emit(&memory)?;
    }
    report::emit(&take_away(&kubelet, daemon, of("early")?)?)?;
    report::emit(&end(&kubelet, daemon, &of("web")?.cgroup())?)
}

/// The daemon from outside of its container.
fn look(kubelet: &Kubelet, daemon: &Pod) -> Result<Daemon> {
    let process = daemon.process()?;
    let status = knobs::read(format!("/proc/{process}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(|rest| rest.trim().to_owned()).with_context(|| format!("no {name} in {status}"))
    };
    let mounts = knobs::read(format!("/proc/{process}/mountinfo"))?;
    let json = status_of(kubelet, daemon)?;
    let targets = json["cgroups"].as_array().context("status has no cgroups")?;
    let own = daemon.cgroup().name();
    Ok(Daemon {
        kind: "daemon".into(),
        capabilities: field("CapEff:")?,
        no_new_privileges: field("NoNewPrivs:")?,
        seccomp: field("Seccomp:")?,
        locked: ProcessUse::of(process)?.locked,
        root: mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).unwrap_or_default().to_owned(),
        alive: http::get(METRICS, "/healthz")?.status,
        ready: http::get(METRICS, "/readyz")?.status,
        is_own_target: targets.iter().any(|target| target["path"] == own.as_str()),
        problems: texts(&json["problems"]),
        status: json,
    })
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn status_of(kubelet: &Kubelet, daemon: &Pod) -> Result<Value> {
    let text = kubelet.exec(daemon, &["lowtide", "status", "--json"])?;
    serde_json::from_str(&text).with_context(|| format!("`lowtide status --json` printed {text}"))
}

/// From now on what is swapped out may come to lie on a disk, and two pods more are there.
fn with_a_disk(kubelet: &Kubelet, daemon: &Pod) -> Result<Vec<judge::Cache>> {
    let disk = NullBlock::create(0, 512 * MIB, SSD_NANOSECONDS)?;
    output("mkswap", &[disk.device().to_str().context("a path that is no text")?])?;
    swap::on(disk.device(), 10)?;
    let caches = kubelet.run("caches", &pods::caches(), &[])?;
    let of = |name: &str| caches.get(name).with_context(|| format!("there is no pod {name}"));
    let waited = wait_for("the pod `plain` is offloaded", Duration::from_mins(12), || {
        sleep(Duration::from_secs(2));
        Ok(of("plain")?.cgroup().read_number("memory.swap.current")? > 40 * MIB)
    });
    // The other one began at the same time.
    sleep(Duration::from_secs(30));
    let mut seen = Vec::new();
    for name in pods::CACHES {
        let cgroup = of(name)?.cgroup();
        let explained = kubelet.exec(daemon, &["lowtide", "explain", &cgroup.name()])?;
        println!("{explained}");
        seen.push(judge::Cache { kind: "cache".into(), memory: Memory::of(name, &cgroup)?, explained });
    }
    waited?;
    Ok(seen)
}

/// What `status --json` says of one pod, and `explain` of another one.
fn names(kubelet: &Kubelet, daemon: &Pod, pod: &Pod, quiet: &Pod) -> Result<judge::Named> {
    let status = status_of(kubelet, daemon)?;
    let path = pod.cgroup().name();
    let target =
        status["cgroups"].as_array().into_iter().flatten().find(|target| target["path"] == path.as_str());
    let metrics = http::get(METRICS, "/metrics")?.body;
    Ok(judge::Named {
        kind: "named".into(),
        pod: target.map(|target| target["pod"].clone()).unwrap_or_default(),
        metric: metrics
            .lines()
            .find(|line| line.contains("namespace=\"shop\""))
            .unwrap_or_default()
            .to_owned(),
        quiet: kubelet.exec(daemon, &["lowtide", "explain", &quiet.cgroup().name()])?,
    })
}

/// A pod that was there before lowtide, whose file system its mounts have too, is taken away.
fn take_away(kubelet: &Kubelet, daemon: &Pod, pod: &Pod) -> Result<Gone> {
    let mounted = || -> Result<usize> {
        let mounts = knobs::read(format!("/proc/{}/mountinfo", daemon.process()?))?;
        Ok(mounts.lines().filter(|line| line.contains(&*pod.container)).count())
    };
    let before = mounted()?;
    kubelet.remove(pod)?;
    let bundle = Path::new(node::STATE).join(&pod.container);
    Ok(Gone { kind: "gone".into(), before, after: mounted()?, bundle_is_left: bundle.exists() })
}

/// As kubelet ends it, with the time that the chart gives it.
fn end(kubelet: &Kubelet, daemon: &Pod, tenant: &Cgroup) -> Result<Ended> {
    let held = tenant.read(KNOB)?;
    let started = Instant::now();
    let status = kubelet.stop(daemon, 90)?;
    Ok(Ended {
        kind: "ended".into(),
        status,
        after: started.elapsed().as_secs_f64(),
        held,
        left: tenant.read(KNOB)?,
        state: fs::read_dir("/var/lib/lowtide/state")?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect(),
    })
}
