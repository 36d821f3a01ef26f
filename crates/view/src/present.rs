//! The view as text for a terminal.

use std::{collections::VecDeque, fmt::Write, time::Duration};

use lowtide_ages::Sampling;
use lowtide_controllers::{StoreView, WatermarksView};
use lowtide_core::{
    Action, Basis, Bytes, Compressed, Confinement, Decision, FaultCost, Figures, Forecast, Gain, Hotness,
    Ladder, LeftOut, Lines, PastZswap, Ratio, Reason, Rung, Scope, SwapBound, ZswapBound,
    balancer::{Settle, Sinking},
    confinement::Why,
    escaped,
    idle::{Measured, WhatIf},
    left_out::Kind,
    reading::{Resolution, Sample},
    table::{self, Column, Row},
    watermarks,
};
use lowtide_observe::{Chosen, Outcome};
use lowtide_pods::{Place, Pod};

use crate::{
    ledger::{Entry, WorkingSet},
    promise::Promise,
    treatments,
    view::{CgroupView, TierCost, View},
};

/// A figure that is older is shown with its age.
const LATELY: Duration = Duration::from_mins(1);

/// So many of what was left out are named in a line; `status --json` has more.
const NAMED: usize = 4;

/// `lowtide status`: the host in a few lines, then a line for each target in `view`, which may have been
/// chosen out of more.
#[must_use]
pub fn status(view: &View, of: usize, terminal: Option<usize>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_host(&mut text, view);
    let _ = write_cgroups(&mut text, view, of, terminal);
    text
}

fn write_host(text: &mut String, view: &View) -> std::fmt::Result {
    let sign = if view.net_saved < 0 { "-" } else { "" };
    let saved = Bytes::new(view.net_saved.unsigned_abs());
    let uptime = Duration::from_secs(view.uptime.as_secs());
    writeln!(
        text,
        "net saved {sign}{saved} of {}, free {}, lowtide itself {}; up {}, {} ticks",
        view.host.total,
        view.host.free,
        view.own,
        humantime::format_duration(uptime),
        view.ticks
    )?;
    if !view.swapped_by_others.is_zero() {
        writeln!(text, "not counted: {} in swap that others put there", view.swapped_by_others)?;
    }
    if view.host.tiers.is_empty() {
        writeln!(text, "no swap: only page cache can be offloaded")?;
    }
    for (tier, cost) in view.host.tiers.iter().zip(&view.costs) {
        writeln!(
            text,
            "{} {}: {} used of {}, {} stored in {} of DRAM; a fault costs {}",
            tier.kind.name(),
            tier.device,
            tier.used,
            tier.capacity,
            tier.stored,
            tier.resident,
            fault_cost(*cost)
        )?;
    }
    view.balancer.iter().try_for_each(|store| write_store(text, store))?;
    view.controllers.watermarks.as_ref().map_or(Ok(()), |watermarks| write_watermarks(text, watermarks))?;
    view.controllers.treatments.as_ref().map_or(Ok(()), |treatments| treatments::write(text, treatments))?;
    write_promise(text, view)?;
    write_sampling(text, &view.sampling)?;
    for problem in &view.problems {
        writeln!(text, "problem: {problem}")?;
    }
    write_left_out(text, &view.left_out)
}

/// A line for each kind, with the first of them.
fn write_left_out(text: &mut String, left_out: &LeftOut) -> std::fmt::Result {
    for kind in Kind::ALL.into_iter().filter(|kind| left_out.count(*kind) > 0) {
        let named = left_out.in_turns(kind);
        let named: Vec<_> = named.iter().take(NAMED).map(|omission| &*omission.why).collect();
        let (count, name) = (left_out.count(kind), kind.name());
        writeln!(text, "problem: left out, {name}: {count} ({})", named.join("; "))?;
    }
    Ok(())
}

