//! What is compared.

use super::truth::Pages;
use anyhow::{Context as _, Result};
use lowtide_damon::{
    AddressRange, Context, Filter, FilterKind, Intervals, Operations, Process, RegionCount, Space, system_ram,
};
use lowtide_kernfs::Root;
use std::fmt;
use std::time::Duration;

/// How DAMON is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) operations: Operations,
    sample: Duration,
    /// Samples in an aggregation.
    samples: u32,
    /// At least, at most.
    regions: (u32, u32),
    mark: &'static str,
}

/// Marks what the daemon does (`ADDRESSES` and `PHYSICAL` in crates/ages/src/damon/pace.rs).
pub(super) const DAEMON: &str = "<";

const fn of(operations: Operations, sample: u64, samples: u32, regions: (u32, u32)) -> Setting {
    Setting { operations, sample: Duration::from_millis(sample), samples, regions, mark: "" }
}

const fn daemon(setting: Setting) -> Setting {
    Setting { mark: DAEMON, ..setting }
}

pub(super) const SETTINGS: &[Setting] = &[
    // As the kernel's own default looks, but twenty times less often.
    of(Operations::Vaddr, 100, 20, (10, 1000)),
    of(Operations::Vaddr, 1000, 5, (100, 1000)),
    daemon(of(Operations::Vaddr, 1000, 5, (200, 1000))),
    of(Operations::Vaddr, 2000, 5, (100, 100)),
    of(Operations::Fvaddr, 1000, 5, (100, 1000)),
    of(Operations::Paddr, 100, 20, (10, 1000)),
    of(Operations::Paddr, 1000, 5, (100, 1000)),
    daemon(of(Operations::Paddr, 1000, 5, (1000, 4000))),
    of(Operations::Paddr, 2000, 5, (500, 2000)),
];

impl Setting {
    pub(super) fn description(&self, root: &Root, pages: &Pages, pid: u32, cgroup: &str) -> Result<Context> {
        let mut context = Context::new(match self.operations {
            Operations::Vaddr => Space::Processes(vec![Process::new(pid)]),
            Operations::Fvaddr => {
                let (start, end) = pages.mapping();
                let range = AddressRange::new(start, end).context("an empty mapping")?;
                Space::FixedRanges(vec![Process { ranges: vec![range], ..Process::new(pid) }])
            }
            Operations::Paddr => Space::Physical(system_ram(root)?),
        });
        context.monitoring.intervals = Intervals::new(self.sample, self.samples);
        context.monitoring.intervals.update = Duration::from_secs(10);
        context.monitoring.regions = RegionCount { min: self.regions.0, max: self.regions.1 };
        if self.operations == Operations::Paddr {
            let only = [FilterKind::Memcg(cgroup.to_owned()), FilterKind::Anonymous].map(Filter::only);
            context.schemes[0].filters = only.into();
        }
        Ok(context)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operations, sample, samples, regions: (min, max), mark } = self;
        write!(f, "{operations} {sample:?} x {samples}, {min}-{max} {mark}")
    }
}
