//! Processes: taken over by another process of ours, and gone.

use super::steps::claim;
use crate::guest::{Cgroup, Tenant};
use crate::size::{MIB, mib};
use anyhow::{Context, Result, ensure};
use lowtide_damon::{Admin, Context as Description, Error, Intervals, Owned, Process, Record, Space};
use serde::{Deserialize, Serialize};
use std::thread::sleep;
use std::time::Duration;

/// Processes, one of which ends.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Processes {
    kind: String,
    size: u64,
    regions: usize,
    touched: u64,
    cpu: Duration,
    adopted: bool,
    commits: usize,
    ended: String,
    restarted: bool,
}

pub(super) fn processes(admin: &Admin) -> Result<Processes> {
    let cgroup = Cgroup::create("tenants/v")?;
    let options = ["--hot", "10M", "--warm", "0", "--cold", "20M"];
    let (one, two) = (Tenant::start("v1", &cgroup, &options)?, Tenant::start("v2", &cgroup, &options)?);
    let mut owned = claim(admin)?;
    let mut description = Description::new(Space::Processes(vec![Process::new(one.id())]));
    description.monitoring.intervals = Intervals::new(Duration::from_millis(20), 5);
    owned.start(&description)?;
    sleep(Duration::from_secs(2));
    let snapshot = owned.snapshot()?;
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
    let tenant = Tenant::start("v3", &cgroup, &options)?;
    owned.start(&Description::new(Space::Processes(vec![Process::new(tenant.id())])))?;
    let restarted = owned.is_running()?;
    owned.teardown()?;
    tenant.stop()?;
    Ok(Processes {
        kind: "processes".into(),
        size: snapshot.schemes[0].total.get(),
        regions: snapshot.schemes[0].regions.len(),
        touched: snapshot
            .cohorts(0)
            .first()
            .map_or(0, |cohort| if cohort.youngest.is_zero() { cohort.bytes.get() } else { 0 }),
        cpu,
        adopted: was_adopted,
        commits,
        ended,
        restarted,
    })
}

impl Processes {
    pub(super) fn print(&self) {
        println!(
            "vaddr: {:.1} MiB of addresses in {} regions, {:.1} MiB touched (10 are); adopted and given a second process: {} \
             regions; {:.1} ms of processor; then: {}",
            mib(self.size),
            self.regions,
            mib(self.touched),
            self.commits,
            self.cpu.as_secs_f64() * 1e3,
            self.ended
        );
    }

    pub(super) fn check(&self) -> Result<()> {
        ensure!(self.size >= 30 * MIB, "the process has more memory than that");
        ensure!(self.adopted && self.restarted, "it was not adopted, or not started again");
        ensure!((5 * MIB..30 * MIB).contains(&self.touched), "the hot part was not seen");
        ensure!(!self.cpu.is_zero(), "a kdamond takes processor time");
        Ok(())
    }
}