fn micros(time: Duration) -> String {
    match time.as_secs_f64() * 1e6 {
        micros if micros < 1.0 => format!("{:.0} ns", micros * 1e3),
        micros if micros < 1000.0 => format!("{micros:.0} µs"),
        micros => format!("{:.1} ms", micros / 1e3),
    }
}

fn fault_cost(
    TierCost { fault: FaultCost { time, basis }, age: measured, per_gib_freed }: TierCost,
) -> String {
    let how = match measured {
        None if basis == Basis::Told => "by firmware's latency".to_owned(),
        None => "assumed".to_owned(),
        Some(ago) if ago < LATELY => "measured".to_owned(),
        Some(ago) => format!("measured {} ago", age(ago)),
    };
    let time = micros(time);
    let freed = per_gib_freed.map(|stall| format!(", {:.1} s for each GiB freed", stall.as_secs_f64()));
    format!("{time} ({how}{})", freed.unwrap_or_default())
}

/// Two lines: the fill with the decision, and the account of the slower device.
fn write_store(text: &mut String, view: &StoreView) -> std::fmt::Result {
    let StoreView { store, decision, .. } = view;
    let Sinking { settle, reason, figures, .. } = decision;
    write!(text, "balancer {}: {} full", store.device, figures.fill.memory)?;
    if let Some(full_in) = figures.full_in {
        write!(text, ", all of it in {}", age(full_in))?;
    }
    match settle {
        Settle::Hold => write!(text, "; nothing moves ({reason})")?,
        Settle::Mark => write!(text, "; pages are marked ({reason})")?,
        Settle::Sink { amount, .. } => {
            write!(text, "; {amount} move ({reason})")?;
            if !figures.above_low.is_zero() {
                let time = figures.drained_in.map_or_else(|| "never at this rate".to_owned(), age);
                write!(text, ", at the low mark in {time}")?;
            }
        }
    }
    if let Some(from) = figures.belong_from {
        write!(text, "; pages swapped out {} ago belong below", age(from))?;
    }
    writeln!(text)?;
    let Some(below) = &store.below else { return Ok(()) };
    let left = view.budget - view.written;
    writeln!(
        text,
        "  to {}: {} moved, {} there now of {}; {} written in 24 h, {left} of {} left",
        below.device, view.moved, below.used, below.capacity, view.written, view.budget
    )
}

fn write_sampling(text: &mut String, sampling: &Sampling) -> std::fmt::Result {
    let Some(source) = sampling.source else {
        return writeln!(text, "idle ages: none ({}); `lowtide doctor` says what can be done", sampling.why);
    };
    let share = Ratio::new(sampling.last_cpu.as_secs_f64() / sampling.interval.as_secs_f64());
    writeln!(
        text,
        "idle ages: {source}, every {}, {share} of a core",
        humantime::format_duration(Duration::from_secs(sampling.interval.as_secs()))
    )?;
    match &sampling.problem {
        Some(problem) => writeln!(text, "problem: {problem}"),
        None => Ok(()),
    }
}

/// The columns of `status`; where the terminal is too narrow, the last one by rank goes first.
const COLUMNS: [Column; 7] = [
    Column { heading: "DRAM", width: 9, dispensable: 0 },
    Column { heading: "WORKING SET", width: 11, dispensable: 4 },
    Column { heading: "OFFLOADED", width: 9, dispensable: 1 },
    Column { heading: "NET SAVED", width: 9, dispensable: 0 },
    Column { heading: "PRESSURE", width: 8, dispensable: 2 },
    Column { heading: "BACK/MIN", width: 9, dispensable: 5 },
    Column { heading: "PRICE", width: 6, dispensable: 3 },
];

fn write_cgroups(text: &mut String, view: &View, of: usize, terminal: Option<usize>) -> std::fmt::Result {
    if of == 0 {
        return writeln!(text, "\nno cgroup matches a policy: `lowtide check` shows the policies");
    }
    writeln!(text)?;
    let head = Row::head("CGROUP", &COLUMNS, "DECISION");
    let rows: Vec<_> = view.cgroups.iter().map(row).collect();
    table::draw(text, &head, &COLUMNS, &rows, terminal);
    if rows.len() < of {
        writeln!(text, "{} of {of} cgroups", rows.len())?;
    }
    Ok(())
}

