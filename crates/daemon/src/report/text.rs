//! The report for a terminal.

use std::{
    fmt::Write,
    time::{Duration, UNIX_EPOCH},
};

use lowtide_core::{
    Bytes, Ratio, escaped,
    table::{self, Column, Row},
};
use lowtide_view::Promise;

use super::{CgroupPart, Part, Report};

const CAVEAT: &str = "
Counted is what lies in swap or on slower nodes because lowtide asked the kernel for it. What the kernel swapped out by itself, or
before lowtide was started, is told apart as put there by others. Page cache is not counted.
";

/// `lowtide report`.
pub(crate) fn text(report: &Report, terminal: Option<usize>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_sums(&mut text, report);
    let _ = write_worth(&mut text, report);
    let _ = write_cost(&mut text, report);
    let _ = write_forecast(&mut text, report);
    write_parts(&mut text, "TIER", &report.tiers, terminal);
    write_parts(&mut text, "POLICY", &report.policies, terminal);
    let _ = write_cgroups(&mut text, &report.cgroups, terminal);
    text.push_str(CAVEAT);
    text
}

fn write_sums(text: &mut String, report: &Report) -> std::fmt::Result {
    let since = UNIX_EPOCH + Duration::from_secs(report.since);
    let watched = Duration::from_secs(report.watched.as_secs());
    writeln!(
        text,
        "since {}, watched for {}",
        humantime::format_rfc3339_seconds(since),
        humantime::format_duration(watched)
    )?;
    let (now, sums) = (&report.now, &report.gib_hours);
    writeln!(text, "{:<16} {:>10} {:>12}", "", "NOW", "GiB·h")?;
    writeln!(text, "{:<16} {:>10} {:>12.3}", "offloaded", now.offloaded, sums.offloaded)?;
    writeln!(text, "{:<16} {:>10} {:>12.3}", "- taken for it", now.resident, sums.resident)?;
    writeln!(text, "{:<16} {:>10} {:>12.3}", "- lowtide itself", now.own, sums.own)?;
    writeln!(text, "{:<16} {:>10} {:>12.3}", "net saved", signed(now.net), sums.net)?;
    if now.by_others.is_zero() && sums.by_others == 0.0 {
        return Ok(());
    }
    writeln!(
        text,
        "not counted: {} in swap that others put there ({:.3} GiB·h so far)",
        now.by_others, sums.by_others
    )
}

/// What rounds to nothing has no sign.
fn no_minus_zero(money: f64) -> f64 {
    if money.abs() < 0.005 { 0.0 } else { money }
}

fn signed(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    format!("{sign}{}", Bytes::new(bytes.unsigned_abs()))
}

fn write_worth(text: &mut String, report: &Report) -> std::fmt::Result {
    let Some(worth) = &report.worth else {
        return writeln!(text, "no price: `price_per_gib_month` in lowtide.yaml says what this is worth");
    };
    let currency = &worth.currency;
    writeln!(
        text,
        "worth {:.2} {currency} so far, {:.2} {currency} a month if it stays as it is now ({} {currency} for a GiB and month)",
        no_minus_zero(worth.so_far),
        no_minus_zero(worth.per_month),
        worth.dram_per_gib_month
    )
}

fn write_cost(text: &mut String, report: &Report) -> std::fmt::Result {
    let cost = &report.cost;
    let (reclaim, watching) = (cost.reclaim_cpu.as_secs_f64(), cost.watching_cpu.as_secs_f64());
    // In the first turn nothing was watched for any time yet.
    let share = match report.watched.as_secs_f64() {
        0.0 => String::new(),
        watched => format!(" ({} of a core)", Ratio::new((reclaim + watching) / watched)),
    };
    writeln!(
        text,
        "cost {reclaim:.1} s of kernel CPU for reclaim and {watching:.1} s for watching{share}; {} faulted back",
        cost.promoted
    )
}

/// The columns of tiers and policies.
const OF_PARTS: [Column; 3] = [
    Column { heading: "OFFLOADED", width: 9, dispensable: 0 },
    Column { heading: "DRAM TAKEN", width: 11, dispensable: 1 },
    Column { heading: "NET GiB·h", width: 12, dispensable: 0 },
];

fn write_parts(text: &mut String, what: &str, parts: &[Part], terminal: Option<usize>) {
    if parts.is_empty() {
        return;
    }
    text.push('\n');
    let rows = parts.iter().map(|Part { name, offloaded, resident, net_gib_hours }| {
        let figures = vec![offloaded.to_string(), resident.to_string(), format!("{net_gib_hours:.3}")];
        Row { name: escaped(name).into_owned(), figures, remark: String::new() }
    });
    let rows: Vec<_> = rows.collect();
    table::draw(text, &Row::head(what, &OF_PARTS, ""), &OF_PARTS, &rows, terminal);
}

/// Not counted: nothing of it was done.
fn write_forecast(text: &mut String, report: &Report) -> std::fmt::Result {
    let Some(Promise { cgroups, net, refaulted_per_minute }) = report.forecast else { return Ok(()) };
    writeln!(
        text,
        "not counted: mode full would save {net} net in {cgroups} cgroups that it is not set for; {refaulted_per_minute} a minute \
         would come back"
    )
}

/// The columns; where the terminal is too narrow, the last one by rank goes first.
const COLUMNS: [Column; 5] = [
    Column { heading: "DRAM", width: 9, dispensable: 1 },
    Column { heading: "OFFLOADED", width: 10, dispensable: 0 },
    Column { heading: "BY OTHERS", width: 10, dispensable: 3 },
    Column { heading: "COMPRESSES TO", width: 14, dispensable: 2 },
    Column { heading: "NET SAVED", width: 10, dispensable: 0 },
];

fn write_cgroups(text: &mut String, cgroups: &[CgroupPart], terminal: Option<usize>) -> std::fmt::Result {
    if cgroups.is_empty() {
        return writeln!(
            text,
            "\nno cgroup is under a policy in mode `full`, and lowtide has offloaded nothing"
        );
    }
    writeln!(text)?;
    let head = Row::head("CGROUP", &COLUMNS, "POLICY");
    let rows: Vec<_> = cgroups.iter().map(row).collect();
    table::draw(text, &head, &COLUMNS, &rows, terminal);
    Ok(())
}

/// Its figures in the order of [`COLUMNS`].
fn row(part: &CgroupPart) -> Row {
    let CgroupPart { path, policy, dram, offloaded, by_others, compressed, net } = part;
    let left = compressed.map_or_else(|| "-".to_owned(), |found| found.share.to_string());
    let figures = vec![dram.to_string(), offloaded.to_string(), by_others.to_string(), left, net.to_string()];
    Row { name: escaped(path).into_owned(), figures, remark: policy.clone() }
}
