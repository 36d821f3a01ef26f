//! One row: fresh servers, an agent, the load, and looks at them.

use super::Variant;
use crate::guest::look::{now, sleep_until};
use crate::guest::zram::ZramUse;
use crate::guest::{Cgroup, Zram, knobs, report};
use crate::spec::STAGE;
use crate::work::agents::{Agents, Place, Running};
use crate::work::load::{self, Load};
use crate::work::results::{Explained, Mark, Served};
use crate::work::servers::{Images, Servers};
use crate::work::sizes::Sizes;
use crate::work::usage::{Usage, cpu, kernel_threads};
use anyhow::{Context, Result};
use std::path::Path;
use std::time::Duration;

pub(super) fn run(
    agents: Agents,
    variant: &Variant,
    sizes: &Sizes,
    images: &Images,
    zram: &Zram,
) -> Result<()> {
    nix::unistd::sync();
    // What setting up and the row before have left there belongs to nobody.
    knobs::write("/proc/sys/vm/drop_caches", "3")?;
    let servers = Servers::start(images, "tenants", sizes, variant.huge)?;
    let own = Cgroup::create("agents")?;
    let row = Row { agents, servers, own, zram, before: zram.usage()? };
    row.mark(0)?;
    let running = Running::start(agents, &row.place())?;
    let settings = load::Settings {
        redis: images.ports().redis,
        nginx: images.ports().nginx,
        seconds: variant.seconds(),
        window: variant.windows.to_vec(),
        report: Path::new(STAGE).join(format!("load-{}.json", agents.name())),
        sizes: *sizes,
    };
    let load = Load::start(&Cgroup::create("load")?, settings)?;
    let start = now()?;
    let (last, marks) = variant.marks.split_last().context("a row has marks")?;
    for at in marks {
        sleep_until(start + Duration::from_secs(*at).as_secs_f64())?;
        row.look(*at, variant, &running)?;
    }
    let load = load.finish()?;
    row.look(*last, variant, &running)?;
    let served = Served {
        kind: "served".into(),
        row: agents.name().into(),
        load,
        cached: images.cached()?,
        files: sizes.file_bytes(),
    };
    report::emit(&served)?;
    running.stop()?;
    row.end()
}

/// What is looked at.
struct Row<'a> {
    agents: Agents,
    servers: Servers,
    own: Cgroup,
    zram: &'a Zram,
    before: ZramUse,
}

impl Row<'_> {
    fn place(&self) -> Place<'_> {
        Place {
            parent: &self.servers.parent,
            servers: self.servers.cgroups().map(|(_, cgroup)| cgroup).to_vec(),
            own: &self.own,
            directory: Path::new(STAGE).join(format!("agent-{}", self.agents.name())),
            oomd: None,
        }
    }

    fn look(&self, at: u64, variant: &Variant, running: &Running) -> Result<()> {
        self.mark(at)?;
        let daemon = running.lowtide().filter(|_| variant.explained.contains(&at));
        for (_, cgroup) in self.servers.cgroups() {
            if let Some(daemon) = daemon {
                let (row, cgroup) = (self.agents.name().to_owned(), cgroup.name());
                let text = daemon.explain(&cgroup)?;
                report::emit(&Explained { kind: "explained".into(), row, at, cgroup, text })?;
            }
        }
        Ok(())
    }

    fn mark(&self, at: u64) -> Result<()> {
        let usage = |(name, cgroup): (&str, &Cgroup)| Ok((name.to_owned(), Usage::read(cgroup)?));
        let zram_use = self.zram.usage()?;
        report::emit(&Mark {
            kind: "mark".into(),
            row: self.agents.name().into(),
            at,
            servers: self.servers.cgroups().into_iter().map(usage).collect::<Result<_>>()?,
            zram: i64::try_from(zram_use.memory)? - i64::try_from(self.before.memory)?,
            zram_use,
            agents: cpu(&self.own)?,
            kernel_threads: kernel_threads()?,
        })
    }

    fn end(self) -> Result<()> {
        self.servers.stop()?;
        self.own.remove()
    }
}
