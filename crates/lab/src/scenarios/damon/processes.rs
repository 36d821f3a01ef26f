//! Processes: taken over by another process of ours, and gone.

use super::steps::claim;
use crate::guest::{Cgroup, Tenant};
use crate::size::{MIB, mib};
use anyhow::{Context, Result, ensure};
use lowtide_damon::{
    Admin, Context as Description, Error, Intervals, Owned, Process, Record, Snapshot, Space,
};
use serde::{Deserialize, Serialize};
use std::thread::sleep;
use std::time::Duration;

/// Both processes' memory: 10 MiB of it are touched all the time, 20 never.
const MEMORY: [&str; 6] = ["--hot", "10M", "--warm", "0", "--cold", "20M"];

/// Less would be a part of the hot memory.
const HOT_SEEN: u64 = 5 * MIB;

/// A snapshot is one aggregation, 100 ms, in which one page stands for each region. Whether that page was
/// touched is chance.
const LOOKS: usize = 40;

/// Processes, one of which ends.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Processes {
    kind: String,
    size: u64,
    regions: usize,
    /// In the snapshot that saw the hot part, or the last.
    touched: u64,
    /// Snapshots until then.
    looks: usize,
    cpu: Duration,
    adopted: bool,
    commits: usize,
    ended: String,
    restarted: bool,
}

pub(super) fn processes(admin: &Admin) -> Result<Processes> {
    let cgroup = Cgroup::create("tenants/v")?;
    let (one, two) = (Tenant::start("v1", &cgroup, &MEMORY)?, Tenant::start("v2", &cgroup, &MEMORY)?);
    let mut owned = claim(admin)?;
    let mut description = Description::new(Space::Processes(vec![Process::new(one.id())]));
    description.monitoring.intervals = Intervals::new(Duration::from_millis(20), 5);
    owned.start(&description)?;
    let (snapshot, looks) = until_hot_is_seen(&mut owned)?;
    // Another process of ours goes on with it.
    let Record::Claim(claim) = owned.record() else { anyhow::bail!("no claim") };
    drop(owned);
    let adopted = Owned::adopt(admin, &claim)?;
    let was_adopted = adopted.is_some();
    let mut owned = adopted.context("could not be adopted")?;
    description.space = Space::Processes(vec![Process::new(one.id()), Process::new(two.id())]);
    owned.commit(&description)?;
    let commits = owned.snapshot()?.schemes[0].regions.len();
    let cpu = owned.cpu_time()?;
    let (first, second) = (one.id(), two.id());
    one.stop()?;
    two.stop()?;
    sleep(Duration::from_secs(1));
    let ended = match owned.snapshot() {
        Err(error @ Error::Ended { .. }) => {
            ensure!(matches!(&error, Error::Ended { gone, .. } if *gone == [first, second]), "{error}");
            error.to_string()
        }
        other => anyhow::bail!("its processes are gone, and it says {other:?}"),
    };
    let tenant = Tenant::start("v3", &cgroup, &MEMORY)?;
    owned.start(&Description::new(Space::Processes(vec![Process::new(tenant.id())])))?;
    let restarted = owned.is_running()?;
    owned.teardown()?;
    tenant.stop()?;
    Ok(Processes {
        kind: "processes".into(),
        size: snapshot.schemes[0].total.get(),
        regions: snapshot.schemes[0].regions.len(),
        touched: touched(&snapshot),
        looks,
        cpu,
        adopted: was_adopted,
        commits,
        ended,
        restarted,
    })
}

/// The first snapshot that saw as much touched as is hot, or the last; and how many there were.
fn until_hot_is_seen(owned: &mut Owned) -> Result<(Snapshot, usize)> {
    let mut looks = 0;
    loop {
        sleep(Duration::from_millis(500));
        let snapshot = owned.snapshot()?;
        looks += 1;
        if touched(&snapshot) >= HOT_SEEN || looks == LOOKS {
            return Ok((snapshot, looks));
        }
    }
}

/// Bytes that were touched within the snapshot.
fn touched(snapshot: &Snapshot) -> u64 {
    let recent = snapshot.cohorts(0).into_iter().find(|cohort| cohort.youngest.is_zero());
    recent.map_or(0, |cohort| cohort.bytes.get())
}

impl Processes {
    pub(super) fn print(&self) {
        println!(
            "vaddr: {:.1} MiB of addresses in {} regions, {:.1} MiB touched (10 are) in snapshot {}; adopted and given a second \
             process: {} regions; {:.1} ms of processor; then: {}",
            mib(self.size),
            self.regions,
            mib(self.touched),
            self.looks,
            self.commits,
            self.cpu.as_secs_f64() * 1e3,
            self.ended
        );
    }

    pub(super) fn check(&self) -> Result<()> {
        ensure!(self.size >= 30 * MIB, "the process has more memory than that");
        ensure!(self.adopted && self.restarted, "it was not adopted, or not started again");
        ensure!((HOT_SEEN..30 * MIB).contains(&self.touched), "the hot part was not seen");
        ensure!(!self.cpu.is_zero(), "a kdamond takes processor time");
        Ok(())
    }
}
