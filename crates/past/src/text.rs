//! The report for a terminal.

use std::{fmt::Write, time::Duration};

use lowtide_core::table::{self, Column, Row};
use lowtide_history::PassedOver;

use crate::{
    against::{Against, Difference},
    markup::visible,
    parts::{CgroupPart, Part},
    period::Period,
    time,
};

/// What the figures are.
pub(crate) const COUNTED: &str = "Counted is what lay in swap or on slower nodes because lowtide asked the kernel for it. What the kernel \
     swapped out by itself, or before lowtide was started, is told apart as put there by others. Page cache is not counted.";

/// `lowtide report --since`, no line of a table wider than `terminal`.
#[must_use]
pub fn text(period: &Period, terminal: Option<usize>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_sums(&mut text, period);
    write_parts(&mut text, "TIER", &period.tiers, terminal);
    write_parts(&mut text, "POLICY", &period.policies, terminal);
    write_cgroups(&mut text, &period.cgroups, terminal);
    let _ = writeln!(text, "\n{COUNTED}");
    if let Some(lost) = passed_over(period.passed_over) {
        let _ = writeln!(text, "{lost}");
    }
    text
}

fn write_sums(text: &mut String, period: &Period) -> std::fmt::Result {
    let (since, until) = (time::shown(period.since), time::shown(period.until));
    writeln!(text, "{since} to {until}, watched for {}", duration(period.watched))?;
    let sums = &period.gib_hours;
    writeln!(text, "{:<16} {:>12}", "", "GiB·h")?;
    for (name, value) in [
        ("offloaded", sums.offloaded),
        ("- taken for it", sums.resident),
        ("- lowtide itself", sums.own),
        ("net saved", sums.net),
    ] {
        writeln!(text, "{name:<16} {:>12}", gib_hours(value))?;
    }
    writeln!(text, "not counted: {} GiB·h in swap that others put there", gib_hours(sums.by_others))?;
    writeln!(text, "{}\n{}", worth(period), cost(period))?;
    against(period).map_or(Ok(()), |against| writeln!(text, "{against}"))
}

/// A sentence, where some cgroups were left alone: with the 95 % intervals.
pub(crate) fn against(period: &Period) -> Option<String> {
    let Against { acted, held_out, out_of_dram, saved, saved_error, memory_stall, io_stall } =
        period.against?;
    let percent = |of: Difference, digits: usize| {
        let Difference { difference, error, .. } = of;
        format!("{:+.digits$} ± {:.digits$} %", difference * 100.0, error * 100.0)
    };
    let stall = |of: Option<Difference>| of.map_or_else(|| "unknown".to_owned(), |of| percent(of, 3));
    Some(format!(
        "against {held_out} cgroups that are left alone, the {acted} others have {} of their memory out of DRAM net, {saved:+.3} ± {saved_error:.3} GiB·h, and \
         stall on memory {}, on I/O {} of the time (95 % intervals)",
        percent(out_of_dram, 1),
        stall(memory_stall),
        stall(io_stall)
    ))
}

/// In three digits after the point; what rounds to nothing has no sign.
pub(crate) fn gib_hours(value: f64) -> String {
    format!("{:.3}", if value.abs() < 0.0005 { 0.0 } else { value })
}

pub(crate) fn duration(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}

/// A sentence.
pub(crate) fn worth(period: &Period) -> String {
    let Some(worth) = &period.worth else {
        return "no price: `price_per_gib_month` in lowtide.yaml says what this is worth".to_owned();
    };
    let money = if worth.money.abs() < 0.005 { 0.0 } else { worth.money };
    let currency = &worth.currency;
    format!("worth {money:.2} {currency} ({} {currency} for a GiB and month)", worth.dram_per_gib_month)
}

/// A sentence.
pub(crate) fn cost(period: &Period) -> String {
    let cost = &period.cost;
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let stall = |time: Option<Duration>| time.map_or_else(|| "an unknown time".to_owned(), seconds);
    format!(
        "cost {} of kernel CPU for reclaim and {} for watching; {} faulted back; {} written to disks; tasks stalled on memory for {}, on I/O \
         for {}, whoever was the cause",
        seconds(cost.reclaim_cpu),
        seconds(cost.watching_cpu),
        cost.refaulted,
        cost.written,
        stall(cost.memory_stall),
        stall(cost.io_stall)
    )
}

/// What of a history could not be read, as a sentence; `None` if nothing was lost.
#[must_use]
pub fn passed_over(found: PassedOver) -> Option<String> {
    let PassedOver { cut, wrong, nameless, foreign } = found;
    (cut + wrong + nameless + foreign > 0).then(|| {
        format!(
            "Not read of the history: {cut} records that are cut, {wrong} whose checksum is wrong, {nameless} that need a name of one of those, \
             {foreign} files of another version."
        )
    })
}

/// The columns of tiers and policies; where the terminal is too narrow, the last one by rank goes first.
const OF_PARTS: [Column; 4] = [
    Column { heading: "OFFLOADED", width: 10, dispensable: 1 },
    Column { heading: "DRAM TAKEN", width: 11, dispensable: 2 },
    Column { heading: "NET GiB·h", width: 11, dispensable: 0 },
    Column { heading: "BY OTHERS", width: 11, dispensable: 3 },
];

fn write_parts(text: &mut String, what: &str, parts: &[Part], terminal: Option<usize>) {
    if parts.is_empty() {
        return;
    }
    text.push('\n');
    let row = |part: &Part| Row {
        name: visible(&part.name),
        figures: [part.offloaded, part.resident, part.net, part.by_others].map(gib_hours).to_vec(),
        remark: String::new(),
    };
    let rows: Vec<_> = parts.iter().map(row).collect();
    table::draw(text, &Row::head(what, &OF_PARTS, ""), &OF_PARTS, &rows, terminal);
}

/// Those of cgroups.
const OF_CGROUPS: [Column; 5] = [
    Column { heading: "DRAM", width: 9, dispensable: 0 },
    Column { heading: "NET GiB·h", width: 10, dispensable: 0 },
    Column { heading: "BY OTHERS", width: 10, dispensable: 3 },
    Column { heading: "BACK", width: 10, dispensable: 2 },
    Column { heading: "STALL", width: 10, dispensable: 1 },
];

fn write_cgroups(text: &mut String, cgroups: &[CgroupPart], terminal: Option<usize>) {
    text.push('\n');
    let row = |part: &CgroupPart| {
        let stall =
            part.memory_stall.map_or_else(|| "-".to_owned(), |time| format!("{:.1}s", time.as_secs_f64()));
        Row {
            name: visible(&part.path),
            figures: vec![
                part.dram.to_string(),
                gib_hours(part.net),
                gib_hours(part.by_others),
                part.refaulted.to_string(),
                stall,
            ],
            remark: part.policy.clone(),
        }
    };
    let rows: Vec<_> = cgroups.iter().map(row).collect();
    table::draw(text, &Row::head("CGROUP", &OF_CGROUPS, "POLICY"), &OF_CGROUPS, &rows, terminal);
}