/// Its figures in the order of [`COLUMNS`].
fn row(cgroup: &CgroupView) -> Row {
    let CgroupView { net_saved, decision, hotness, .. } = cgroup;
    let working_set =
        hotness.as_ref().map_or_else(|| "-".to_owned(), |hotness| hotness.working_set.to_string());
    let Figures { offloaded, memory_pressure, promotion_rate, price, .. } = decision.figures;
    let pressure = memory_pressure.map_or_else(|| "-".to_owned(), |share| share.to_string());
    let figures = vec![
        cgroup.dram().to_string(),
        working_set,
        offloaded.to_string(),
        net_saved.to_string(),
        pressure,
        promotion_rate.to_string(),
        rounded(price),
    ];
    Row { name: escaped(&cgroup.name()).into_owned(), figures, remark: summary(decision) }
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
        Action::Reclaim { amount, .. } => {
            format!("{} {amount} ({}{narrowed})", decision.action.name(), decision.reason)
        }
    }
}

/// What the root as a target means, and does not promise.
const WHOLE_HOST: &str = "  the host as a whole: every cgroup gives, but for what memory.min and memory.low of those below keep; processes in no \
                          cgroup of their own cannot be left out";

/// `lowtide explain`: the last decision in sentences, its figures, what was done and how it went before.
#[must_use]
pub fn explain(cgroup: &CgroupView, view: &View) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_decision(&mut text, cgroup);
    let _ = cgroup.pod.as_ref().map_or(Ok(()), |pod| write_pod(&mut text, pod));
    let _ = cgroup.chosen.as_ref().map_or(Ok(()), |chosen| write_chosen(&mut text, chosen));
    let _ = if &*cgroup.path == "/" { writeln!(text, "{WHOLE_HOST}") } else { Ok(()) };
    let _ = write_confinement(&mut text, &cgroup.confined);
    let stuck = view.stuck.as_ref().filter(|_| cgroup.acting);
    let _ = stuck.map_or(Ok(()), |stuck| writeln!(text, "  {stuck}"));
    let _ = write_figures(&mut text, &cgroup.decision.figures);
    if let Some(hotness) = &cgroup.hotness {
        let _ = write_hotness(&mut text, hotness);
        let _ = cgroup.ladder.as_ref().map_or(Ok(()), |ladder| write_ladder(&mut text, ladder));
        let _ = cgroup.forecast.as_ref().map_or(Ok(()), |forecast| write_forecast(&mut text, forecast));
        let _ = write_working_sets(&mut text, &cgroup.account.working_sets);
    }
    let _ = cgroup.compressed.map_or(Ok(()), |compressed| write_compressed(&mut text, compressed));
    let _ = write_account(&mut text, cgroup);
    let _ = write_past(&mut text, cgroup, view);
    text
}

fn write_decision(text: &mut String, cgroup: &CgroupView) -> std::fmt::Result {
    let decision = &cgroup.decision;
    writeln!(text, "{} (policy {}): {}", escaped(&cgroup.path), decision.policy, summary(decision))?;
    writeln!(text, "  {}", numbered(decision.reason))?;
    if let Some(why) = decision.file_only.filter(|why| *why != decision.reason) {
        writeln!(text, "  {}", numbered(why))?;
    }
    Ok(())
}

/// Whose it is.
fn write_pod(text: &mut String, pod: &Pod) -> std::fmt::Result {
    let Pod { namespace, name, uid, container, .. } = pod;
    let uid = uid.as_ref().map(|uid| format!(" (UID {uid})")).unwrap_or_default();
    writeln!(text, "  container {container} of pod {name} in namespace {namespace}{uid}")
}

