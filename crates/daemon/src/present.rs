//! The view as text for a terminal.

use std::fmt::Write;

use lowtide_core::{Action, Bytes, Decision, Figures, Ratio, Reason};

use crate::{
    ledger::Entry,
    view::{CgroupView, View},
};

/// `lowtide status`: the host in a few lines, then a line for each target.
#[must_use]
pub(crate) fn status(view: &View) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_host(&mut text, view);
    let _ = write_cgroups(&mut text, view);
    text
}

fn write_host(text: &mut String, view: &View) -> std::fmt::Result {
    let sign = if view.net_saved < 0 { "-" } else { "" };
    let saved = Bytes::new(view.net_saved.unsigned_abs());
    let uptime = std::time::Duration::from_secs(view.uptime.as_secs());
    writeln!(
        text,
        "net saved {sign}{saved} of {}, free {}, lowtide itself {}; up {}, {} ticks",
        view.host.total,
        view.host.free,
        view.own,
        humantime::format_duration(uptime),
        view.ticks
    )?;
    if view.host.tiers.is_empty() {
        writeln!(text, "no swap: only page cache can be offloaded")?;
    }
    for tier in &view.host.tiers {
        writeln!(
            text,
            "{} {}: {} used of {}, {} stored in {} of DRAM",
            tier.kind.name(),
            tier.device,
            tier.used,
            tier.capacity,
            tier.stored,
            tier.resident
        )?;
    }
    for problem in &view.problems {
        writeln!(text, "problem: {problem}")?;
    }
    Ok(())
}

fn write_cgroups(text: &mut String, view: &View) -> std::fmt::Result {
    if view.cgroups.is_empty() {
        return writeln!(text, "\nno cgroup matches a policy: `lowtide check` shows the policies");
    }
    let width = view.cgroups.iter().map(|cgroup| cgroup.path.len()).max().unwrap_or(0).clamp(6, 60);
    writeln!(
        text,
        "\n{:width$}  {:>9} {:>9} {:>9} {:>8} {:>9} {:>6}  DECISION",
        "CGROUP", "DRAM", "OFFLOADED", "NET SAVED", "PRESSURE", "BACK/MIN", "PRICE"
    )?;
    for CgroupView { path, memory, net_saved, decision, .. } in &view.cgroups {
        let Figures { offloaded, memory_pressure, promotion_rate, price, .. } = decision.figures;
        let pressure = memory_pressure.map_or_else(|| "-".to_owned(), |share| share.to_string());
        writeln!(
            text,
            "{path:width$}  {:>9} {offloaded:>9} {net_saved:>9} {pressure:>8} {promotion_rate:>9} {:>6}  {}",
            memory.current,
            rounded(price),
            summary(decision)
        )?;
    }
    Ok(())
}

fn rounded(share: Ratio) -> String {
    format!("{:.0}%", share.get() * 100.0)
}

/// A decision in a few words: `reclaim 12MiB (headroom)`.
fn summary(decision: &Decision) -> String {
    let why = decision.file_only.filter(|why| *why != decision.reason);
    let narrowed = why.map(|why| format!(", page cache only: {why}")).unwrap_or_default();
    match decision.action {
        Action::Hold => format!("hold ({}{narrowed})", decision.reason),
        Action::Reclaim { amount, .. } => format!("reclaim {amount} ({}{narrowed})", decision.reason),
    }
}

/// `lowtide explain`: the last decision in sentences, its figures, what was done and how it went before.
#[must_use]
pub(crate) fn explain(cgroup: &CgroupView, view: &View) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_decision(&mut text, cgroup);
    let _ = write_figures(&mut text, &cgroup.decision.figures);
    let _ = write_account(&mut text, cgroup);
    let _ = write_past(&mut text, cgroup, view);
    text
}

fn write_decision(text: &mut String, cgroup: &CgroupView) -> std::fmt::Result {
    let decision = &cgroup.decision;
    writeln!(text, "{} (policy {}): {}", cgroup.path, decision.policy, summary(decision))?;
    writeln!(text, "  {}", decision.reason.sentence())?;
    if let Some(why) = decision.file_only.filter(|why| *why != decision.reason) {
        writeln!(text, "  {}", why.sentence())?;
    }
    Ok(())
}

fn write_figures(text: &mut String, figures: &Figures) -> std::fmt::Result {
    let share = |share: Option<Ratio>| share.map_or_else(|| "unknown".to_owned(), |share| share.to_string());
    let mut line = |name: &str, value: String| writeln!(text, "  {name:<28} {value}");
    line("in DRAM", figures.current.to_string())?;
    line("offloaded", figures.offloaded.to_string())?;
    line("memory pressure, 10 s", share(figures.memory_pressure))?;
    line("memory pressure, minute", share(figures.memory_pressure_minute))?;
    line("io pressure, 10 s", share(figures.io_pressure))?;
    line("faulted back per minute", figures.promotion_rate.to_string())?;
    line("stayed away", figures.accuracy.to_string())?;
    line("headroom under the SLO", figures.headroom.to_string())?;
    line("price", figures.price.to_string())?;
    line("wanted now", figures.wanted.to_string())?;
    line("may still go this minute", figures.minute_left.to_string())?;
    line("reclaim CPU, minute", figures.reclaim_cpu.to_string())
}

fn write_account(text: &mut String, cgroup: &CgroupView) -> std::fmt::Result {
    let account = &cgroup.account;
    writeln!(
        text,
        "so far: {} asked, {} left DRAM, {:.3} s of kernel CPU; net saved now {}",
        account.requested,
        account.effective,
        account.reclaim_cpu.as_secs_f64(),
        cgroup.net_saved
    )?;
    let Some(effect) = &account.last_effect else { return Ok(()) };
    let mut notes = Vec::new();
    if effect.partial {
        notes.push("the kernel found less than was asked");
    }
    if effect.stopped {
        notes.push("cut short by pressure");
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    writeln!(
        text,
        "last request: {} asked, {} freed, {} offloaded in {:.1} ms{notes}",
        effect.requested,
        effect.freed,
        effect.offloaded,
        effect.wall.as_secs_f64() * 1e3
    )
}

fn write_past(text: &mut String, cgroup: &CgroupView, view: &View) -> std::fmt::Result {
    writeln!(text, "before:")?;
    for Entry { since, ticks, asked, decision } in cgroup.account.recent.iter().rev() {
        let ago = view.uptime.saturating_sub(*since).as_secs();
        let what = match decision.action {
            Action::Hold => format!("held: {}", decision.reason.sentence()),
            Action::Reclaim { .. } => format!("asked for {asked}: {}", decision.reason.sentence()),
        };
        let narrowed = decision.file_only.filter(|why| *why != decision.reason).map(Reason::sentence);
        let narrowed = narrowed.map(|why| format!(" ({why})")).unwrap_or_default();
        writeln!(text, "  {ago:>6} s ago, {ticks:>4} ticks: {what}{narrowed}")?;
    }
    Ok(())
}

/// What `explain` says of a path that is no target.
#[must_use]
pub(crate) fn not_a_target(path: &str, view: &View) -> String {
    let mut message = format!(
        "{path} is not a target: no policy matches it, a deeper cgroup of it is the target, it is protected, or it \
         is gone"
    );
    let near: Vec<&str> = view
        .cgroups
        .iter()
        .map(|cgroup| &*cgroup.path)
        .filter(|known| known.contains(path))
        .take(5)
        .collect();
    if !near.is_empty() {
        message.push_str("; targets like it: ");
        message.push_str(&near.join(", "));
    }
    message
}
