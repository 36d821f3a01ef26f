//! Two tenants on one zram, one of random bytes: its memory stays where nothing would be saved, and goes to a
//! disk below where there is one. What is said to be saved of each is held against what zram really takes for
//! it.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::SSD_NANOSECONDS;
use crate::guest::look::{now, sleep_until};
use crate::guest::zram::{ZramOptions, ZramUse};
use crate::guest::{Cgroup, Daemon, NullBlock, Tenant, Zram, knobs, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::pages::Places;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "compress",
    about: "a tenant of random bytes and one that compresses to a third: 300 s on zram, 180 s with a disk below it",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest,
    judge,
};

const SIZE: u64 = 256 * MIB;
const COLD: u64 = 40 * MIB;
/// Each by its name, with the share of its pages that is random.
const TENANTS: [(&str, &str); 2] = [("random", "1"), ("third", "0.3")];
const ARGS: [&str; 10] = ["--hot", "2M", "--warm", "0", "--cold", "40M", "--burst", "16", "--pause", "50ms"];

const CONFIG: &str = "
interval: 2s
hotness: { interval: 5s }
balancer: { scan_interval: 2s, min_age: 10s, rate: 4MiB/s, write_budget: 1GiB/day }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 20s
    slo: { memory_pressure: 1%, io_pressure: 1%, promotion_rate: 2%/min }
    limits: { per_minute: 40%, floor: 1MiB }
";

/// A tenant whose cold part is swapped out by the scenario, with zram for itself.
#[derive(Debug, Serialize, Deserialize)]
struct Alone {
    kind: String,
    tenant: String,
    zram: ZramUse,
}

/// A tenant at one moment of a run with lowtide.
#[derive(Debug, Serialize, Deserialize)]
struct Look {
    kind: String,
    run: String,
    tenant: String,
    /// Seconds since the daemon's start.
    at: f64,
    zram: ZramUse,
    /// The cold part, by the tenant's own page table.
    cold: Places,
    /// All of its parts.
    swapped: u64,
    sunk: u64,
    /// What the daemon says.
    net_saved: u64,
    compressed: Option<f64>,
    decision: String,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let zram = Zram::swap(&ZramOptions::lz4(SIZE), 100)?;
    for tenant in TENANTS {
        alone(&zram, tenant)?;
    }
    run("zram", &zram, 300, 0)?;
    swap::off(&zram.device())?;
    let disk = NullBlock::create(0, SIZE, SSD_NANOSECONDS)?;
    let options = ZramOptions { backing: Some(disk.device().to_owned()), ..ZramOptions::lz4(SIZE) };
    run("below", &Zram::swap(&options, 100)?, 180, 1)
}

fn alone(zram: &Zram, (name, share): (&str, &str)) -> Result<()> {
    let cgroup = Cgroup::create(&format!("alone/{name}"))?;
    let tenant = Tenant::start(name, &cgroup, &[&ARGS[..], &["--compressibility", share]].concat())?;
    // It may be less: the kernel ages the pages at the first call.
    for _ in 0..3 {
        let _ = cgroup.write("memory.reclaim", "4M");
    }
    report::emit(&Alone { kind: "alone".into(), tenant: name.into(), zram: zram.usage()? })?;
    tenant.stop()?;
    // What was swapped out is freed with the process.
    sleep(Duration::from_secs(1));
    cgroup.remove()
}

fn run(name: &str, zram: &Zram, seconds: u32, index: u32) -> Result<()> {
    let sunk_from = format!("zram{index}");
    let mut tenants = Vec::new();
    for (tenant, share) in TENANTS {
        let cgroup = Cgroup::create(&format!("tenants/{tenant}-{name}"))?;
        let args = [&ARGS[..], &["--compressibility", share, "--sunk-from", &sunk_from]].concat();
        tenants.push((tenant, Tenant::start(&format!("{tenant}-{name}"), &cgroup, &args)?, cgroup));
    }
    let daemon = Daemon::start(name, CONFIG)?;
    let start = now()?;
    for at in (60..=seconds).step_by(60) {
        sleep_until(start + f64::from(at))?;
        for (tenant, process, cgroup) in &tenants {
            look(name, tenant, now()? - start, (&daemon, zram), process, cgroup)?;
        }
    }
    for (_, _, cgroup) in &tenants {
        println!("{}", daemon.explain(&cgroup.name())?);
    }
    daemon.stop()?;
    for (_, process, cgroup) in tenants {
        process.stop()?;
        cgroup.remove()?;
    }
    Ok(())
}

fn look(
    run: &str,
    tenant: &str,
    at: f64,
    (daemon, zram): (&Daemon, &Zram),
    process: &Tenant,
    cgroup: &Cgroup,
) -> Result<()> {
    let target = daemon.target(&cgroup.name())?;
    let zram = zram.usage()?;
    let truth = process.truth()?.truth.context("the truth was asked for")?;
    let decision = &target["decision"];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    report::emit(&Look {
        kind: "look".into(),
        run: run.into(),
        tenant: tenant.into(),
        at,
        zram,
        cold: truth.cold,
        swapped: truth.hot.swapped + truth.cold.swapped,
        sunk: truth.hot.sunk + truth.cold.sunk,
        net_saved: target["net_saved"].as_u64().context("net_saved")?,
        compressed: target["compressed"]["share"].as_f64(),
        decision: format!(
            "{} {} {}",
            text(&decision["action"]["kind"]),
            text(&decision["reason"]),
            text(&decision["file_only"])
        ),
    })
}

