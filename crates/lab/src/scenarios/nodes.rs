//! Two NUMA nodes with a processor each and a slower one behind the second: on which node the compressed
//! pages are of what lowtide asks for, beside a daemon that may only run far from its tenant.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, PAGE, mib};
use anyhow::{Context, Result};
use lowtide_kernfs::bind_thread;
use serde::{Deserialize, Serialize};
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "nodes",
    about: "two nodes with a processor each: what is compressed stays on the node it was on",
    machine: || {
        let machine = Machine::deterministic().with_memory(1024 * MIB).with_nodes(2);
        machine.with_cxl(256 * MIB).with_limit(Duration::from_mins(20))
    },
    programs: &["lowtide"],
    guest,
    judge,
};

const NODES: usize = 3;

/// Busy for most of the time, so that the scheduler has a reason to have the daemon run elsewhere.
const TENANT: [&str; 8] = ["--hot", "4M", "--warm", "0", "--cold", "40M", "--pause", "2ms"];

/// So long the loop works by itself.
const WORK: Duration = Duration::from_secs(45);
/// And so long where memory has to be idle on the slower node first.
const SINK: Duration = Duration::from_mins(2);

const POLICY: &str = "
interval: 1s
hotness: { interval: 2s, cpu: 20% }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 6s
    slo: { memory_pressure: 2%, io_pressure: 2%, promotion_rate: 20%/min }
    limits: { per_minute: 100%, floor: 4MiB }
";

/// Less than the tenant has on the slower node: the rest is to go on.
const BOUND: &str = "    tiers: [{ use: node, at_most: 10% }, { use: zram }]\n";

/// MiB swapped out. How fast it goes is other scenarios' matter.
const ENOUGH: f64 = 2.0;

/// What the daemon says once where it may not run near a tenant's memory.
const WARNING: &str = "may not run on the processors near this node";

/// A tenant and the daemon for it: where each may be, and what else is to be on.
struct Place {
    name: &'static str,
    cpu: u32,
    memory: u32,
    /// The daemon's only processor, as with `CPUAffinity=`; without one, all.
    daemon: Option<u32>,
    switch: Option<Switch>,
}

/// A file of the kernel, and what stands there for on and off.
struct Switch {
    file: &'static str,
    on: &'static str,
    off: &'static str,
}

const ZSWAP: Switch = Switch { file: "/sys/module/zswap/parameters/enabled", on: "Y", off: "N" };
/// Anonymous memory of the slower node is then taken by MGLRU's eviction command.
const DEMOTION: Switch = Switch { file: "/sys/kernel/mm/numa/demotion_enabled", on: "1", off: "0" };

const PLACES: [Place; 6] = [
    Place { name: "far", cpu: 0, memory: 0, daemon: Some(1), switch: None },
    Place { name: "node0", cpu: 0, memory: 0, daemon: None, switch: None },
    Place { name: "node1", cpu: 1, memory: 1, daemon: None, switch: None },
    Place { name: "zswap", cpu: 1, memory: 1, daemon: None, switch: Some(ZSWAP) },
    Place { name: "slow", cpu: 1, memory: 2, daemon: None, switch: None },
    Place { name: "sink", cpu: 1, memory: 2, daemon: None, switch: Some(DEMOTION) },
];

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
struct Ran {
    kind: String,
    /// Of the tenant, after the start.
    nodes: String,
    /// Uncompressed bytes swapped out.
    swapped: u64,
    /// Bytes that compressed pages take more on each node than before.
    compressed: [u64; NODES],
    /// The daemon said that it may not run where it should.
    warned: usize,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    for node in 0..NODES {
        println!(
            "node {node}: distances {}",
            knobs::read(format!("/sys/devices/system/node/node{node}/distance"))?
        );
    }
    PLACES.iter().try_for_each(|place| {
        let Some(switch) = &place.switch else { return run(place) };
        knobs::write(switch.file, switch.on)?;
        run(place)?;
        knobs::write(switch.file, switch.off)
    })
}

fn run(place: &Place) -> Result<()> {
    let cgroup = Cgroup::create(&format!("tenants/{}", place.name))?;
    confine(&cgroup, place)?;
    let tenant = Tenant::start(place.name, &cgroup, &TENANT)?;
    let nodes = cgroup.read("memory.numa_stat")?.lines().next().unwrap_or_default().to_owned();
    let before = compressed()?;
    let bound = place.daemon.map(|cpu| bind_thread(&[cpu])).transpose()?;
    let sinks = place.switch.as_ref().is_some_and(|switch| switch.file == DEMOTION.file);
    let (bounds, work) = if sinks { (BOUND, SINK) } else { ("", WORK) };
    let daemon = Daemon::start(place.name, &format!("{POLICY}{bounds}"))?;
    drop(bound);
    sleep(work);
    let after = compressed()?;
    let more = std::array::from_fn(|node| after[node].saturating_sub(before[node]));
    println!("{}", daemon.explain(&cgroup.name())?);
    let warned = daemon.log()?.matches(WARNING).count();
    daemon.stop()?;
    let swapped = cgroup.read_number("memory.swap.current")?;
    report::emit(&Ran { kind: place.name.into(), nodes, swapped, compressed: more, warned })?;
    tenant.stop()?;
    cgroup.remove()
}

fn confine(cgroup: &Cgroup, place: &Place) -> Result<()> {
    let parents = cgroup.path().ancestors().skip(1).take(2);
    for parent in parents.collect::<Vec<_>>().into_iter().rev() {
        knobs::write(parent.join("cgroup.subtree_control"), "+cpuset")?;
    }
    cgroup.write("cpuset.cpus", &place.cpu.to_string())?;
    cgroup.write("cpuset.mems", &place.memory.to_string())
}

/// What zsmalloc has of each node.
fn compressed() -> Result<[u64; NODES]> {
    let mut sizes = [0; NODES];
    for (node, size) in sizes.iter_mut().enumerate() {
        let vmstat = knobs::read(format!("/sys/devices/system/node/node{node}/vmstat"))?;
        let pages =
            vmstat.lines().find_map(|line| line.strip_prefix("nr_zspages ")).context("no nr_zspages")?;
        *size = pages.parse::<u64>()? * PAGE as u64;
    }
    Ok(sizes)
}

fn judge(outcome: &Outcome) -> Result<()> {
    let mut verdict = Verdict::default();
    for place in &PLACES {
        let ran: Ran = outcome.result(place.name)?;
        let [zero, one, slow] = ran.compressed.map(mib);
        println!(
            "{:>6}: {}; {:.1} MiB swapped out, compressed on node 0 {zero:.1}, node 1 {one:.1}, slow node {slow:.1} MiB",
            place.name,
            ran.nodes,
            mib(ran.swapped)
        );
        verdict.expect(mib(ran.swapped) >= ENOUGH, format!("{}: enough is swapped out to tell", place.name));
        if place.daemon.is_some() {
            verdict.expect(ran.warned == 1, "the daemon says once that it may not run where it should");
            continue;
        }
        verdict.expect(ran.warned == 0, format!("{}: the daemon may run there", place.name));
        // Of the slow node's pages newer kernels keep there what is compressed, too.
        let near = match place.memory {
            0 => zero,
            1 => one,
            _ => one + slow,
        };
        let share = near / (zero + one + slow).max(f64::MIN_POSITIVE);
        let what = format!("{}: {:.1} % of what was compressed is near", place.name, share * 100.0);
        verdict.expect(share >= 0.95, what);
    }
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}