/// Where its policy comes from, if not from the files alone.
fn write_chosen(
    text: &mut String,
    Chosen { by, place, written, given, outcome }: &Chosen,
) -> std::fmt::Result {
    let by = escaped(by);
    write!(text, "  {} of {by} is `{written}`", place.name())?;
    match outcome {
        Outcome::Policy => writeln!(text, ": chosen in place of policy {given}, which allows that"),
        Outcome::Off => writeln!(text, ": left alone, which policy {given} allows"),
        Outcome::Ignored => writeln!(text, ": ignored, `may_choose` of policy {given} does not have it"),
    }
}

/// `reason 4: tasks stall on memory more than the SLO allows`.
fn numbered(reason: Reason) -> String {
    format!("reason {}: {}", reason.number(), reason.sentence())
}

/// What the policy's tiers come to; nothing where they bound nothing.
fn write_confinement(text: &mut String, confined: &Confinement) -> std::fmt::Result {
    if let Some(SwapBound { why: why @ Why::Tmpfs, .. }) = confined.swap {
        writeln!(text, "  lowtide swaps none of it out: {}", why.sentence())?;
    } else if let Some(SwapBound { limit, why }) = confined.swap {
        writeln!(text, "  tiers: memory.swap.max {limit}: {}", why.sentence())?;
    }
    if confined.past_zswap == PastZswap::Set {
        return writeln!(
            text,
            "  zswap is passed for the moment (memory.zswap.max 0): what is cold on slower nodes goes to the disk"
        );
    }
    match confined.zswap {
        ZswapBound::Free => Ok(()),
        ZswapBound::AtMost(limit) => {
            writeln!(text, "  tiers: memory.zswap.max {limit} (compressed); what is more goes past zswap")
        }
        ZswapBound::Stays => {
            writeln!(text, "  tiers: memory.zswap.writeback 0: nothing goes from zswap to a device")
        }
    }
}

fn write_figures(text: &mut String, figures: &Figures) -> std::fmt::Result {
    let share = |share: Option<Ratio>| share.map_or_else(|| "unknown".to_owned(), |share| share.to_string());
    let mut line = |name: &str, value: String| writeln!(text, "  {name:<28} {value}");
    line("in DRAM", figures.current.to_string())?;
    line("offloaded", figures.offloaded.to_string())?;
    line("memory pressure, 10 s", share(figures.memory_pressure))?;
    line("memory pressure, minute", share(figures.memory_pressure_minute))?;
    line("io pressure, 10 s", share(figures.io_pressure))?;
    line("io pressure, by itself", figures.usual_io_pressure.to_string())?;
    line("cost of swap-ins, minute", figures.swap_in_stall.to_string())?;
    line("cost of cache read again", figures.refault_stall.to_string())?;
    line("its work takes longer by", share(figures.slowdown))?;
    line("faulted back per minute", figures.promotion_rate.to_string())?;
    line("anonymous memory, worth it?", gain(&figures.anon))?;
    line("page cache, worth it?", gain(&figures.file))?;
    line("headroom under the SLO", figures.headroom.to_string())?;
    line("price", figures.price.to_string())?;
    if let (Some(cut), Some(idle)) = (figures.cut, figures.idle) {
        line("anonymous, beyond the cut", format!("{idle} idle for {}", age(cut)))?;
    }
    if let Some(sinkable) = figures.sinkable {
        line("may leave slower nodes", sinkable.to_string())?;
    }
    line("wanted now", figures.wanted.to_string())?;
    line("may still go this minute", figures.minute_left.to_string())?;
    line("reclaim CPU, minute", figures.reclaim_cpu.to_string())
}

/// What came of offloading one type of memory, in a line.
fn gain(gain: &Gain) -> String {
    let Gain { left, back, cost, pace, .. } = gain;
    if left.is_zero() {
        return format!("nothing left lately; pace {}", rounded(*pace));
    }
    format!(
        "{back} of {left} came back lately, at {} of what it is worth; pace {}",
        rounded(*cost),
        rounded(*pace)
    )
}

