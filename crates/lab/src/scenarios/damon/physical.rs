//! Physical memory: retuned while it runs, and read beside somebody who keeps the tree busy.

use super::steps::{claim, everywhere};
use crate::guest::{Cgroup, Tenant, knobs};
use crate::size::{MIB, mib};
use anyhow::{Result, ensure};
use lowtide_core::Bytes;
use lowtide_damon::{
    AccessPattern, Action, Admin, Filter, FilterKind, Intervals, Owned, RegionCount, Scheme, Snapshot,
    system_ram,
};
use lowtide_kernfs::Root;
use serde::{Deserialize, Serialize};
use std::sync::mpsc::{TryRecvError, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Physical memory, retuned while running.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Physical {
    kind: String,
    parts: usize,
    words: Vec<String>,
    ram: u64,
    tried: u64,
    regions: [usize; 2],
    aggregation: [Duration; 2],
    thread_kept: bool,
    quota: u64,
    snapshot_took: Duration,
    busy_commands: usize,
    /// Bytes of the tenant by its memcg filter, and what its cgroup says; where the kernel counts them.
    by_memcg: Option<(u64, u64)>,
}

pub(super) fn physical(root: &Root, admin: &Admin) -> Result<Physical> {
    let cgroup = Cgroup::create("tenants/p")?;
    let tenant = Tenant::start("p", &cgroup, &["--hot", "10M", "--warm", "0", "--cold", "20M"])?;
    let mut owned = claim(admin)?;
    let mut description = everywhere(root)?;
    let counted = owned.capabilities().counts_passed_bytes();
    if counted {
        description.schemes[0].filters = vec![Filter::only(FilterKind::Memcg(cgroup.name()))];
    }
    owned.start(&description)?;
    let thread = owned.thread();
    sleep(Duration::from_secs(1));
    let begin = Instant::now();
    let first = owned.snapshot()?;
    let snapshot_took = begin.elapsed();
    let by_memcg = counted.then(|| (passed(&first), cgroup.read_number("memory.current")));
    let by_memcg =
        by_memcg.map(|(passed, current)| Ok::<_, anyhow::Error>((passed, current?))).transpose()?;
    description.monitoring.intervals = Intervals::new(Duration::from_millis(10), 50);
    // Up to 6.18 the new least number of regions counts from the next update on.
    description.monitoring.intervals.update = Duration::from_millis(500);
    description.monitoring.regions = RegionCount { min: 100, max: 400 };
    description.schemes.push(Scheme::new(Action::LruDeprio));
    description.schemes[1].pattern =
        AccessPattern::idle_for(Duration::from_hours(1), &description.monitoring.intervals);
    description.schemes[1].quota.bytes = Bytes::mib(8);
    description.schemes[1].quota.reset_interval = Duration::from_secs(1);
    owned.commit(&description)?;
    description.schemes[1].quota.bytes = Bytes::mib(4);
    owned.commit(&description)?;
    sleep(Duration::from_secs(4));
    let second = owned.snapshot()?;
    let quota = owned.effective_quotas()?[1];
    let stats = owned.stats()?;
    ensure!(stats[0].tried > 0 && stats[1].tried == 0, "{stats:?}");
    let busy_commands = beside_readers(&owned)?;
    let capabilities = owned.capabilities();
    let physical = Physical {
        kind: "physical".into(),
        parts: capabilities.files().count(),
        words: ["action", "filters/N/type", "quotas/goals/N/target_metric"]
            .map(|file| {
                capabilities.keywords(&format!("contexts/N/schemes/N/{file}")).collect::<Vec<_>>().join(" ")
            })
            .into(),
        ram: system_ram(root)?.iter().map(|range| range.end() - range.start()).sum(),
        tried: first.schemes[0].total.get(),
        regions: [&first, &second].map(|snapshot| snapshot.schemes[0].regions.len()),
        aggregation: [first.aggregation, second.aggregation],
        thread_kept: owned.thread() == thread && owned.is_running()?,
        quota: quota.get(),
        snapshot_took,
        busy_commands,
        by_memcg,
    };
    owned.teardown()?;
    tenant.stop()?;
    Ok(physical)
}

/// Commands while somebody else reads the state of the kdamonds all the time; how many went well.
fn beside_readers(owned: &Owned) -> Result<usize> {
    std::thread::scope(|scope| {
        let (send, receive) = channel::<()>();
        scope.spawn(move || {
            while receive.try_recv() == Err(TryRecvError::Empty) {
                let _ = knobs::read("/sys/kernel/mm/damon/admin/kdamonds/0/state");
                let _ = knobs::read("/sys/kernel/mm/damon/admin/kdamonds/1/pid");
            }
        });
        let done = (0..5).map(|_| owned.stats().and_then(|_| owned.tried_bytes()));
        let done = done.collect::<Result<Vec<_>, _>>();
        drop(send);
        Ok(done?.len())
    })
}

fn passed(snapshot: &Snapshot) -> u64 {
    snapshot.schemes[0].regions.iter().map(|region| region.bytes().get()).sum()
}

impl Physical {
    pub(super) fn print(&self) {
        println!(
            "paddr: {} files; actions {}; filters {}; goals {}",
            self.parts, self.words[0], self.words[1], self.words[2]
        );
        println!(
            "paddr: {:.0} of {:.0} MiB tried, snapshot in {:.0} ms; retuned {:?} to {:?}, {} to {} regions, quota {:.0} MiB; \
             {} commands beside a reader",
            mib(self.tried),
            mib(self.ram),
            self.snapshot_took.as_secs_f64() * 1e3,
            self.aggregation[0],
            self.aggregation[1],
            self.regions[0],
            self.regions[1],
            mib(self.quota),
            self.busy_commands
        );
        if let Some((passed, current)) = self.by_memcg {
            println!(
                "paddr: {:.1} MiB by the memcg filter, memory.current {:.1} MiB",
                mib(passed),
                mib(current)
            );
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        ensure!(self.tried.abs_diff(self.ram) < MIB, "not all memory was tried");
        ensure!(self.thread_kept, "retuning started another thread");
        ensure!(self.aggregation[1] == Duration::from_millis(500), "the new intervals are not in force");
        ensure!(self.regions[1] >= 100, "the new number of regions is not in force");
        ensure!(self.quota == 4 * MIB, "the new quota is not in force");
        ensure!(self.busy_commands == 5, "a command failed beside a reader");
        if let Some((passed, current)) = self.by_memcg {
            ensure!(
                passed.abs_diff(current) < 4 * MIB,
                "the memcg filter counts {passed} of {current} bytes"
            );
        }
        Ok(())
    }
}
