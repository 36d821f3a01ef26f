//! One controller after the other on the same tenant, in one machine: how much of the cold memory each finds,
//! how much of what it moves is really cold, and what that costs.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::look::sleep_until;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Counters, CpuTime, Daemon, Peer, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::ages::AgeRow;
use crate::tenant::report::Report;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "peers",
    about: "nobody, senpai.py, oomd's Senpai and lowtide, each for 180 s on a fresh tenant: found, moved wrongly, cost",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// Seconds of a tenant's life at which it is looked at; the last ends it.
const MARKS: [u64; 3] = [60, 120, 180];

const COLD: u64 = 120 * MIB;
/// The truth of every second finds what left DRAM and how old it was; see [`AgeRow::moved`].
const TENANT: [&str; 11] =
    ["--hot", "40M", "--warm", "30M", "--warm-every", "20s", "--cold", "120M", "--ages", "30s", "--truth"];
/// What is idle for so many seconds is cold: longer than the warm part ever is.
const COLD_AFTER: f64 = 30.0;

/// Who works on the tenant.
struct Row {
    name: &'static str,
    controller: Controller,
}

enum Controller {
    Nobody,
    /// A law of [`crate::guest::peers`], with its arguments.
    Peer(&'static str, &'static [&'static str]),
    /// The daemon, with its configuration.
    Lowtide(&'static str),
}

/// All may go down to 16 MiB; the peers' own default, 100 MiB, is made for larger tenants.
const ROWS: [Row; 5] = [
    Row { name: "nobody", controller: Controller::Nobody },
    Row { name: "senpai", controller: Controller::Peer("senpai", &["--min-size", "16M"]) },
    // By default it probes every 35 s and would move nothing in three minutes: it gets the fastest ticks
    // there are.
    Row {
        name: "oomd-senpai",
        controller: Controller::Peer(
            "oomd-senpai",
            &["--tick", "1s", "--interval", "2", "--limit-min", "16M"],
        ),
    },
    Row { name: "by pressure", controller: Controller::Lowtide(BY_PRESSURE) },
    Row { name: "by age", controller: Controller::Lowtide(BY_AGE) },
];

/// The loop without ages: how the tenant stalls is all that it knows. As in the scenario `offload`, but for
/// `cold_after`, which is what the table calls cold.
const BY_PRESSURE: &str = "
interval: 2s
hotness: { source: none }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 30s
    slo: { memory_pressure: 0.5%, io_pressure: 0.5%, promotion_rate: 2%/min }
    limits: { per_minute: 40%, floor: 16MiB }
";

/// The same with idle ages, and as fast as age allows.
const BY_AGE: &str = "
interval: 2s
hotness: { interval: 5s }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 30s
    slo: { memory_pressure: 0.5%, io_pressure: 0.5%, promotion_rate: 2%/min }
    limits: { per_minute: 100%, floor: 16MiB }
";

/// The tenant at one of the [`MARKS`].
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    kind: String,
    row: String,
    at: u64,
    report: Report,
    counters: Counters,
}

/// What a row took in all.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    kind: String,
    row: String,
    controller: CpuTime,
    /// With its faults, and what it had to reclaim itself.
    tenant: CpuTime,
    /// memory.high when the controller had gone.
    high: String,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    ROWS.iter().try_for_each(run)
}

fn run(row: &Row) -> Result<()> {
    let cgroup = Cgroup::create(&format!("tenants/{}", row.name.replace(' ', "-")))?;
    let tenant = Tenant::start(row.name, &cgroup, &TENANT)?;
    let ready = tenant.reports()?.first().context("the tenant is ready")?.clock;
    let controller = Running::start(row, &cgroup)?;
    for at in MARKS {
        sleep_until(ready + Duration::from_secs(at).as_secs_f64())?;
        let (report, counters) = (tenant.truth()?, Counters::read(&cgroup)?);
        report::emit(&Mark { kind: "mark".into(), row: row.name.into(), at, report, counters })?;
    }
    let controller = cpu_until(|| controller.stop())?;
    let high = cgroup.read("memory.high")?;
    let tenant = cpu_until(|| tenant.stop().map(drop))?;
    report::emit(&End { kind: "end".into(), row: row.name.into(), controller, tenant, high })?;
    cgroup.remove()
}

/// Processor time of the process whose end `stop` waits for.
fn cpu_until(stop: impl FnOnce() -> Result<()>) -> Result<CpuTime> {
    let before = CpuTime::of_ended_children()?;
    stop()?;
    Ok(CpuTime::of_ended_children()?.since(before))
}

enum Running {
    Nobody,
    Peer(Peer),
    Lowtide(Daemon),
}

impl Running {
    fn start(row: &Row, cgroup: &Cgroup) -> Result<Self> {
        Ok(match row.controller {
            Controller::Nobody => Self::Nobody,
            Controller::Peer(law, args) => Self::Peer(Peer::start(law, cgroup, args)?),
            Controller::Lowtide(config) => {
                Self::Lowtide(Daemon::start(&cgroup.name().replace('/', "-"), config)?)
            }
        })
    }