/// The three lines, and what another `cold_after` would mean.
fn write_hotness(text: &mut String, hotness: &Hotness) -> std::fmt::Result {
    let data_age = hotness.data_age.as_secs();
    let working_set = within(hotness.working_set, hotness.working_set_error);
    writeln!(text, "idle ages ({}, {data_age} s old): working set {working_set}", hotness.source)?;
    if let Resolution::Sample(Sample { pages, of }) = hotness.resolution {
        writeln!(text, "  by {pages} pages drawn at random from {of}; ± is 95 % of the error of drawing")?;
    }
    if let Some(Measured { share, pages, error }) = hotness.precision {
        let pages = pages.round();
        writeln!(text, "  of what left DRAM lately, {share} ±{error} was cold (by {pages} sampled pages)")?;
    }
    let Lines { hot, warm, cold } = &hotness.lines;
    for (name, line) in [("hot", hot), ("warm", warm), ("cold", cold)] {
        writeln!(text, "  below the {name} line, {:<10} {}", age(line.age), line.below)?;
    }
    writeln!(text, "  what if cold_after were          could go    would come back")?;
    for WhatIf { cold_after, could_go, could_go_error, promotion_rate } in &hotness.what_if {
        let could_go = within(*could_go, *could_go_error);
        let back = promotion_rate.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate}/min"));
        writeln!(text, "  {:<22} {could_go:>18}    {back:>15}", age(*cold_after))?;
    }
    Ok(())
}

/// A figure with half of the interval around it, where that is known and not nothing.
fn within(bytes: Bytes, error: Option<Bytes>) -> String {
    error
        .filter(|error| !error.is_zero())
        .map_or_else(|| bytes.to_string(), |error| format!("{bytes} ±{error}"))
}

/// Where memory belongs at today's price, a line for each tier.
fn write_ladder(text: &mut String, ladder: &Ladder) -> std::fmt::Result {
    let hour = ladder.price_per_gib * 3600.0;
    writeln!(text, "placement: a GiB freed is worth {hour:.2} s of stall an hour")?;
    for Rung { kind, device, fault, freed, from, touched } in &ladder.rungs {
        let when = from.map_or_else(
            || "at no age worth it at today's price".to_owned(),
            |from| format!("worth it from {} idle on", age(from)),
        );
        writeln!(
            text,
            "  {} {device:<16} {when} (touched again {} a minute, {} a fault, {freed} freed)",
            kind.name(),
            Ratio::new(touched.get() * 60.0),
            micros(fault.time)
        )?;
    }
    Ok(())
}

fn write_compressed(text: &mut String, compressed: Compressed) -> std::fmt::Result {
    let Compressed { share, measured } = compressed;
    writeln!(text, "compresses to {} (measured over {measured})", rounded(share))
}

/// What `full` would save beyond what is offloaded, and what that would cost.
fn write_forecast(text: &mut String, forecast: &Forecast) -> std::fmt::Result {
    let Forecast { kind, device, from, could_go, net, net_error, refaulted_per_minute, stall } = forecast;
    let give_or_take = net_error.map_or_else(|| "error unknown".to_owned(), |error| format!("± {error}"));
    writeln!(
        text,
        "forecast: full would save {net} more ({give_or_take}): {could_go} idle for {} to {} {device}; {refaulted_per_minute} a \
         minute would come back, {stall} of the time",
        age(*from),
        kind.name()
    )
}

/// What the factor is, and why; what that costs and what kswapd does.
fn write_watermarks(text: &mut String, watermarks: &WatermarksView) -> std::fmt::Result {
    let factor = watermarks.factor.map_or_else(|| "unknown".to_owned(), |factor| factor.to_string());
    write!(text, "watermarks: vm.watermark_scale_factor {factor}")?;
    if let Some(watermarks::Decision { figures, .. }) = &watermarks.decision {
        let watermarks::Figures { original, limit, loss, kswapd_cpu, .. } = figures;
        write!(text, " (found with {original}, at most {limit}; MemAvailable {loss} less at most; ")?;
        write!(text, "kswapd {kswapd_cpu} of a core)")?;
    }
    writeln!(text, ": {}", watermarks.reason.sentence())
}

