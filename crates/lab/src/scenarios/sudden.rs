//! A tenant that suddenly touches all of its offloaded memory: how soon reclaim stops, and when it goes on.
//!
//! The kernel's counter of reclaimed pages (`pgsteal`) says when the last page of the tenant went, whatever
//! the daemon believes; the machine is large enough that nobody but lowtide reclaims.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::NullBlock;
use crate::guest::look::{now, seconds, sleep_until};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Counters, Daemon, Decided, Tenant, Zram, knobs, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::report::Event;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "sudden",
    about: "a tenant touches all of its offloaded memory at once: reclaim stops at once and waits for the SLO",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// The pressure trigger's window: what "at once" means.
const WINDOW: f64 = 1.0;
/// Time between two samples right after the touch, and later.
const FINE: f64 = 0.01;
const COARSE: f64 = 0.1;
/// How long the fine samples go on.
const FINE_FOR: f64 = 3.0;
/// Pages that go within this time of the touch belong to a request that was in flight.
const IN_FLIGHT_FOR: f64 = 0.05;
/// Reclaim has to go on by then, or it never will: a minute for the SLO's window, then some.
const PATIENCE: f64 = 105.0;
/// How long the watch goes on after reclaim did: first one batch is asked for, and more when cold_after has
/// passed again.
const AFTERWARDS: f64 = 25.0;

const MEMORY_SLO: f64 = 0.005;
const IO_SLO: f64 = 0.01;
const PROMOTION_SLO: f64 = 0.05;

/// One way to be surprised.
struct Surprise {
    name: &'static str,
    tenant: &'static [&'static str],
    policy: &'static str,
    interval: f64,
    /// Offloaded before the touch.
    offloaded: u64,
}

/// Small steps into zram: a request is over before the tenant has touched much.
const SMALL_STEPS: Surprise = Surprise {
    name: "zram",
    tenant: &["--hot", "40M", "--warm", "30M", "--warm-every", "20s", "--cold", "120M"],
    policy: "
interval: 2s
hotness: { source: none }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 20s
    slo: { memory_pressure: 0.5%, io_pressure: 1%, promotion_rate: 5%/min }
    limits: { per_minute: 80%, floor: 16MiB }
",
    interval: 2.0,
    offloaded: 80 * MIB,
};

/// Large steps into a swap disk: the tenant touches while a request is being written.
const LARGE_STEPS: Surprise = Surprise {
    name: "disk",
    tenant: &["--hot", "10M", "--warm", "0", "--cold", "280M"],
    policy: "
interval: 10s
hotness: { source: none }
budgets: { reclaim_cpu: 100% }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 15s
    slo: { memory_pressure: 0.5%, io_pressure: 1%, promotion_rate: 5%/min }
    limits: { per_minute: 100%, floor: 16MiB }
",
    interval: 10.0,
    offloaded: 90 * MIB,
};

/// An answer time between an SSD's and a spinning disk's, so that a request takes a while.
const SLOW: u64 = 2_000_000;

/// One sample; the kernel's figures, with the moment of the touch as zero.
#[derive(Debug, Serialize, Deserialize)]
struct Sample {
    kind: String,
    run: String,
    counters: Counters,
}

/// What the daemon decided and when, with the moment of the touch as zero.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    since: f64,
    ticks: u64,
    /// Bytes, in all of these ticks.
    asked: u64,
    decided: Decided,
}

/// What happened in one run besides the samples.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    kind: String,
    name: String,
    interval: f64,
    /// Seconds that the tenant took to touch everything.
    touched_in: f64,
    /// Pages were being reclaimed when the tenant was told to touch.
    in_flight: bool,
    /// The last request before reclaim went on was cut short between two chunks.
    cut_short: bool,
    asked: u64,
    steps: Vec<Step>,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    surprise(&SMALL_STEPS)?;
    let disk = NullBlock::create(0, 512 * MIB, SLOW)?;
    swap::on(disk.device(), 200)?;
    surprise(&LARGE_STEPS)
}

