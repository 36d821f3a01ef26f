//! The host's side: tables, and whether the figures can be believed.

use super::super::verdict::Verdict;
use super::Variant;
use crate::outcome::Outcome;
use crate::work::results::{Explained, Mark, Row, Served};
use crate::work::sizes::Sizes;
use crate::work::table;
use anyhow::Result;

pub(super) fn judge(outcome: &Outcome, variant: &Variant) -> Result<()> {
    let (marks, served): (Vec<Mark>, Vec<Served>) = (outcome.all("mark")?, outcome.all("served")?);
    let rows = variant.rows.iter().map(|agents| Row::of(agents.name(), &marks, &served));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    table::print(&rows);
    for explained in outcome.all::<Explained>("explained")? {
        println!("\n{} s: lowtide explain {}\n{}", explained.at, explained.cgroup, explained.text);
    }
    println!();
    let mut verdict = Verdict::default();
    for row in &rows {
        believe(row, variant, &mut verdict);
    }
    println!(
        "kernel {}, {:.0} s on the wall; {}",
        outcome.kernel,
        outcome.wall.as_secs_f64(),
        outcome.directory.display()
    );
    verdict.finish()
}

/// Every request that was due was answered, and nothing left DRAM where nobody asked for it.
fn believe(row: &Row, variant: &Variant, verdict: &mut Verdict) {
    let sizes = Sizes::LAB;
    let due = variant.seconds() * 1000 / u64::from(sizes.period) * u64::from(sizes.requests);
    for (server, requests) in &row.served.load.servers {
        let answered = requests.windows.iter().map(|window| window.requests).max().unwrap_or(0);
        verdict.expect(
            answered.abs_diff(due) * 100 <= due,
            format!("{}: {server} answered {answered} of {due} requests", row.name),
        );
    }
    println!("      {}: {} bursts of requests were late", row.name, row.served.load.late);
    let stolen = row.added(|usage| crate::size::mib(usage.counters.stolen));
    verdict.expect(
        (row.name == "nobody") == (stolen == 0.0),
        format!("{}: {stolen:.1} MiB were reclaimed", row.name),
    );
}
