//! Two ways out for what is cold: `memory.reclaim` after walks of MGLRU, and DAMON's own `pageout`. Was what
//! left really cold, and what did a MiB of it cost?

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::look::sleep_until;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Generations, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, PAGE, mib};
use anyhow::{Context as _, Result};
use lowtide_damon::{
    AccessPattern, Action, Admin, Context, Filter, FilterKind, Intervals, Process, RegionCount, Scheme,
    Space, system_ram,
};
use lowtide_kernfs::{Root, thread_cpu};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "pageout",
    about: "60 MiB cold of 200 by memory.reclaim after MGLRU's walks, and by DAMON's pageout: cold, and CPU per MiB",
    machine: || {
        Machine::deterministic().with_memory(1 << 30).with_cpus(1).with_limit(Duration::from_mins(10))
    },
    programs: &[],
    guest,
    judge,
};

const TENANT: [&str; 15] = [
    "--hot",
    "80M",
    "--warm",
    "60M",
    "--warm-every",
    "20s",
    "--cold",
    "60M",
    "--ages",
    "30s",
    "--truth",
    "--pause",
    "100ms",
    "--burst",
    "1024",
];
/// Makes the emulated processor forget its translations: see the scenario `precision`.
const NEIGHBOUR: [&str; 8] = ["--hot", "1M", "--warm", "0", "--cold", "0", "--pause", "100ms"];
const COLD: u64 = 60 * MIB;
const IDLE: Duration = Duration::from_secs(30);
/// Seconds of a tenant's life at which what is cold is sent out, and at which it is seen what went. By then
/// DAMON's regions have settled: after 62 s, by physical address, 6.12 paged out 4 MiB and no more.
const BEGIN: f64 = 110.0;
const END: f64 = 140.0;
/// Four walks, the last one right before it: what was touched between none of the last three is idle.
const WALK_EVERY: f64 = 15.5;
/// Time in which monitoring alone is measured, before.
const ALONE: f64 = 20.0;

/// One way, on a fresh tenant.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    kind: String,
    way: String,
    /// Bytes swapped out, and of those found gone, with an idle age of 30 s.
    left: u64,
    cold: u64,
    /// Bytes of the cold part that are gone.
    found: u64,
    /// CPU for it, and for knowing what is cold until then, a second.
    cpu: Duration,
    watching: f64,
}

/// A kernel without DAMON: there is nothing to compare.
#[derive(Debug, Serialize, Deserialize)]
struct Absent {
    kind: String,
}

fn guest() -> Result<()> {
    if !Path::new("/sys/kernel/mm/damon/admin").exists() {
        return report::emit(&Absent { kind: "absent".into() });
    }
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    let root = Root::open("/")?;
    knobs::make_room_for_damon()?;
    let neighbour = Tenant::start("neighbour", &Cgroup::create("neighbour")?, &NEIGHBOUR)?;
    row("memory.reclaim after 4 walks", |scene| reclaim(&root, scene))?;
    row("pageout by virtual address", |scene| {
        let space = Space::Processes(vec![Process::new(scene.tenant.id())]);
        page_out(&root, scene, space, RegionCount { min: 200, max: 1000 }, Vec::new())
    })?;
    row("pageout by physical address", |scene| {
        let only = [FilterKind::Memcg(scene.cgroup.name()), FilterKind::Anonymous].map(Filter::only);
        let regions = RegionCount { min: 1000, max: 4000 };
        page_out(&root, scene, Space::Physical(system_ram(&root)?), regions, only.into())
    })?;
    neighbour.stop().map(drop)
}

struct Scene {
    cgroup: Cgroup,
    tenant: Tenant,
    /// When its life began.
    ready: f64,
}

/// Returns the processor time for it, and for knowing what is cold until then as a share of a core.
type Cost = (Duration, f64);

fn row(way: &str, act: impl FnOnce(&Scene) -> Result<Cost>) -> Result<()> {
    let name = way.replace([' ', '.'], "-");
    let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
    let tenant = Tenant::start(&name, &cgroup, &TENANT)?;
    let ready = tenant.reports()?.first().context("the tenant is ready")?.clock;
    let scene = Scene { cgroup, tenant, ready };
    let before = swapped_out()?;
    let (cpu, watching) = act(&scene)?;
    let left = swapped_out()? - before;
    let Scene { cgroup, tenant, .. } = scene;
    let truth = tenant.truth()?.truth.context("the truth was asked for")?;
    let rows = truth.ages.iter().filter(|row| row.at_least >= IDLE.as_secs_f64());
    let cold = rows.map(|row| row.moved).max().unwrap_or_default();
    let found = truth.cold.gone();
    report::emit(&Row { kind: "row".into(), way: way.into(), left, cold, found, cpu, watching })?;
    tenant.stop()?;
    cgroup.remove()
}

