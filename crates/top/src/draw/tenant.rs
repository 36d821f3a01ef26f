use lowtide_core::{Bytes, Ratio, TierKind};
use ratatui::text::Line;

use super::{
    Mood, Paper,
    tenants::{decision, working_set},
    words::{UNKNOWN, age, name, pad, percent, rate, share, size, wrap},
};
use crate::model::{Entry, Moment, Tenant};

/// What stands left of a curve: its name, the least and the most.
const LEGEND: usize = 42;

/// One tenant: its figures, its curves, its decisions.
pub(super) fn lines(tenant: Option<&Tenant>, paper: Paper) -> Vec<Line<'static>> {
    let Some(tenant) = tenant else {
        let told =
            "This cgroup is gone, or no target any more; or the daemon does not answer. Esc goes back.";
        return wrap(told, paper.width).into_iter().map(Line::raw).collect();
    };
    let head = wrap(&name(&tenant.path), paper.width)
        .into_iter()
        .map(|line| Line::styled(line, paper.style(Mood::Heading)));
    let figures = figures(tenant).into_iter().flat_map(|line| wrap(&line, paper.width)).map(Line::raw);
    head.chain(figures)
        .chain([Line::default()])
        .chain(curves(tenant, paper))
        .chain([Line::default()])
        .chain(decisions(tenant, paper))
        .collect()
}

fn figures(tenant: &Tenant) -> Vec<String> {
    let on = |kind: TierKind| Some(format!("{} {}", kind.name(), tenant.by_tier.get(&kind)?));
    let by_tier = TierKind::ALL.into_iter().filter_map(on);
    let by_tier = by_tier.collect::<Vec<_>>().join(", ");
    let by_tier = if by_tier.is_empty() { String::new() } else { format!(" ({by_tier})") };
    vec![
        format!("policy {}, inode {}; {}", name(&tenant.policy), tenant.id, decision(&tenant.decision)),
        format!(
            "DRAM {}, working set {}, cold {}",
            tenant.dram,
            working_set(tenant.working_set),
            size(tenant.cold)
        ),
        format!("offloaded {}{by_tier}, net saved {}", tenant.offloaded, tenant.net_saved),
        format!(
            "memory pressure {}, I/O pressure {}, refaults {}, back {} a minute, price {}",
            share(tenant.memory_pressure),
            share(tenant.io_pressure),
            rate(tenant.refaulted_per_second),
            share(tenant.back_per_minute),
            percent(tenant.price)
        ),
        format!(
            "so far {} left DRAM, for {:.3} s of kernel CPU",
            tenant.account.effective,
            tenant.account.reclaim_cpu.as_secs_f64()
        ),
    ]
}

fn curves(tenant: &Tenant, paper: Paper) -> Vec<Line<'static>> {
    let head = format!("{}{}{}PAST", pad("", 18, false), pad("LEAST", 11, true), pad("MOST  ", 13, true));
    let of = |value: fn(&Moment) -> Option<f64>| tenant.moments.iter().filter_map(value).collect::<Vec<_>>();
    let bytes = |value: f64| rate(Some(value)).trim_end_matches("/s").to_owned();
    let per_second = |value: f64| rate(Some(value));
    let stall = |value: f64| Ratio::new(value).to_string();
    let sets: Vec<f64> = tenant.account.working_sets.iter().copied().map(Bytes::as_f64).collect();
    let told = format!(
        "The past of the last {} turns that this top has seen; of the working set an hour, as the daemon keeps it.",
        tenant.moments.len()
    );
    let mut lines = vec![
        Line::styled(head, paper.style(Mood::Heading)),
        curve("DRAM", &of(|moment| Some(moment.dram.as_f64())), bytes, paper),
        curve("offloaded", &of(|moment| Some(moment.offloaded.as_f64())), bytes, paper),
        curve("memory pressure", &of(|moment| moment.memory_pressure.map(Ratio::get)), stall, paper),
        curve("refaults", &of(|moment| moment.refaulted_per_second), per_second, paper),
        curve("working set, hour", &sets, bytes, paper),
    ];
    lines.extend(wrap(&told, paper.width).into_iter().map(Line::raw));
    lines
}

fn curve(what: &str, values: &[f64], shown: impl Fn(f64) -> String, paper: Paper) -> Line<'static> {
    let end = |pick: fn(f64, f64) -> f64| {
        values.iter().copied().reduce(pick).map_or_else(|| UNKNOWN.to_owned(), &shown)
    };
    let (least, most) = (end(f64::min), end(f64::max));
    let legend = format!("{}{}{}  ", pad(what, 18, false), pad(&least, 11, true), pad(&most, 11, true));
    Line::raw(legend + &spark(values, paper.width.saturating_sub(LEGEND)))
}

/// The last `columns` values, from nothing to the most of them.
fn spark(values: &[f64], columns: usize) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().fold(0.0, f64::max);
    let height = |value: f64| {
        let share = if most > 0.0 { Ratio::new(value / most).clamped() } else { Ratio::ZERO };
        let above = HEIGHTS.iter().enumerate().skip(1).take_while(|(index, _)| {
            #[expect(clippy::cast_precision_loss, reason = "at most 8")]
            let from = *index as f64 / HEIGHTS.len() as f64;
            share.get() > from
        });
        HEIGHTS[above.count()]
    };
    values.iter().skip(values.len().saturating_sub(columns)).map(|value| height(*value)).collect()
}

fn decisions(tenant: &Tenant, paper: Paper) -> Vec<Line<'static>> {
    let head = Line::styled("DECISIONS", paper.style(Mood::Heading));
    let told = tenant.account.decisions.iter().flat_map(|entry| {
        let Entry { ago, ticks, asked, decision: last } = entry;
        let asked = if asked.is_zero() { String::new() } else { format!(", {asked} asked in all") };
        let turns = if *ticks == 1 { "turn" } else { "turns" };
        wrap(&format!("{} ago, {ticks} {turns}: {}{asked}", age(*ago), decision(last)), paper.width)
    });
    std::iter::once(head).chain(told.map(Line::raw)).collect()
}
