//! How exactly each source knows what is cold, and what that costs: bytes idle for 30 s against the truth of
//! a tenant, by MGLRU's walks and by DAMON with several settings.

mod looks;
mod row;
mod settings;
mod truth;
mod walks;

use super::Scenario;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Generations, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::MIB;
use anyhow::{Result, ensure};
use lowtide_damon::{Admin, Error};
use lowtide_kernfs::Root;
use row::Row;
use settings::{DAEMON, SETTINGS};
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "precision",
    about: "bytes that MGLRU and DAMON call idle for 30 s against the truth, and what that costs, by settings",
    machine: || {
        Machine::deterministic().with_memory(1 << 30).with_cpus(1).with_limit(Duration::from_mins(10))
    },
    programs: &[],
    guest,
    judge,
};

const TENANT: [&str; 12] = [
    "--hot",
    "40M",
    "--warm",
    "30M",
    "--warm-every",
    "20s",
    "--cold",
    "120M",
    "--pause",
    "100ms",
    "--burst",
    "1024",
];
const COLD: u64 = 120 * MIB;
const HOT_AND_WARM: u64 = 70 * MIB;
/// Something else on the processor, as on any host.
///
/// Without it nothing makes the emulated processor forget its translations, of which it keeps as many as the
/// tenant has pages: DAMON clears the accessed bit without a flush (`ptep_test_and_clear_young`), and whole
/// sweeps of the warm part then stay unseen. A real processor keeps a few thousand.
const NEIGHBOUR: [&str; 8] = ["--hot", "1M", "--warm", "0", "--cold", "0", "--pause", "100ms"];
/// What counts as idle; the warm part never is so long.
const IDLE: Duration = Duration::from_secs(30);

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    // Without swap MGLRU does not age anonymous memory. Nothing goes there.
    Zram::swap(&ZramOptions::lz4(64 * MIB), 100)?;
    let root = Root::open("/")?;
    let cgroup = Cgroup::create("tenants/a")?;
    let tenant = Tenant::start("a", &cgroup, &TENANT)?;
    let neighbour = Tenant::start("neighbour", &Cgroup::create("neighbour")?, &NEIGHBOUR)?;
    if let Some(generations) = Generations::of(&root, &cgroup)? {
        report::emit(&walks::measure(&generations)?)?;
    }
    match Admin::open(&root) {
        Err(Error::NotThere { .. }) => println!("no DAMON on this kernel"),
        admin => damon(&root, &admin?.with_patience(Duration::from_mins(1)), &tenant, &cgroup)?,
    }
    neighbour.stop()?;
    tenant.stop().map(drop)
}

fn damon(root: &Root, admin: &Admin, tenant: &Tenant, cgroup: &Cgroup) -> Result<()> {
    knobs::make_room_for_damon()?;
    let mut owned = super::damon::claim(admin)?;
    for setting in SETTINGS {
        report::emit(&looks::measure(root, &mut owned, setting, tenant, cgroup)?)?;
    }
    Ok(owned.teardown()?)
}

fn judge(outcome: &Outcome) -> Result<()> {
    let rows: Vec<Row> = outcome.all("row")?;
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    println!(
        "MiB idle for 30 s, of which 120 are so, mean of {} looks; {DAEMON} what the daemon does",
        row::LOOKS
    );
    Row::print_head();
    rows.iter().for_each(Row::print);
    ensure!(!rows.is_empty(), "there is no source");
    let measured = || rows.iter().filter(|row| row.missing.is_none());
    ensure!(measured().all(|row| row.cold < 120.01), "more cold memory was found than there is");
    ensure!(measured().any(|row| row.cold > 60.0), "nobody found half of the cold part");
    Ok(())
}