fn surprise(plan: &Surprise) -> Result<()> {
    let cgroup = Cgroup::create(&format!("tenants/{}", plan.name))?;
    let tenant = Tenant::start(plan.name, &cgroup, plan.tenant)?;
    let started = now()?;
    let daemon = Daemon::start(plan.name, plan.policy)?;
    let mut samples = wait_for_request(plan, &cgroup)?;
    let told = samples.len() - 1;
    let touch = now()?;
    tenant.touch_all()?;
    let early = watch(&cgroup, &daemon, plan, touch, &mut samples)?;
    let target = daemon.target(&cgroup.name())?;
    println!("{}", daemon.explain(&cgroup.name())?);
    let steps = steps(&target, started - touch)?;
    let reports = tenant.reports()?;
    let touched = reports.iter().find(|report| report.event == Event::TouchedAll);
    let run = Run {
        kind: "run".into(),
        name: plan.name.into(),
        interval: plan.interval,
        touched_in: touched
            .and_then(|report| report.seconds)
            .context("the tenant has not touched its memory")?,
        in_flight: samples[told..]
            .iter()
            .any(|sample| sample.at - touch <= IN_FLIGHT_FOR && sample.stolen > samples[told].stolen),
        cut_short: early["account"]["last_effect"]["stopped"] == true,
        asked: early["account"]["last_effect"]["requested"].as_u64().unwrap_or_default(),
        steps,
    };
    println!("{}", daemon.log()?);
    daemon.stop()?;
    for sample in thinned(&samples) {
        let counters = Counters { at: sample.at - touch, ..sample };
        report::emit(&Sample { kind: "sample".into(), run: plan.name.into(), counters })?;
    }
    report::emit(&run)?;
    tenant.stop()?;
    cgroup.remove()
}

/// Waits until enough is offloaded and the next request has begun to take pages; returns the samples until
/// then.
fn wait_for_request(plan: &Surprise, cgroup: &Cgroup) -> Result<Vec<Counters>> {
    let deadline = now()? + 150.0;
    let mut samples = vec![Counters::read(cgroup)?];
    loop {
        let before = samples[samples.len() - 1];
        let enough = before.swap >= plan.offloaded;
        std::thread::sleep(Duration::from_millis(if enough { 2 } else { 200 }));
        let after = Counters::read(cgroup)?;
        samples.push(after);
        if enough && after.stolen > before.stolen {
            return Ok(samples);
        }
        ensure!(after.at < deadline, "only {:.1} MiB were offloaded in time", mib(after.swap));
    }
}

/// Samples until reclaim has gone on for a while; returns what the daemon said of the tenant in the meantime.
fn watch(
    cgroup: &Cgroup,
    daemon: &Daemon,
    plan: &Surprise,
    touch: f64,
    samples: &mut Vec<Counters>,
) -> Result<Value> {
    let mut early = None;
    let mut end = touch + PATIENCE;
    loop {
        let sample = Counters::read(cgroup)?;
        let since = sample.at - touch;
        let went_on = samples.last().is_some_and(|last| sample.stolen > last.stolen);
        if went_on && since > FINE_FOR && end > sample.at + AFTERWARDS {
            end = sample.at + AFTERWARDS;
        }
        samples.push(sample);
        if sample.at >= end {
            return early.context("the watch was too short");
        }
        // By then the tick after the touch has collected the request that was cut short.
        if early.is_none() && since > FINE_FOR.max(plan.interval * 1.5) {
            early = Some(daemon.target(&cgroup.name())?);
        }
        sleep_until(sample.at + if since < FINE_FOR { FINE } else { COARSE })?;
    }
}

/// The samples around those in which something was reclaimed, and one in [`COARSE`] seconds.
fn thinned(samples: &[Counters]) -> Vec<Counters> {
    let changes = |pair: Option<&[Counters]>| pair.is_some_and(|pair| pair[0].stolen != pair[1].stolen);
    let mut kept: Vec<Counters> = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let around = changes(samples.get(index..index + 2))
            || changes(index.checked_sub(1).and_then(|before| samples.get(before..=index)));
        if around || kept.last().is_none_or(|last| sample.at - last.at >= COARSE * 0.9) {
            kept.push(*sample);
        }
    }
    kept
}

