//! The shipped dashboards: what a real Prometheus that scrapes a running daemon answers to each query of each
//! panel, as plots.

mod panels;
mod plot;

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::SSD_NANOSECONDS;
use crate::guest::look::{now, sleep_until};
use crate::guest::prometheus::Curve;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, NullBlock, Prometheus, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::MIB;
use anyhow::{Context, Result};
use panels::{DASHBOARDS, panels};
use serde::{Deserialize, Serialize};
use std::fs;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "dashboards",
    about: "every query of the shipped dashboards in a real Prometheus that scrapes lowtide: each finds something, drawn as SVG",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(25)),
    programs: &["lowtide", "prometheus"],
    guest,
    judge,
};

const ADDRESS: &str = "127.0.0.1:9464";

const PROMETHEUS_CONFIG: &str = "
global: { scrape_interval: 15s }
scrape_configs:
  - job_name: lowtide
    static_configs: [ { targets: ['127.0.0.1:9464'] } ]
";

/// Two tenants that are offloaded, and a balancer whose write budget is soon spent.
const CONFIG: &str = "
metrics: { listen: 127.0.0.1:9464 }
balancer:
  watermark: 10%
  low: 5%
  scan_interval: 10s
  min_age: 1m
  write_budget: 20MB/day
policies:
  - { name: services, match: [/services/*], mode: full, cold_after: 1m, limits: { floor: 8MiB } }
  - { name: batch, match: [/batch/*], mode: full, cold_after: 30s, limits: { per_minute: 30%, floor: 4MiB } }
  - { name: looked-at, match: [/looked-at/*], mode: observe }
";

/// A cgroup, and what runs in it.
const TENANTS: [(&str, [&str; 8]); 3] = [
    ("services/web", ["--hot", "24M", "--warm", "8M", "--warm-every", "90s", "--cold", "30M"]),
    ("batch/index", ["--hot", "4M", "--warm", "12M", "--warm-every", "45s", "--cold", "40M"]),
    ("looked-at/mail", ["--hot", "8M", "--warm", "0", "--warm-every", "20s", "--cold", "20M"]),
];
const PAUSE: [&str; 2] = ["--pause", "50ms"];

/// Seconds that are shown; and from one point to the next.
const SECONDS: f64 = 1200.0;
const STEP: u32 = 15;

/// Seconds after which one tenant reads its memory back, from the disk too: what a fault costs there is known
/// then.
const READ_BACK: f64 = 600.0;

/// A metric that kernels before this one have nothing of: they do not count `pswpin` for each cgroup.
/// Whatever else finds nothing is a fault.
const SWAPPED_IN: (&str, [u32; 2]) = ("lowtide_cgroup_swapped_in_bytes_total", [6, 14]);

/// What Prometheus answered to one query.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    kind: String,
    dashboard: String,
    panel: usize,
    query: String,
    curves: Vec<Curve>,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let below = NullBlock::create(0, 256 * MIB, SSD_NANOSECONDS)?;
    let backing = Some(below.device().to_owned());
    let _zram = Zram::swap(&ZramOptions { backing, ..ZramOptions::lz4(256 * MIB) }, 100)?;
    let mut tenants = Vec::new();
    for (path, arguments) in &TENANTS {
        let cgroup = Cgroup::create(path)?;
        let name = path.rsplit('/').next().unwrap_or(path);
        tenants.push((Tenant::start(name, &cgroup, &[&arguments[..], &PAUSE].concat())?, cgroup));
    }
    let daemon = Daemon::start("dashboards", CONFIG)?;
    let prometheus = Prometheus::start(PROMETHEUS_CONFIG, None)?;
    let begun = now()?;
    sleep_until(begun + READ_BACK)?;
    tenants[1].0.touch_all()?;
    sleep_until(begun + SECONDS)?;
    for (name, text) in DASHBOARDS {
        for (panel, shown) in panels(text)?.iter().enumerate() {
            for target in &shown.targets {
                let curves = prometheus.range(&target.query(ADDRESS), SECONDS, STEP)?;
                report::emit(&Answer {
                    kind: "answer".into(),
                    dashboard: (*name).to_owned(),
                    panel,
                    query: target.expr.clone(),
                    curves,
                })?;
            }
        }
    }
    prometheus.stop()?;
    daemon.stop()?;
    for (tenant, cgroup) in tenants {
        tenant.stop()?;
        cgroup.remove()?;
    }
    Ok(())
}

/// Major and minor number of a kernel such as `6.12.117+deb12-amd64`.
fn version(kernel: &str) -> [u32; 2] {
    let mut numbers = kernel.split('.').map(|number| number.parse().unwrap_or(0));
    [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)]
}

fn judge(outcome: &Outcome) -> Result<()> {
    let answers: Vec<Answer> = outcome.all("answer")?;
    let mut verdict = Verdict::default();
    let counts_swap_ins = version(&outcome.kernel) >= SWAPPED_IN.1;
    for (name, text) in DASHBOARDS {
        let panels = panels(text)?;
        let curves = |index: usize, expr: &str| {
            let of_it =
                |answer: &&Answer| answer.dashboard == *name && answer.panel == index && answer.query == expr;
            answers.iter().find(of_it).map(|answer| &answer.curves[..]).unwrap_or_default()
        };
        for (index, panel) in panels.iter().enumerate() {
            for target in &panel.targets {
                let found = curves(index, &target.expr);
                let finds = found.iter().any(|curve| !curve.points.is_empty());
                // Where the kernel does not count it, nothing is what there has to be.
                let is_due = counts_swap_ins || !target.expr.contains(SWAPPED_IN.0);
                verdict.expect(
                    finds == is_due,
                    format!("{name}: {}: {} series of {}", panel.title, found.len(), target.expr),
                );
            }
        }
        let path = outcome.directory.join(format!("{name}.svg"));
        fs::write(&path, plot::dashboard(&panels, curves)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_that_count_swap_ins_are_told_from_those_that_do_not() {
        let counts = ["6.1.0-40-amd64", "6.12.117+deb12-amd64", "6.14.0", "7.3.4"]
            .map(|kernel| version(kernel) >= SWAPPED_IN.1);
        assert_eq!(counts, [false, false, true, true]);
    }
}
