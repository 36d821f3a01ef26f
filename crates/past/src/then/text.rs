//! What was so then, for a terminal.

use std::{fmt::Write, time::Duration};

use lowtide_core::{Ratio, Reason, escaped};
use lowtide_history::Did;

use super::{Decided, Seen, Then, Verdict};
use crate::{text::passed_over, time};

/// `reason 4: tasks stall on memory more than the SLO allows`.
fn numbered(number: u8) -> String {
    let sentence = Reason::of_number(number).map_or("one that this lowtide does not know", Reason::sentence);
    format!("reason {number}: {sentence}")
}

/// Both reasons, where there are two.
fn why(verdict: Verdict) -> String {
    let narrowed = verdict.file_only.map(|why| format!(" (page cache only: {})", numbered(why)));
    numbered(verdict.number) + &narrowed.unwrap_or_default()
}

/// For a terminal.
#[must_use]
pub fn text(then: &Then) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_then(&mut text, then);
    text
}

fn write_then(text: &mut String, then: &Then) -> std::fmt::Result {
    let (begin, end) = (time::shown(then.begin), time::shown(then.end));
    writeln!(text, "{} (policy {}), {begin} to {end}", escaped(&then.path), escaped(&then.policy))?;
    writeln!(text, "  {}; {}", then.decision.action.name(), why(then.decision))?;
    write_figures(text, &then.seen)?;
    writeln!(text, "before:")?;
    for Decided { at, amount, verdict } in &then.decisions {
        let what = match verdict.action {
            Did::Hold => "held".to_owned(),
            did => format!("{} {amount}", did.name()),
        };
        writeln!(text, "  {}: {what}, {}", time::shown(*at), why(*verdict))?;
    }
    passed_over(then.passed_over).map_or(Ok(()), |lost| writeln!(text, "{lost}"))
}

fn write_figures(text: &mut String, cgroup: &Seen) -> std::fmt::Result {
    let share = |share: Option<Ratio>| share.map_or_else(|| "unknown".to_owned(), |share| share.to_string());
    let seconds = |time: Option<Duration>| {
        time.map_or_else(|| "unknown".to_owned(), |time| format!("{:.3} s", time.as_secs_f64()))
    };
    let mut line = |name: &str, value: String| writeln!(text, "  {name:<28} {value}");
    line("in DRAM", format!("{} (at most {})", cgroup.dram, cgroup.dram_peak))?;
    if let Some(set) = cgroup.working_set {
        line("working set", set.to_string())?;
    }
    for part in &cgroup.parts {
        let others =
            if part.others.is_zero() { String::new() } else { format!("; {} by others", part.others) };
        line(
            &escaped(&part.tier),
            format!("{} offloaded, in {} of DRAM{others}", part.offloaded, part.resident),
        )?;
    }
    line(
        "stalled on memory",
        format!("{} (at most {})", seconds(cgroup.memory_stall), share(cgroup.memory_pressure_peak)),
    )?;
    line(
        "stalled on I/O",
        format!("{} (at most {})", seconds(cgroup.io_stall), share(cgroup.io_pressure_peak)),
    )?;
    line("its work takes longer by", share(cgroup.slowdown))?;
    line("faulted back", cgroup.refaulted.to_string())?;
    line("headroom under the SLO", cgroup.headroom.to_string())?;
    line("price", cgroup.price.to_string())?;
    line(
        "asked of the kernel",
        format!(
            "{}, {} left DRAM, {:.3} s of CPU",
            cgroup.requested,
            cgroup.effective,
            cgroup.reclaim_cpu.as_secs_f64()
        ),
    )
}
