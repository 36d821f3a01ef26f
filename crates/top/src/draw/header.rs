use std::time::{Duration, UNIX_EPOCH};

use lowtide_core::Bytes;
use ratatui::text::{Line, Span};

use super::{
    Mood, Paper,
    words::{age, cut, name, share, wrap},
};
use crate::{
    model::{Informant, Model},
    screen::{Over, Screen, View},
};

/// So many problems are named; the rest is counted.
const NAMED: usize = 3;

/// When, the host in a line, who told of the tenants, and what is wrong.
pub(super) fn lines(model: &Model, paper: Paper, interval: Duration, paused: bool) -> Vec<Line<'static>> {
    let when = UNIX_EPOCH.checked_add(Duration::from_secs(model.at)).unwrap_or(UNIX_EPOCH);
    let when = humantime::format_rfc3339_seconds(when);
    let pace = match model.over {
        _ if paused => "paused".to_owned(),
        Some(over) => format!("rates over {}", humantime::format_duration(rounded(over))),
        None => format!("rates come with the second look, in {}", humantime::format_duration(interval)),
    };
    let mut lines = block(&format!("lowtide top  {when}  {pace}"), Mood::Heading, paper);
    lines.extend(block(&host(model), Mood::Usual, paper));
    let (daemon, mood) = daemon(model);
    lines.extend(block(&daemon, mood, paper));
    for problem in model.problems.iter().take(NAMED) {
        lines.extend(block(&format!("problem: {}", name(problem)), Mood::Warning, paper));
    }
    if let Some(more) = model.problems.len().checked_sub(NAMED).filter(|more| *more > 0) {
        lines.extend(block(
            &format!("and {more} more problems: `lowtide status` has them"),
            Mood::Warning,
            paper,
        ));
    }
    lines
}

fn block(text: &str, mood: Mood, paper: Paper) -> Vec<Line<'static>> {
    wrap(text, paper.width).into_iter().map(|line| Line::styled(line, paper.style(mood))).collect()
}

/// To a tenth of a second.
fn rounded(time: Duration) -> Duration {
    let tenths = (time.as_secs_f64() * 10.0).round() / 10.0;
    Duration::try_from_secs_f64(tenths).unwrap_or(time)
}

fn host(model: &Model) -> String {
    let host = &model.host;
    let mut parts = vec![format!("memory {}", host.total)];
    let named = [("MemFree", "free"), ("MemAvailable", "available")];
    parts.extend(named.iter().filter_map(|(of, name)| Some(format!("{name} {}", host.size(of)?))));
    if let Some((total, free)) = host.swap_total.zip(host.size("SwapFree")) {
        let used = total - free;
        parts.push(if total.is_zero() { "no swap".to_owned() } else { format!("swap {used} of {total}") });
    }
    if host.pressure.is_empty() {
        return parts.join(", ");
    }
    let pressure =
        host.pressure.iter().map(|pressure| format!("{} {}", pressure.resource, share(pressure.some)));
    format!("{}; pressure: {}", parts.join(", "), pressure.collect::<Vec<_>>().join(", "))
}

fn daemon(model: &Model) -> (String, Mood) {
    match &model.daemon {
        Informant::Answers { uptime, ticks, net_saved, own, idle_ages } => {
            let sign = if *net_saved < 0 { "-" } else { "" };
            let saved = Bytes::new(net_saved.unsigned_abs());
            let ages = idle_ages.as_deref().map_or_else(|| "none".to_owned(), name);
            let told = format!(
                "daemon: {} tenants, net saved {sign}{saved}, itself {own}, up {}, {ticks} turns; idle ages: {ages}",
                model.tenants.len(),
                age(*uptime),
            );
            (told, Mood::Usual)
        }
        Informant::Recorded { begin, ticks, net_saved, own } => {
            let sign = if *net_saved < 0 { "-" } else { "" };
            let saved = Bytes::new(net_saved.unsigned_abs());
            let told = format!(
                "from the history, of {} in {ticks} turns: {} tenants, net saved {sign}{saved}, lowtide itself {own}",
                age(Duration::from_secs(model.at.saturating_sub(*begin))),
                model.tenants.len(),
            );
            (told, Mood::Usual)
        }
        Informant::Silent { socket, why } => {
            let (socket, why) = (name(socket), name(why));
            (
                format!("NO DAEMON answers at {socket}: {why}. Here is what the kernel alone tells."),
                Mood::Alarm,
            )
        }
    }
}

/// Which view it is, and how tenants are chosen and sorted.
pub(super) fn views(model: &Model, screen: &Screen, paper: Paper) -> Line<'static> {
    let shown = screen.view(model);
    let mut spans = Vec::new();
    for (number, view) in (1..).zip(View::ALL) {
        let mood = if view == shown && screen.over == Over::Nothing { Mood::Marked } else { Mood::Usual };
        spans.push(Span::styled(format!(" {number} {} ", view.name()), paper.style(mood)));
        spans.push(Span::raw(" "));
    }
    let mut rest = String::new();
    if shown == View::Tenants && screen.over == Over::Nothing {
        rest = format!(" by {}{}", screen.sort.name(), if screen.reversed { ", reversed" } else { "" });
        if screen.typing || !screen.filter.is_empty() {
            let cursor = if screen.typing { "_" } else { "" };
            rest = format!("{rest}  filter: {}{cursor}", name(&screen.filter));
        }
    }
    let taken: usize = spans.iter().map(Span::width).sum();
    spans.push(Span::raw(cut(&rest, paper.width.saturating_sub(taken))));
    Line::from(spans)
}

/// What the keys do now.
pub(super) fn keys(screen: &Screen, paper: Paper) -> Line<'static> {
    let told = match (screen.typing, screen.over) {
        (true, _) => "type a part of the path   enter: keep   esc: all tenants",
        (false, Over::Tenant(_) | Over::Help) => "esc: back   ↑ ↓: scroll   q: quit",
        (false, Over::Nothing) => {
            "? help  tab: next  ↑ ↓  enter: history  s: sort  r: reverse  /: filter  p: pause  q: quit"
        }
    };
    Line::styled(cut(told, paper.width), paper.style(Mood::Heading))
}
