//! A cgroup under lowtide over many minutes: what it gives and what it takes back, drawn against the SLO.

use crate::guest::look::sleep_until;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Look, Tenant, Zram, knobs, report};
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::pages::Truth;
use crate::tenant::report::Report;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Memory that is not touched for 30 s is a candidate.
pub(super) const CONFIG: &str = "
interval: 2s
hotness: { interval: 5s }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 30s
    slo: { memory_pressure: 0.5%, io_pressure: 0.5%, promotion_rate: 2%/min }
    limits: { per_minute: 40%, floor: 16MiB }
";
/// The SLO of [`CONFIG`], as a share of what is in DRAM.
pub(super) const PROMOTION_SLO: f64 = 0.02;

const EVERY: u64 = 10;
const MINUTE: f64 = 60.0;

/// One of the programs in the cgroup.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) args: &'static [&'static str],
}

/// The cgroup at one moment.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Point {
    kind: String,
    /// Seconds since its programs were ready.
    at: f64,
    look: Look,
    /// One for each program.
    reports: Vec<Report>,
}

/// Guest side: runs the programs in one cgroup with lowtide, and reports a point every ten seconds.
pub(super) fn watch(name: &str, programs: &[Program], config: &str, seconds: u64) -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
    let start = |program: &Program| Tenant::start(program.name, &cgroup, program.args);
    let tenants: Vec<_> = programs.iter().map(start).collect::<Result<_>>()?;
    let first = tenants.first().context("no program")?.reports()?;
    let ready = first.first().context("the tenant is ready")?.clock;
    let daemon = Daemon::start(name, config)?;
    for at in (EVERY..=seconds).step_by(usize::try_from(EVERY)?) {
        let at = Duration::from_secs(at).as_secs_f64();
        sleep_until(ready + at)?;
        let look = Look::take(name, &daemon, &cgroup)?;
        let reports = tenants.iter().map(Tenant::truth).collect::<Result<_>>()?;
        report::emit(&Point { kind: "point".into(), at, look, reports })?;
    }
    println!("{}", daemon.explain(&cgroup.name())?);
    daemon.stop()?;
    tenants.into_iter().try_for_each(|tenant| tenant.stop().map(drop))
}

/// Host side: the points in order.
pub(super) struct Curve(Vec<Point>);

impl Curve {
    pub(super) fn of(outcome: &Outcome) -> Result<Self> {
        Ok(Self(outcome.all("point")?))
    }

    /// Where the pages of a program were at the end.
    pub(super) fn last_truth(&self, program: &str) -> Result<&Truth> {
        let reports = self.0.last().into_iter().flat_map(|point| &point.reports);
        let mut truths =
            reports.filter(|report| report.name == program).filter_map(|report| report.truth.as_ref());
        truths.next().with_context(|| format!("{program} has not said where its pages are"))
    }

    /// The most that was faulted back in a minute that began at `from` or later, as a share of what was in
    /// DRAM at its end.
    pub(super) fn worst_minute(&self, from: f64) -> Result<f64> {
        let minutes = self.0.iter().filter(|point| point.at >= from + MINUTE);
        let worst = minutes.map(|point| self.promotion(point)).reduce(f64::max);
        worst.with_context(|| format!("there is no minute after {from} s"))
    }

    /// What was faulted back in the minute before `point`, as a share of what is in DRAM: what the SLO is
    /// about.
    fn promotion(&self, point: &Point) -> f64 {
        mib(self.back(point)) / mib(point.look.counters.current)
    }

    fn back(&self, point: &Point) -> u64 {
        let before = self.0.iter().rev().find(|before| before.at <= point.at - MINUTE);
        point.look.counters.back - before.map_or(0, |before| before.look.counters.back)
    }

    /// A line for each point; `note` adds to it what a scenario knows.
    pub(super) fn print(&self, note: impl Fn(f64) -> &'static str) {
        println!(
            "   s    DRAM  in swap  back/MiB in a minute; | is the SLO, each # a fifth of it; gone hot/warm/cold"
        );
        for point in &self.0 {
            let counters = &point.look.counters;
            let promotion = self.promotion(point);
            println!(
                "{:>4.0} {:>7.1} {:>8.1} {:>6.1} {:>5.1} % {} {:<17} {}{}",
                point.at,
                mib(counters.current),
                mib(counters.swap),
                mib(self.back(point)),
                promotion * 100.0,
                bar(promotion / PROMOTION_SLO),
                point.reports.iter().map(gone).collect::<Vec<_>>().join(", "),
                point.look.decided.summary(),
                note(point.at),
            );
        }
    }
}

/// MiB of the hot, the warm and the cold part that are not in DRAM.
fn gone(report: &Report) -> String {
    let parts = report.truth.as_ref().map(|truth| [truth.hot, truth.warm, truth.cold]);
    let parts = parts.into_iter().flatten().map(|part| format!("{:.0}", mib(part.gone())));
    parts.collect::<Vec<_>>().join("/")
}

/// `of_slo` as a bar of fixed width, with the SLO as a line in it; what is too long for it ends with `>`.
fn bar(of_slo: f64) -> String {
    const TO_SLO: i32 = 5;
    const WIDTH: i32 = 40;
    let cell = |cell: i32| match cell {
        _ if cell == WIDTH && of_slo * f64::from(TO_SLO) > f64::from(WIDTH) => '>',
        _ if f64::from(cell) <= of_slo * f64::from(TO_SLO) => '#',
        TO_SLO => '|',
        _ => ' ',
    };
    (1..=WIDTH).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::{Counters, Decided};

    #[test]
    fn the_bar_shows_where_the_slo_is() {
        assert_eq!(bar(0.0).trim_end(), "    |");
        assert_eq!(bar(0.5).trim_end(), "##  |");
        assert_eq!(bar(1.0).trim_end(), "#####");
        assert_eq!(bar(2.0).trim_end(), "##########");
        assert_eq!(bar(100.0).chars().count(), 40);
        assert!(bar(100.0).ends_with("#>"));
    }

    fn point(at: f64, back: u64) -> Point {
        let counters = Counters {
            at,
            current: 100 * MIB,
            swap: 0,
            anon: 0,
            file: 0,
            scanned: 0,
            stolen: 0,
            back: back * MIB,
            memory_stall: 0.0,
            io_stall: 0.0,
        };
        let decided = Decided::of(&serde_json::Value::Null);
        let look = Look {
            kind: "look".into(),
            run: String::new(),
            path: String::new(),
            counters,
            decided,
            requested: 0,
        };
        Point { kind: "point".into(), at, look, reports: Vec::new() }
    }

    #[test]
    fn the_worst_minute_is_found_among_those_that_count() {
        let curve =
            Curve(vec![point(30.0, 8), point(60.0, 20), point(90.0, 21), point(120.0, 23), point(150.0, 24)]);
        assert_eq!(curve.worst_minute(0.0).unwrap(), 0.2);
        assert_eq!(curve.worst_minute(60.0).unwrap(), 0.03);
        assert!(curve.worst_minute(100.0).is_err());
    }
}