/// What `full` would save of all cgroups that it is not allowed for.
fn write_promise(text: &mut String, view: &View) -> std::fmt::Result {
    let observed = || view.cgroups.iter().filter(|cgroup| !cgroup.acting);
    match Promise::of(view) {
        None => Ok(()),
        Some(Promise { net, refaulted_per_minute, cgroups }) => writeln!(
            text,
            "forecast: mode full would save {net} net in {cgroups} of {} cgroups that it is not set for; {refaulted_per_minute} a \
             minute would come back",
            observed().count()
        ),
    }
}

/// The range of the working set over time, in a line; `status --json` has every minute.
fn write_working_sets(text: &mut String, sets: &VecDeque<WorkingSet>) -> std::fmt::Result {
    let sizes = || sets.iter().map(|set| set.size);
    let (Some(low), Some(high), Some(first), Some(last)) =
        (sizes().min(), sizes().max(), sets.front(), sets.back())
    else {
        return Ok(());
    };
    let span = age(last.at.saturating_sub(first.at));
    writeln!(text, "  working set over {span}: {low} to {high}")
}

fn age(age: Duration) -> String {
    humantime::format_duration(Duration::from_secs(age.as_secs())).to_string()
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
    let others = cgroup.origins.swap.others;
    if !others.is_zero() {
        writeln!(text, "not counted: {others} of what is swapped out, which others put there")?;
    }
    let Some(effect) = &account.last_effect else { return Ok(()) };
    let mut notes = Vec::new();
    if effect.partial {
        notes.push("the kernel found less than was asked");
    }
    let demoted = format!("{} demoted", effect.demoted);
    if effect.scope == Scope::Demote {
        notes.push(&demoted);
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
            Action::Hold => format!("held, {}", numbered(decision.reason)),
            Action::Reclaim { scope: Scope::Demote, .. } => {
                format!("asked for {asked} to slower nodes, {}", numbered(decision.reason))
            }
            Action::Reclaim { scope: Scope::Sink, .. } => {
                format!("asked for {asked} from slower nodes to swap, {}", numbered(decision.reason))
            }
            Action::Reclaim { .. } => format!("asked for {asked}, {}", numbered(decision.reason)),
        };
        let narrowed = decision.file_only.filter(|why| *why != decision.reason).map(numbered);
        let narrowed = narrowed.map(|why| format!(" ({why})")).unwrap_or_default();
        writeln!(text, "  {ago:>6} s ago, {ticks:>4} ticks: {what}{narrowed}")?;
    }
    Ok(())
}

/// What `explain` says of a path that is no target.
#[must_use]
pub fn not_a_target(path: &str, view: &View) -> String {
    let mut message = format!(
        "{} is not a target: no policy matches it, a deeper cgroup of it is the target, it is protected, or it \
         is gone",
        escaped(path)
    );
    if view.asks_for_pods && Place::of(path) != Place::Outside {
        message.push_str(
            "; or a policy with `namespaces` or `may_choose` may be for it, and its pod is not known: it is held to none until then, and \
             `status` says why under `left out, pod`",
        );
    }
    if view.cgroup("/").is_some() {
        message = format!("{} is a part of the host as a whole: `lowtide explain /`", escaped(path));
    }
    let near: Vec<&str> = view
        .cgroups
        .iter()
        .map(|cgroup| &*cgroup.path)
        .filter(|known| known.contains(path))
        .take(5)
        .collect();
    if !near.is_empty() {
        message.push_str("; targets like it: ");
        message.push_str(&escaped(&near.join(", ")));
    }
    message
}
