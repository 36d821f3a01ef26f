//! A run: set up the host, start the groups, look at them under load, print and write what came out.

use super::group::{Group, Loads, Plan, use_processors};
use super::host::{self, Host};
use super::options::Options;
use super::pack::Pack;
use super::record::{self, Record};
use crate::guest::knobs;
use crate::guest::look::{now, sleep_until};
use crate::guest::zram::ZramUse;
use crate::process::say;
use crate::work::agents::Running;
use crate::work::latency::Window;
use crate::work::results::{Explained, Mark, Row, Served};
use crate::work::servers::Ports;
use crate::work::table;
use crate::work::usage::{cpu, kernel_threads};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Looks at the groups in a run, the one at the start apart.
const LOOKS: u64 = 5;

/// All of it. What a killed run has left is cleaned up first, and what this one makes at the end, whatever
/// happened.
pub fn run(options: &Options) -> Result<()> {
    host::check(options)?;
    let pack = Pack::of_this_program()?;
    let mut record = Record::open(Path::new(record::PATH))?;
    let left = record.undo()?;
    if left > 0 {
        say(&format!("cleaned up {left} things that a killed run had left"));
    }
    let ran = measure(options, &pack, &mut record);
    let cleaned = record.undo();
    ran?;
    cleaned.map(|made| say(&format!("cleaned up: {made} things are as they were")))
}

fn measure(options: &Options, pack: &Pack, record: &mut Record) -> Result<()> {
    let host = host::set_up(options, record, &pack.busybox())?;
    let plans = plans(options, &host, std::thread::available_parallelism()?.get())?;
    let mut groups = Vec::new();
    for plan in plans {
        say(&format!("{}: unpacking, starting and filling its servers", plan.agents.name()));
        groups.push(Group::start(plan, options.size.work(), pack)?);
    }
    let mut looks =
        Looks { host: &host, before: host.zram.usage()?, marks: Vec::new(), explained: Vec::new() };
    let running = groups.iter().map(Group::start_agent).collect::<Result<Vec<_>>>()?;
    looks.take(&groups, 0)?;
    let windows = windows(options.seconds);
    let loads = groups.iter().map(|group| group.start_load(options.seconds, &windows));
    let loads = loads.collect::<Result<Vec<_>>>()?;
    use_processors(&[])?;
    say(&format!("load for {} s", options.seconds));
    let start = now()?;
    for look in 1..LOOKS {
        let at = options.seconds * look / LOOKS;
        sleep_until(start + Duration::from_secs(at).as_secs_f64())?;
        looks.take(&groups, at)?;
    }
    let served = finish(&mut groups, loads)?;
    looks.take(&groups, options.seconds)?;
    looks.explain(&groups, &running, options.seconds)?;
    running.into_iter().try_for_each(Running::stop)?;
    print(options, &looks, &served)
}

/// The whole run, and its second half.
fn windows(seconds: u64) -> [Window; 2] {
    [Window { from: 0, to: seconds }, Window { from: seconds / 2, to: seconds }]
}

/// The processors of the group with this number, if each has so many.
fn own_processors(index: usize, each: usize) -> Vec<usize> {
    (index * each..(index + 1) * each).collect()
}

/// Each group gets processors of its own where there are enough.
fn plans(options: &Options, host: &Host, processors: usize) -> Result<Vec<Plan>> {
    let each = processors / options.groups.len();
    say(&if each == 0 {
        format!("all groups share {processors} processors: latencies are those of neighbours too")
    } else {
        format!("each group has {each} of {processors} processors")
    });
    let plan = |(index, agents): (usize, &_)| {
        let port = |offset: usize| {
            let port = u16::try_from(index * 2 + offset)?.checked_add(options.port);
            port.context("--port is too high")
        };
        Ok(Plan {
            agents: *agents,
            processors: own_processors(index, each),
            ports: Ports { redis: port(0)?, nginx: port(1)? },
            directory: host::group_directory(&host.directory, *agents),
            agent: host::agent_directory(&host.directory, *agents),
        })
    };
    options.groups.iter().enumerate().map(plan).collect()
}

fn finish(groups: &mut [Group], loads: Vec<Loads>) -> Result<Vec<Served>> {
    let finish = |(group, loads): (&mut Group, Loads)| {
        let load = group.finish(loads).with_context(|| format!("group {}", group.agents().name()))?;
        Ok(Served {
            kind: "served".into(),
            row: group.agents().name().into(),
            load,
            cached: group.cached()?,
            files: group.files(),
        })
    };
    groups.iter_mut().zip(loads).map(finish).collect()
}

struct Looks<'a> {
    host: &'a Host,
    before: ZramUse,
    marks: Vec<Mark>,
    explained: Vec<Explained>,
}

impl Looks<'_> {
    /// All groups swap to one device: what it takes is divided among them by what each has there.
    fn take(&mut self, groups: &[Group], at: u64) -> Result<()> {
        let zram_use = self.host.zram.usage()?;
        let taken = zram_use.memory.saturating_sub(self.before.memory);
        let usages = groups.iter().map(Group::usage).collect::<Result<Vec<_>>>()?;
        let swap = |usage: &std::collections::BTreeMap<_, crate::work::usage::Usage>| -> u64 {
            usage.values().map(|usage| usage.counters.swap).sum()
        };
        let all = usages.iter().map(swap).sum::<u64>().max(1);
        for (group, servers) in groups.iter().zip(usages) {
            let zram = u128::from(taken) * u128::from(swap(&servers)) / u128::from(all);
            self.marks.push(Mark {
                kind: "mark".into(),
                row: group.agents().name().into(),
                at,
                servers,
                zram: i64::try_from(zram)?,
                zram_use,
                agents: cpu(group.own())?,
                kernel_threads: kernel_threads()?,
            });
        }
        Ok(())
    }

    fn explain(&mut self, groups: &[Group], running: &[Running], at: u64) -> Result<()> {
        for (group, running) in groups.iter().zip(running) {
            let Some(daemon) = running.lowtide() else { continue };
            for cgroup in group.paths() {
                let (row, text) = (group.agents().name().to_owned(), daemon.explain(&cgroup)?);
                self.explained.push(Explained { kind: "explained".into(), row, at, cgroup, text });
            }
        }
        Ok(())
    }
}

fn print(options: &Options, looks: &Looks, served: &[Served]) -> Result<()> {
    let rows = options.groups.iter().map(|agents| Row::of(agents.name(), &looks.marks, served));
    table::print(&rows.collect::<Result<Vec<_>>>()?);
    println!(
        "\nkernel {}; the kernel's threads are the whole host's, in each row",
        knobs::read("/proc/sys/kernel/osrelease")?
    );
    let all = json!({
        "kernel": knobs::read("/proc/version")?,
        "processors": std::thread::available_parallelism()?.get(),
        "seconds": options.seconds,
        "size": format!("{:?}", options.size).to_lowercase(),
        "marks": looks.marks,
        "served": served,
        "explained": looks.explained,
    });
    let path = &options.json;
    std::fs::write(path, serde_json::to_string_pretty(&all)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("all figures: {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_no_processor_in_common() {
        let all: Vec<_> = (0..4).flat_map(|index| own_processors(index, 3)).collect();
        assert!(all.into_iter().eq(0..12));
        assert!(own_processors(2, 0).is_empty());
    }
}
