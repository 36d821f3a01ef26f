//! DAMON: it watches all the time, and has schemes only while it is looked at, as in the daemon.

use super::IDLE;
use super::row::{BETWEEN, LOOKS, Row};
use super::settings::Setting;
use super::truth::Pages;
use crate::guest::{Cgroup, Tenant};
use anyhow::Result;
use lowtide_damon::{Context, Operations, Owned, Snapshot};
use lowtide_kernfs::Root;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Time for regions to settle and then to become so old: after 50 s on 6.18, where the least number of
/// regions counts from the first update on, a part of what is cold was still younger.
const SETTLE: Duration = Duration::from_secs(90);

pub(super) fn measure(
    root: &Root,
    owned: &mut Owned,
    setting: &Setting,
    tenant: &Tenant,
    cgroup: &Cgroup,
) -> Result<Row> {
    let pages = Pages::read(tenant.id())?;
    let looking = setting.description(root, &pages, tenant.id(), &cgroup.name())?;
    let mut row = Row::new(setting.to_string());
    if let Some(part) = owned.capabilities().missing(&looking).first() {
        return Ok(row.missing(part.to_string()));
    }
    let physical = setting.operations == Operations::Paddr;
    if physical && !owned.capabilities().counts_passed_bytes() {
        return Ok(row.missing("bytes that pass a filter are not counted".into()));
    }
    let resting = Context { schemes: Vec::new(), ..looking.clone() };
    owned.start(&resting)?;
    sleep(SETTLE);
    let (begun, cpu) = (Instant::now(), owned.cpu_time()?);
    for _ in 0..LOOKS {
        owned.commit(&looking)?;
        let snapshot = owned.snapshot()?;
        owned.commit(&resting)?;
        row.add(idle(&snapshot, &pages, physical), snapshot.schemes[0].regions.len());
        sleep(BETWEEN);
    }
    let row = row.cost(owned.cpu_time()?.saturating_sub(cpu), begun.elapsed());
    owned.stop()?;
    Ok(row)
}

fn idle(snapshot: &Snapshot, pages: &Pages, physical: bool) -> (u64, u64) {
    let idle = snapshot.schemes[0].regions.iter().filter(|region| region.idle() >= IDLE);
    pages.within(idle.map(|region| (region.range.start(), region.range.end())), physical)
}
