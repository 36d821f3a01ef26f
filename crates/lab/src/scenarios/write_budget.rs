//! A write budget: as many bytes are written to the backing device as it allows, to the byte, whatever kills
//! the daemon.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::SSD_NANOSECONDS;
use crate::guest::look::{now, sleep_until};
use crate::guest::zram::{BackingUse, ZramOptions};
use crate::guest::{Cgroup, Daemon, NullBlock, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::random::Random;
use crate::size::{MIB, mib};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "write_budget",
    about: "10 MB a day to the device below zram: exactly that is written, with the daemon killed again and again",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// What `10MB` is: sizes are binary.
const BUDGET: u64 = 10 * MIB;
const BACKING: u64 = 256 * MIB;
const ROUNDS: usize = 6;
/// Nobody's default: a lost one would show.
const LIMIT: &str = "777";
const TENANT: [&str; 6] = ["--hot", "2M", "--warm", "0", "--cold", "60M"];

/// There is always more to sink than the budget allows.
const CONFIG: &str = "
interval: 1s
hotness: { source: none }
balancer:
  watermark: 10%
  low: 5%
  scan_interval: 1s
  min_age: 1s
  rate: 2MiB/s
  write_budget: 10MB/day
";

/// After a kill, or at the end.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    kind: String,
    when: String,
    /// The kernel's count.
    backing: BackingUse,
    /// The device's own, in bytes.
    device: u64,
    /// What the daemon decided last, if it runs.
    reason: String,
    /// Left of the budget, as it says.
    left: u64,
    limit: String,
    switch: String,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let disk = NullBlock::create(0, BACKING, SSD_NANOSECONDS)?;
    let backing = Some(disk.device().to_owned());
    let zram = Zram::swap(&ZramOptions { backing, ..ZramOptions::lz4(128 * MIB) }, 100)?;
    zram.write("writeback_limit", LIMIT)?;
    let cgroup = Cgroup::create("tenants/a")?;
    let tenant = Tenant::start("a", &cgroup, &TENANT)?;
    sleep(Duration::from_secs(3));
    // The kernel may find less at the first call: it ages the pages then.
    for _ in 0..3 {
        let _ = cgroup.write("memory.reclaim", "15M");
    }
    sleep(Duration::from_secs(3));
    state("before", &zram, None)?;
    let mut daemon = Daemon::start("write_budget", CONFIG)?;
    let mut random = Random::new(7);
    for round in 0..ROUNDS {
        sleep(Duration::from_millis(300 + random.below(1200)));
        daemon.kill()?;
        state(&format!("kill {}", round + 1), &zram, None)?;
        daemon.start_again()?;
    }
    let end = now()? + 20.0;
    while now()? < end {
        sleep_until(now()? + 2.0)?;
    }
    state("spent", &zram, Some(&daemon))?;
    println!(
        "{}",
        daemon.command(&["status"]).map(|output| String::from_utf8_lossy(&output.stdout).into_owned())?
    );
    daemon.kill()?;
    let restored = daemon.command(&["restore"])?;
    println!("{}", String::from_utf8_lossy(&restored.stdout));
    state("restored", &zram, None)?;
    println!("{}", daemon.log()?);
    tenant.stop().map(drop)
}

fn state(when: &str, zram: &Zram, daemon: Option<&Daemon>) -> Result<()> {
    let status = daemon.map(Daemon::status).transpose()?.unwrap_or_default();
    let store = &status["balancer"][0];
    let number = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
    report::emit(&State {
        kind: "state".into(),
        when: when.into(),
        backing: zram.backing()?,
        device: sectors_written("nullb0")? * 512,
        reason: store["decision"]["reason"].as_str().unwrap_or_default().into(),
        left: number(&store["budget"]).saturating_sub(number(&store["written"])),
        limit: zram.read("writeback_limit")?,
        switch: zram.read("writeback_limit_enable")?,
    })
}

/// The seventh number of a block device's `stat` (Documentation/block/stat.rst).
fn sectors_written(device: &str) -> Result<u64> {
    let text = knobs::read(format!("/sys/block/{device}/stat"))?;
    let word = text.split_whitespace().nth(6);
    word.and_then(|word| word.parse().ok()).with_context(|| format!("stat of {device} has {text:?}"))
}

fn judge(outcome: &Outcome) -> Result<()> {
    let states: Vec<State> = outcome.all("state")?;
    println!("when        written  by the device  limit  enabled  reason");
    for State { when, backing, device, limit, switch, reason, .. } in &states {
        println!(
            "{when:<10} {:>8.3} {:>14.3} {limit:>6} {switch:>8}  {reason}",
            mib(backing.written),
            mib(*device)
        );
    }
    let named = |name: &str| {
        states.iter().find(|state| state.when == name).with_context(|| format!("no state {name:?}"))
    };
    let (before, spent, restored) = (named("before")?, named("spent")?, named("restored")?);
    let mut verdict = Verdict::default();
    verdict.expect(
        spent.backing.written == BUDGET,
        format!("{} bytes written, {BUDGET} allowed", spent.backing.written),
    );
    let device = spent.device - before.device;
    verdict.expect(device == BUDGET, format!("{device} bytes by the device's own count"));
    verdict
        .expect(states.iter().all(|state| state.backing.written <= BUDGET), "never more at any of the kills");
    let cut = states.iter().filter(|state| state.when.starts_with("kill"));
    let under_way = cut.filter(|state| (1..BUDGET).contains(&state.backing.written)).count();
    verdict.expect(under_way >= 3, format!("{under_way} of {ROUNDS} kills came while it was being spent"));
    verdict.expect(
        spent.reason == "write_budget" && spent.left == 0,
        format!("it says `{}`, {} bytes left", spent.reason, spent.left),
    );
    verdict.expect(
        restored.limit == LIMIT && restored.switch == "0",
        format!(
            "`lowtide restore` leaves a limit of {} (was {LIMIT}), enabled {}",
            restored.limit, restored.switch
        ),
    );
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}