fn steps(target: &Value, offset: f64) -> Result<Vec<Step>> {
    let recent = target["account"]["recent"].as_array().context("the daemon gives no past")?;
    let step = |entry: &Value| {
        anyhow::Ok(Step {
            since: seconds(&entry["since"]).context("a duration that is no number of seconds")? + offset,
            ticks: entry["ticks"].as_u64().unwrap_or_default(),
            asked: entry["asked"].as_u64().unwrap_or_default(),
            decided: Decided::of(&entry["decision"]),
        })
    };
    recent.iter().map(step).collect()
}

fn judge(outcome: &Outcome) -> Result<()> {
    let mut verdict = Verdict::default();
    for name in [SMALL_STEPS.name, LARGE_STEPS.name] {
        let run = outcome.results.iter().find(|value| value["kind"] == "run" && value["name"] == name);
        let run = Run::deserialize(run.with_context(|| format!("no result of the run {name}"))?)?;
        let samples =
            outcome.results.iter().filter(|value| value["kind"] == "sample" && value["run"] == name);
        let samples = samples.map(|value| Ok(Sample::deserialize(value)?.counters));
        judge_run(&run, &samples.collect::<Result<Vec<_>>>()?, &mut verdict)?;
    }
    println!("{:.0} s wall on {}", outcome.wall.as_secs_f64(), outcome.kernel);
    verdict.finish()
}

/// The tenant's harm over the last seconds before the sample at `index`.
struct Harm {
    memory: f64,
    io: f64,
    promotion: f64,
}

impl Harm {
    fn over(samples: &[Counters], index: usize, span: f64) -> Self {
        let to = &samples[index];
        // At the tick before this sample the daemon's window began no later.
        let from = samples.iter().find(|from| to.at - from.at <= span - COARSE).unwrap_or(to);
        Self {
            memory: (to.memory_stall - from.memory_stall) / span,
            io: (to.io_stall - from.io_stall) / span,
            promotion: mib(to.back - from.back) / mib(to.current).max(1.0),
        }
    }
}

/// Pages went between two samples.
struct Taken {
    /// The later sample.
    index: usize,
    at: f64,
    bytes: u64,
}

fn judge_run(run: &Run, samples: &[Counters], verdict: &mut Verdict) -> Result<()> {
    let taken: Vec<Taken> = samples
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[1].stolen > pair[0].stolen)
        .map(|(index, pair)| Taken {
            index: index + 1,
            at: pair[1].at,
            bytes: pair[1].stolen - pair[0].stolen,
        })
        .collect();
    print_run(run, samples, &taken);
    let (before, after): (Vec<&Taken>, Vec<&Taken>) =
        taken.iter().partition(|taken| taken.at <= WINDOW + FINE);
    let stopped = before.last().map_or(0.0, |last| last.at.max(0.0));
    let resumed = after.first().context("reclaim never went on after the touch")?;
    verdict.expect(
        resumed.at - stopped > run.interval,
        format!(
            "{}: reclaim stopped {stopped:.2} s after the touch, within {WINDOW} s; it went on after {:.1} s",
            run.name, resumed.at
        ),
    );
    let minute = Harm::over(samples, resumed.index - 1, 60.0);
    let short = Harm::over(samples, resumed.index - 1, 10.0);
    verdict.expect(
        minute.memory <= MEMORY_SLO && short.memory <= MEMORY_SLO,
        format!(
            "{}: memory pressure by then: {:.3} % over 10 s, {:.3} % over a minute (SLO {:.1} %)",
            run.name,
            short.memory * 100.0,
            minute.memory * 100.0,
            MEMORY_SLO * 100.0
        ),
    );
    verdict.expect(
        minute.io <= IO_SLO && short.io <= IO_SLO,
        format!(
            "{}: io pressure by then: {:.3} % over 10 s, {:.3} % over a minute (SLO {:.1} %)",
            run.name,
            short.io * 100.0,
            minute.io * 100.0,
            IO_SLO * 100.0
        ),
    );
    verdict.expect(
        minute.promotion <= PROMOTION_SLO,
        format!(
            "{}: faulted back in the minute before: {:.2} % (SLO {:.0} %)",
            run.name,
            minute.promotion * 100.0,
            PROMOTION_SLO * 100.0
        ),
    );
    Ok(())
}

