//! A slower node in front of zram: cold memory goes to the one, and on to the other; what becomes hot comes
//! back.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::look::sleep_until;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::pages::{Places, Truth};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cxl",
    about: "a CXL node before zram: cold memory is demoted, then swapped, and comes back when it becomes hot",
    machine: || {
        let machine = Machine::deterministic().with_memory(1024 * MIB).with_cxl(512 * MIB);
        machine.with_limit(std::time::Duration::from_mins(10))
    },
    programs: &["lowtide"],
    guest,
    judge,
};

/// After the start: observed so long.
const OBSERVED: f64 = 30.0;
/// Looked at: most of what is cold is on the node; what became hot is back; what stayed cold is in zram.
const DEMOTED: f64 = 75.0;
const PROMOTED: f64 = 115.0;
const SUNK: f64 = 330.0;

const HOT: u64 = 40 * MIB;
const WARM: u64 = 8 * MIB;
const COLD: u64 = 40 * MIB;

const STEADY: [&str; 8] = ["--hot", "40M", "--warm", "8M", "--warm-every", "5s", "--cold", "40M"];
/// After 60 s what was warm and most of what was cold become hot, and what was hot cold.
const MOVING: [&str; 10] =
    ["--hot", "40M", "--warm", "8M", "--warm-every", "5s", "--cold", "40M", "--shift-every", "60s"];

