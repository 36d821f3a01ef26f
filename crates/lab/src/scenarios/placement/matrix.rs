//! The truth of each tenant against where its pages are, as a matrix.

use super::super::verdict::Verdict;
use super::{End, Heat, Setup, TENANTS};
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::ages::AgeRow;
use crate::tenant::pages::{Places, Truth};
use crate::tenant::report::Report;
use anyhow::{Context, Result};
use serde::Deserialize;

pub(super) fn judge(outcome: &Outcome, setup: &Setup) -> Result<()> {
    let mut verdict = Verdict::default();
    println!(
        "\n{:<8} {:<12} {:>8} {:>8} {:>8} {:>8}  MiB",
        "tenant",
        "",
        "DRAM",
        "node",
        if setup.zswap { "zswap" } else { "zram" },
        "disk"
    );
    for Heat { name, parts } in &TENANTS {
        let (alone, with) = (end(outcome, "dram", name)?, end(outcome, "with", name)?);
        let truth = with.truth.context("the report says where the pages are")?;
        print(name, &truth);
        judge_tenant(setup, name, *parts, &truth, with.rate / alone.rate, &mut verdict);
    }
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

/// By part, and by age class.
fn print(name: &str, truth: &Truth) {
    let row = |what: &str, [dram, node, zram, disk]: [u64; 4]| {
        let [dram, node, zram, disk] = [dram, node, zram, disk].map(mib);
        println!("{name:<8} {what:<12} {dram:>8.1} {node:>8.1} {zram:>8.1} {disk:>8.1}");
    };
    for (part, places) in [("hot", truth.hot), ("warm", truth.warm), ("cold", truth.cold)] {
        let Places { resident, slow, swapped, sunk, .. } = places;
        row(part, [resident - slow, slow, swapped - sunk, sunk]);
    }
    let older = truth.ages.iter().skip(1).map(Some).chain([None]);
    for (class, older) in truth.ages.iter().zip(older) {
        let tiers = |row: &AgeRow| [row.dram - row.slow, row.slow, row.swap - row.sunk, row.sunk];
        let (all, older) = (tiers(class), older.map(tiers).unwrap_or_default());
        row(&format!("idle {:.0} s", class.at_least), std::array::from_fn(|tier| all[tier] - older[tier]));
    }
}

fn judge_tenant(
    setup: &Setup,
    name: &str,
    parts: [u64; 3],
    truth: &Truth,
    throughput: f64,
    verdict: &mut Verdict,
) {
    let [hot, warm, cold] = parts.map(|part| mib(part * MIB));
    let in_dram = mib(truth.hot.resident - truth.hot.slow) / hot;
    verdict.expect(in_dram >= 0.9, format!("{name}: {:.1} % of the hot part in DRAM", in_dram * 100.0));
    if setup.cxl {
        let between = mib(truth.warm.slow + truth.warm.swapped - truth.warm.sunk) / warm;
        verdict.expect(
            between >= 0.8,
            format!("{name}: {:.1} % of the warm part on the node or compressed", between * 100.0),
        );
    }
    let sunk = mib(truth.cold.sunk) / cold;
    verdict
        .expect(sunk >= 0.8, format!("{name}: {:.1} % of the cold part on the slowest tier", sunk * 100.0));
    verdict.expect(throughput >= 0.98, format!("{name}: throughput {throughput:.4} of that in DRAM"));
}

fn end(outcome: &Outcome, run: &str, tenant: &str) -> Result<Report> {
    let own = format!("{tenant}-{run}");
    let ends = outcome.results.iter().filter(|found| found["kind"] == "end" && found["run"] == run);
    let reports = ends.map(|found| Ok(End::deserialize(found)?.report)).collect::<Result<Vec<_>>>()?;
    reports.into_iter().find(|report| report.name == own).with_context(|| format!("no end of {own}"))
}