fn print_run(run: &Run, samples: &[Counters], taken: &[Taken]) {
    let before: Vec<&Taken> = taken.iter().filter(|taken| taken.at < 0.0).collect();
    let went: u64 = before.iter().map(|taken| taken.bytes).sum();
    println!(
        "\n{}: {:.1} MiB had been reclaimed in {:.0} s when the touch came",
        run.name,
        mib(went),
        before.first().map_or(0.0, |first| -first.at)
    );
    println!(
        "{}: the tenant touched all of its memory in {:.2} s; request in flight: {}",
        run.name, run.touched_in, run.in_flight
    );
    println!("       s    DRAM    swap   back  memory stall/ms  io stall/ms  reclaimed");
    let mut shown = f64::MIN;
    for (index, sample) in samples.iter().enumerate() {
        if sample.at < -0.5 {
            continue;
        }
        let went: u64 = taken.iter().filter(|taken| taken.index == index).map(|taken| taken.bytes).sum();
        if went == 0 && sample.at - shown < 4.0 {
            continue;
        }
        shown = sample.at;
        println!(
            "{:>8.2} {:>7.1} {:>7.1} {:>6.1} {:>16.1} {:>12.1}  {:.2}",
            sample.at,
            mib(sample.current),
            mib(sample.swap),
            mib(sample.back),
            sample.memory_stall * 1e3,
            sample.io_stall * 1e3,
            mib(went)
        );
    }
    for (index, step) in run.steps.iter().enumerate() {
        let next = run.steps.get(index + 1).map_or(f64::MAX, |next| next.since);
        let during = taken.iter().filter(|taken| (step.since..next).contains(&taken.at));
        let went: u64 = during.map(|taken| taken.bytes).sum();
        println!(
            "{:>8.2} s, {:>3} ticks: {}; asked {:.1} MiB, went {:.1}",
            step.since,
            step.ticks,
            step.decided.summary(),
            mib(step.asked),
            mib(went)
        );
    }
    println!(
        "the request before: {:.1} MiB asked, {}",
        mib(run.asked),
        if run.cut_short { "cut short" } else { "not cut short" }
    );
    let first = run.steps.iter().find(|step| step.since > 0.0);
    println!("what stopped it: {}", first.map_or("nothing", |step| &step.decided.reason));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tenant that is reclaimed from until the touch, faults everything back within a second, and is
    /// reclaimed from again at these moments.
    fn judged(reclaimed_at: &[f64]) -> Result<()> {
        let sample = |tenths: u32| {
            let at = f64::from(tenths) / 10.0 - 5.0;
            let taken = reclaimed_at.iter().filter(|moment| **moment <= at).count() as u64;
            Counters {
                at,
                current: 100 * MIB,
                swap: 0,
                anon: 100 * MIB,
                file: 0,
                scanned: 0,
                stolen: taken * MIB,
                back: if at < 1.0 { 0 } else { 50 * MIB },
                memory_stall: at.clamp(0.0, 1.0),
                io_stall: 0.0,
            }
        };
        let samples: Vec<_> = (0..1000).map(sample).collect();
        let run = Run {
            kind: "run".into(),
            name: "test".into(),
            interval: 2.0,
            touched_in: 1.0,
            in_flight: true,
            cut_short: true,
            asked: MIB,
            steps: Vec::new(),
        };
        let mut verdict = Verdict::default();
        judge_run(&run, &samples, &mut verdict)?;
        verdict.finish()
    }

    #[test]
    fn stopping_at_once_and_waiting_for_the_slo_is_good() {
        judged(&[-2.0, 0.3, 65.0]).unwrap();
    }

    #[test]
    fn going_on_at_the_next_tick_is_not() {
        assert!(judged(&[-2.0, 0.3, 2.0, 4.0, 65.0]).is_err());
    }

    #[test]
    fn going_on_before_the_minute_is_over_is_not() {
        assert!(judged(&[-2.0, 0.3, 40.0]).is_err());
    }

    #[test]
    fn never_going_on_is_not() {
        assert!(judged(&[-2.0, 0.3]).is_err());
    }
}