    fn stop(self) -> Result<()> {
        match self {
            Self::Nobody => Ok(()),
            Self::Peer(peer) => peer.stop(),
            Self::Lowtide(daemon) => daemon.stop(),
        }
    }
}

fn judge(outcome: &Outcome) -> Result<()> {
    let marks: Vec<Mark> = outcome.all("mark")?;
    let ends: Vec<End> = outcome.all("end")?;
    println!(
        "\n                cold part gone at   moved  cold when    back  through-   controller CPU/s  tenant's"
    );
    println!(
        "controller      60 s  120 s  180 s    /MiB  it moved    /MiB       put      user    kernel     CPU/s"
    );
    let stories: Vec<_> = ROWS.iter().map(|row| Story::of(row, &marks, &ends)).collect::<Result<_>>()?;
    let nobody = stories.first().context("there are rows")?;
    for story in &stories {
        story.print(nobody);
    }
    println!();
    let mut verdict = Verdict::default();
    for story in &stories {
        story.judge(&mut verdict);
    }
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

/// One row of the table.
struct Story<'a> {
    row: &'a Row,
    marks: Vec<&'a Mark>,
    last: &'a Mark,
    end: &'a End,
}

impl<'a> Story<'a> {
    fn of(row: &'a Row, marks: &'a [Mark], ends: &'a [End]) -> Result<Self> {
        let name = row.name;
        let marks: Vec<_> = marks.iter().filter(|mark| mark.row == name).collect();
        let end = ends.iter().find(|end| end.row == name).with_context(|| format!("{name} has not ended"))?;
        let last = *marks.last().with_context(|| format!("{name} was never looked at"))?;
        Ok(Self { row, marks, last, end })
    }

    /// Bytes found gone that had been idle for so long.
    fn moved(&self, idle: f64) -> u64 {
        let rows = self.last.report.truth.iter().flat_map(|truth| &truth.ages);
        rows.filter(|row: &&AgeRow| row.at_least >= idle).map(|row| row.moved).max().unwrap_or_default()
    }

    /// Of what the kernel moved, the share known to have been cold. What came back within a second counts
    /// against it.
    fn precision(&self) -> f64 {
        mib(self.moved(COLD_AFTER)) / mib(self.last.counters.stolen)
    }

    fn print(&self, nobody: &Self) {
        let gone = |mark: &&Mark| {
            let truth = mark.report.truth.as_ref();
            format!("{:>4.0} %", truth.map_or(0.0, |truth| mib(truth.cold.gone()) / mib(COLD)) * 100.0)
        };
        let gone: Vec<_> = self.marks.iter().map(gone).collect();
        let cold = if self.last.counters.stolen > 0 {
            format!("{:.1} %", self.precision() * 100.0)
        } else {
            "-".to_owned()
        };
        println!(
            "{:<13} {} {:>7.1}  {cold:>8} {:>7.1} {:>9.4} {:>9.2} {:>9.2} {:>9.2}",
            self.row.name,
            gone.join(" "),
            mib(self.last.counters.stolen),
            mib(self.last.counters.back),
            self.last.report.rate / nobody.last.report.rate,
            self.end.controller.user.as_secs_f64(),
            self.end.controller.kernel.as_secs_f64(),
            self.end.tenant.total().as_secs_f64(),
        );
    }

    /// Only whether the figures can be believed.
    fn judge(&self, verdict: &mut Verdict) {
        let Row { name, controller } = self.row;
        let (stolen, moved) = (self.last.counters.stolen, self.moved(0.0));
        verdict.expect(
            matches!(controller, Controller::Nobody) == (stolen == 0) && moved <= stolen,
            format!("{name}: {:.1} MiB moved, {:.1} of them found gone", mib(stolen), mib(moved)),
        );
        let high = self.end.high.trim();
        verdict.expect(
            high == "max" && self.marks.len() == MARKS.len(),
            format!("{name}: looked at {} times; left memory.high at {high}", self.marks.len()),
        );
    }
}