/// DAMON's pageout by physical address is in no counter of reclaim (up to 7.3), so the writes to swap it is.
fn swapped_out() -> Result<u64> {
    Ok(knobs::vmstat("pswpout")? * PAGE as u64)
}

fn reclaim(root: &Root, scene: &Scene) -> Result<Cost> {
    let generations = Generations::of(root, &scene.cgroup)?.context("there is no MGLRU")?;
    let watched = thread_cpu()?;
    for left in [3.0, 2.0, 1.0, 0.0] {
        sleep_until(scene.ready + BEGIN - left * WALK_EVERY)?;
        generations.walk()?;
    }
    let begun = thread_cpu()?;
    for _ in 0..3 {
        // EAGAIN is less than was asked for: seen by what went.
        if let Err(error) = scene.cgroup.write("memory.reclaim", "20M swappiness=200") {
            println!("{error:#}");
        }
    }
    let cpu = thread_cpu()?.saturating_sub(begun);
    sleep_until(scene.ready + END)?;
    Ok((cpu, begun.saturating_sub(watched).as_secs_f64() / (4.0 * WALK_EVERY)))
}

/// Watches as the daemon does, then pages out what is idle. What that costs is what the kdamond takes beyond
/// watching.
fn page_out(
    root: &Root,
    scene: &Scene,
    space: Space,
    regions: RegionCount,
    filters: Vec<Filter>,
) -> Result<Cost> {
    let mut context = Context { schemes: Vec::new(), ..Context::new(space) };
    context.monitoring.intervals = Intervals::new(Duration::from_secs(1), 5);
    context.monitoring.intervals.update = Duration::from_secs(10);
    context.monitoring.regions = regions;
    let pattern = AccessPattern::idle_for(IDLE, &context.monitoring.intervals);
    let admin = Admin::open(root)?.with_patience(Duration::from_mins(1));
    let mut owned = super::damon::claim(&admin)?;
    owned.start(&context)?;
    sleep_until(scene.ready + BEGIN - ALONE)?;
    let alone = owned.cpu_time()?;
    sleep_until(scene.ready + BEGIN)?;
    let begun = owned.cpu_time()?;
    let watching = begun.saturating_sub(alone).as_secs_f64() / ALONE;
    context.schemes = vec![Scheme { pattern, filters, ..Scheme::new(Action::PageOut) }];
    owned.commit(&context)?;
    sleep_until(scene.ready + END)?;
    let used = owned.cpu_time()?.saturating_sub(begun);
    println!("{:?}", owned.stats()?);
    owned.teardown()?;
    // The last pages are on their way.
    sleep(Duration::from_secs(1));
    Ok((used.saturating_sub(Duration::from_secs_f64(watching * (END - BEGIN))), watching))
}

#[expect(clippy::cast_precision_loss, reason = "sizes of a lab machine")]
fn judge(outcome: &Outcome) -> Result<()> {
    if outcome.result::<Absent>("absent").is_ok() {
        println!("no DAMON on kernel {}", outcome.kernel);
        return Ok(());
    }
    let rows: Vec<Row> = outcome.all("row")?;
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    println!("                              left/MiB   cold when   of the 60 MiB    CPU of      watching");
    println!("way                                        it left      cold gone     a MiB     of a core");
    let mut verdict = Verdict::default();
    for Row { way, left, cold, found, cpu, watching, .. } in &rows {
        println!(
            "{way:<29} {:>8.1} {:>9.1} % {:>13.1} % {:>7.2} ms {:>9.3} %",
            mib(*left),
            *cold as f64 / *left as f64 * 100.0,
            *found as f64 / COLD as f64 * 100.0,
            cpu.as_secs_f64() * 1e3 / mib(*left),
            watching * 100.0,
        );
        verdict.expect(cold <= left && *left > 0, format!("{way}: {:.1} MiB left", mib(*left)));
    }
    verdict.expect(rows.len() == 3, format!("{} of 3 ways", rows.len()));
    verdict.finish()
}