/// cold_after 15 s: on the node after that, and in zram where that is worth more, after 60 s there at the
/// earliest.
fn config(mode: &str) -> String {
    format!(
        "
interval: 2s
hotness: {{ interval: 3s, cpu: 20% }}
policies:
  - name: tenant
    match: [/tenants/*]
    mode: {mode}
    cold_after: 15s
    slo: {{ memory_pressure: 1%, io_pressure: 1%, promotion_rate: 20%/min }}
    limits: {{ per_minute: 100%, floor: 16MiB }}
"
    )
}

/// Where a tenant's memory is at one moment, by its own page table and by the kernel's account.
#[derive(Debug, Serialize, Deserialize)]
struct Look {
    truth: Truth,
    /// `anon` of memory.numa_stat.
    nodes: String,
    /// memory.swap.current.
    swapped: u64,
}

/// The host since its boot, in pages.
#[derive(Debug, Serialize, Deserialize)]
struct Moved {
    demoted: u64,
    promoted: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Observed {
    kind: String,
    look: Look,
    moved: Moved,
}

#[derive(Debug, Serialize, Deserialize)]
struct Full {
    kind: String,
    demoted: Look,
    promoted: Look,
    sunk: Look,
    moved: Moved,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(256 * MIB), 100)?;
    knobs::write("/sys/kernel/mm/numa/demotion_enabled", "1")?;
    // Promotion, with page tables scanned ten times as often: its clock is the tenant's CPU time, and this
    // one sleeps most.
    knobs::write("/proc/sys/kernel/numa_balancing", "2")?;
    knobs::write("/sys/kernel/debug/sched/numa_balancing/scan_period_min_ms", "100")?;
    knobs::write("/sys/kernel/debug/sched/numa_balancing/scan_period_max_ms", "1000")?;
    observe()?;
    full()
}

fn observe() -> Result<()> {
    let (cgroup, tenant, ready) = start("observed", &STEADY)?;
    let daemon = Daemon::start("observe", &config("observe"))?;
    sleep_until(ready + OBSERVED)?;
    let look = look(&tenant, &cgroup)?;
    daemon.stop()?;
    report::emit(&Observed { kind: "observe".into(), look, moved: Moved::read()? })?;
    tenant.stop()?;
    cgroup.remove()
}

fn full() -> Result<()> {
    let (steady_cgroup, steady, ready) = start("steady", &STEADY)?;
    let (moving_cgroup, moving, moving_ready) = start("moving", &MOVING)?;
    let daemon = Daemon::start("full", &config("full"))?;
    sleep_until(ready + DEMOTED)?;
    let demoted = look(&steady, &steady_cgroup)?;
    sleep_until(moving_ready + PROMOTED)?;
    let promoted = look(&moving, &moving_cgroup)?;
    sleep_until(ready + SUNK)?;
    let sunk = look(&steady, &steady_cgroup)?;
    println!("{}\n{}", daemon.status()?["host"]["tiers"], daemon.explain(&steady_cgroup.name())?);
    daemon.stop()?;
    report::emit(&Full { kind: "full".into(), demoted, promoted, sunk, moved: Moved::read()? })?;
    steady.stop()?;
    moving.stop()?;
    steady_cgroup.remove()?;
    moving_cgroup.remove()
}

/// A tenant in a cgroup of its own, and when it had filled its memory.
fn start(name: &str, options: &[&str]) -> Result<(Cgroup, Tenant, f64)> {
    let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
    let tenant = Tenant::start(name, &cgroup, options)?;
    let ready = tenant.reports()?.first().context("the tenant is ready")?.clock;
    Ok((cgroup, tenant, ready))
}

impl Moved {
    fn read() -> Result<Self> {
        let vmstat = knobs::read("/proc/vmstat")?;
        let pages = |prefix: &str| -> u64 {
            let found = vmstat.lines().filter(|line| line.starts_with(prefix));
            found.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
        };
        Ok(Self { demoted: pages("pgdemote_"), promoted: pages("pgpromote_success") })
    }
}

fn look(tenant: &Tenant, cgroup: &Cgroup) -> Result<Look> {
    let truth = tenant.truth()?.truth.context("a report with the truth")?;
    let nodes = cgroup.read("memory.numa_stat")?;
    let nodes = nodes.lines().next().unwrap_or_default().to_owned();
    Ok(Look { truth, nodes, swapped: cgroup.read_number("memory.swap.current")? })
}

fn judge(outcome: &Outcome) -> Result<()> {
    let (observed, full): (Observed, Full) = (outcome.result("observe")?, outcome.result("full")?);
    let looks = [
        ("cold for a while", &full.demoted),
        ("the other tenant, cold become hot", &full.promoted),
        ("cold for longer", &full.sunk),
    ];
    for (moment, look) in looks {
        println!("{moment}: {}, {:.1} MiB in swap", look.nodes, mib(look.swapped));
        for (name, places) in parts(&look.truth) {
            let [dram, slow, zram] = [places.resident - places.slow, places.slow, places.swapped].map(mib);
            println!("{name:>6} {dram:>6.1} MiB in DRAM, {slow:>6.1} on the node, {zram:>6.1} in zram");
        }
    }
    println!("{:.1} MiB demoted, {:.1} MiB promoted", pages(full.moved.demoted), pages(full.moved.promoted));
    let mut verdict = Verdict::default();
    let moved: u64 = parts(&observed.look.truth).iter().map(|(_, part)| part.slow + part.gone()).sum();
    verdict.expect(observed.moved.demoted == 0 && moved == 0, "nothing moves while the policy only observes");
    // What came first has gone on by now.
    let cold = full.demoted.truth.cold;
    let (slow, away) = (share(cold.slow, COLD), share(cold.slow + cold.swapped, COLD));
    let what =
        format!("{:.1} % of the cold part on the node, {:.1} % not in DRAM", slow * 100.0, away * 100.0);
    verdict.expect(slow >= 0.7 && away >= 0.9, what);
    let sunk = share(full.sunk.truth.cold.swapped, COLD);
    verdict.expect(sunk >= 0.9, format!("and {:.1} % of it in zram when it is older", sunk * 100.0));
    for look in [&full.demoted, &full.sunk] {
        let Truth { hot, warm, .. } = &look.truth;
        let wrong = hot.slow + hot.gone() + warm.slow + warm.gone();
        let what = format!("{:.2} MiB of the hot and the warm part are not in DRAM", mib(wrong));
        verdict.expect(share(wrong, HOT + WARM) <= 0.02, what);
    }
    let hot = full.promoted.truth.hot;
    let back = share(hot.resident - hot.slow, HOT);
    verdict.expect(back >= 0.9, format!("{:.1} % of what became hot is in DRAM", back * 100.0));
    verdict.expect(full.moved.promoted > 0, "the kernel promoted some of it");
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

const fn parts(truth: &Truth) -> [(&'static str, Places); 3] {
    [("hot", truth.hot), ("warm", truth.warm), ("cold", truth.cold)]
}

fn share(part: u64, whole: u64) -> f64 {
    mib(part) / mib(whole)
}

fn pages(count: u64) -> f64 {
    mib(count * crate::size::PAGE as u64)
}
