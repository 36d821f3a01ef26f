//! The table, and what has to hold. Counts are judged; times are shown.

use super::row::{Keeper, Kept, ORIGINAL, Row};
use super::{AVAILABLE_LOSS, PATIENCE, ROWS};
use crate::outcome::Outcome;
use crate::scenarios::verdict::Verdict;
use crate::size::mib;
use anyhow::{Context, Result};
use serde::Deserialize;

/// Of the stalls without anybody, at most this is left with lowtide.
const LEFT: f64 = 0.05;

pub(super) fn judge(outcome: &Outcome) -> Result<()> {
    let rows = outcome.results.iter().filter(|value| value["kind"] == "row");
    let rows = rows.map(Row::deserialize).collect::<Result<Vec<_>, _>>()?;
    print(&rows);
    let mut verdict = Verdict::default();
    check(&rows, &mut verdict)?;
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

fn print(rows: &[Row]) {
    println!(
        "                   stalls  in all  direct/MiB  kswapd/MiB  CPU/%  read/MiB  available/MiB (least)  factor  bursts  first touch/us \
         p50    p99    max"
    );
    for row in rows {
        println!(
            "{:<17} {:>7} {:>7} {:>11.1} {:>11.0} {:>6.1} {:>9.0} {:>13.1} ({:>5.1}) {:>7} {:>7} {:>19.1} {:>6.1} {:>6.0}",
            row.name,
            row.stalls,
            row.stalls_in_all,
            mib(row.direct),
            mib(row.kswapd),
            row.kswapd_cpu * 100.0,
            mib(row.read),
            mib(row.available),
            mib(row.available_least),
            row.factor,
            row.touch.bursts,
            row.touch.p50,
            row.touch.p99,
            row.touch.max
        );
    }
}

fn check(rows: &[Row], verdict: &mut Verdict) -> Result<()> {
    for keeper in ROWS {
        find(rows, keeper)?;
    }
    let (without, with) = (find(rows, Keeper::Nobody)?, find(rows, Keeper::Lowtide)?);
    verdict.expect(without.stalls > 0, format!("{} stalls without anybody", without.stalls));
    let most = share(without.stalls, LEFT);
    verdict.expect(with.stalls <= most, format!("{} stalls with lowtide, of at most {most}", with.stalls));
    println!(
        "        a p99 of {:.1} us instead of {:.1}; {} stalls of {} with those until it had learnt",
        with.touch.p99, without.touch.p99, with.stalls_in_all, without.stalls_in_all
    );
    let Kept { loss, factor, after } = with.kept.as_ref().context("lowtide has said nothing")?;
    let allowed = share(with.total, AVAILABLE_LOSS);
    let lost = without.available.saturating_sub(with.available);
    verdict.expect(
        lost <= allowed && *loss <= allowed,
        format!(
            "{:.1} MiB of MemAvailable are lost, at most {:.1} as lowtide says, of {:.1} allowed",
            mib(lost),
            mib(*loss),
            mib(allowed)
        ),
    );
    verdict.expect(with.factor > ORIGINAL, format!("the factor was {} at the end of the load", with.factor));
    verdict.expect(
        *factor == ORIGINAL,
        format!("it is {factor} again {after:.0} s after the load ({PATIENCE} s are allowed)"),
    );
    Ok(())
}

fn find(rows: &[Row], keeper: Keeper) -> Result<&Row> {
    let name = keeper.name();
    rows.iter().find(|row| row.name == name).with_context(|| format!("no row of {name}"))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and bytes are far below 2^53"
)]
fn share(of: u64, share: f64) -> u64 {
    (of as f64 * share) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::MIB;
    use crate::work::bursts::Report;

    fn row(keeper: Keeper, stalls: u64) -> Row {
        let touch = Report { bursts: 100, touches: 1, p50: 1.0, p99: 1.0, p999: 1.0, max: 1.0 };
        let kept = Kept { loss: 100 * MIB, factor: ORIGINAL, after: 40.0 };
        Row {
            kind: "row".into(),
            name: keeper.name(),
            stalls_in_all: stalls,
            stalls,
            direct: 0,
            kswapd: 0,
            kswapd_cpu: 0.1,
            read: 0,
            available: 400 * MIB,
            available_least: 290 * MIB,
            total: 460 * MIB,
            factor: 1000,
            touch,
            kept: (keeper == Keeper::Lowtide).then_some(kept),
        }
    }

    fn judged(change: impl FnOnce(&mut Row)) -> bool {
        let mut rows: Vec<_> = ROWS.iter().map(|keeper| row(*keeper, 1000)).collect();
        let with = rows.iter_mut().find(|row| row.kept.is_some()).unwrap();
        with.stalls = 50;
        change(with);
        let mut verdict = Verdict::default();
        check(&rows, &mut verdict).unwrap();
        verdict.finish().is_ok()
    }

    #[test]
    fn each_bound_is_held() {
        assert!(judged(|_| ()));
        assert!(!judged(|row| row.stalls = 51));
        assert!(!judged(|row| row.factor = ORIGINAL));
        assert!(!judged(|row| row.available = 0));
        assert!(!judged(|row| row.kept.as_mut().unwrap().loss = 400 * MIB));
        assert!(!judged(|row| row.kept.as_mut().unwrap().factor = 11));
    }
}