/// Of both tenants at the end of a run.
struct End {
    random: Look,
    third: Look,
}

impl End {
    fn of(looks: &[Look], run: &str) -> Result<Self> {
        let last = |tenant: &str| {
            let mut looks = looks.iter().rev().filter(|look| look.run == run);
            let found = looks.find(|look| look.tenant == tenant).context("there is no look")?;
            anyhow::Ok(Look {
                kind: String::new(),
                run: run.into(),
                tenant: tenant.into(),
                decision: String::new(),
                ..*found
            })
        };
        Ok(Self { random: last("random")?, third: last("third")? })
    }

    /// DRAM that zram really takes for the second tenant: what it takes less the pages of the first, each of
    /// which it keeps whole.
    fn of_third(&self) -> u64 {
        self.third.zram.memory.saturating_sub(self.random.swapped - self.random.sunk)
    }
}

fn judge(outcome: &Outcome) -> Result<()> {
    let mut verdict = Verdict::default();
    for Alone { tenant, zram, .. } in outcome.all("alone")? {
        println!(
            "{tenant} alone: {:.1} MiB in zram, {:.1} compressed, {:.1} of DRAM",
            mib(zram.stored),
            mib(zram.compressed),
            mib(zram.memory)
        );
        verdict.expect(zram.stored > 6 * MIB, "enough of it to tell");
        let (whole, third) =
            (zram.compressed > zram.stored / 100 * 99, zram.compressed < zram.stored / 100 * 40);
        verdict.expect(if tenant == "random" { whole } else { third }, "it compresses as it is to");
    }
    let looks: Vec<Look> = outcome.all("look")?;
    print_looks(&looks);
    judge_zram(&mut verdict, &End::of(&looks, "zram")?);
    judge_below(&mut verdict, &End::of(&looks, "below")?);
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

/// What may have been tried of the first: until 1 MiB was measured, in requests of a quarter of that, and 1
/// MiB more after five minutes.
const TRIED: u64 = 4 * MIB;

fn judge_zram(verdict: &mut Verdict, end: &End) {
    let End { random, third } = end;
    verdict.expect(random.swapped <= TRIED, "of the random bytes no more is in zram than was tried");
    verdict.expect(third.cold.swapped >= COLD * 8 / 10, "80 % of the others have gone");
    let truth = third.swapped.saturating_sub(end.of_third());
    println!(
        "net saved: third {:.2} MiB said, {:.2} true; random {:.2} said, 0 true",
        mib(third.net_saved),
        mib(truth),
        mib(random.net_saved)
    );
    verdict.expect(third.net_saved.abs_diff(truth) <= truth / 10, "what is saved of them is known to 10 %");
    verdict.expect(random.net_saved <= random.swapped / 10, "and that nothing is saved of the random bytes");
    // A few pages of the program itself are among the first MiB.
    verdict.expect(
        random.compressed.is_some_and(|share| share > 0.95),
        "it is known that those do not compress",
    );
}

fn judge_below(verdict: &mut Verdict, end: &End) {
    let End { random, third } = end;
    println!(
        "with a disk below: random {:.1} MiB swapped, {:.1} on the disk; third {:.1}, {:.1}",
        mib(random.swapped),
        mib(random.sunk),
        mib(third.swapped),
        mib(third.sunk)
    );
    verdict.expect(random.cold.swapped >= COLD * 7 / 10, "70 % of the random bytes have left DRAM");
    verdict.expect(random.swapped - random.sunk <= 6 * MIB, "and are on the disk but for the youngest");
    let saved = random.sunk;
    verdict.expect(random.net_saved.abs_diff(saved) <= saved / 10, "what is saved of them is known to 10 %");
    let truth = third.swapped.saturating_sub(end.of_third());
    println!(
        "net saved: third {:.2} MiB said, {:.2} true; random {:.2} said, {:.2} true",
        mib(third.net_saved),
        mib(truth),
        mib(random.net_saved),
        mib(saved)
    );
    verdict.expect(third.net_saved.abs_diff(truth) <= truth / 10, "and of the others");
}

fn print_looks(looks: &[Look]) {
    println!(
        "run    tenant      s  swapped   sunk  net saved  compresses to   zram: stored    DRAM  decision"
    );
    for look in looks {
        println!(
            "{:<6} {:<7} {:>5.0} {:>8.1} {:>6.1} {:>10.2} {:>14} {:>14.1} {:>7.1}  {}",
            look.run,
            look.tenant,
            look.at,
            mib(look.swapped),
            mib(look.sunk),
            mib(look.net_saved),
            look.compressed.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0)),
            mib(look.zram.stored),
            mib(look.zram.memory),
            look.decision,
        );
    }
}
