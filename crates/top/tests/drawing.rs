//! How it looks, in terminals of all sizes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use lowtide_core::escape::escaped_lines;
use lowtide_top::{
    draw,
    model::Model,
    sample::{Daemon, Silence},
    screen::{Over, Screen, View},
};
use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::Buffer,
    style::{Color, Modifier},
};
use rstest::rstest;
use serde_json::json;
use support::{APART, answering, answers, model, silent};

fn tenants() -> Model {
    model("7.3", [answering(&answers::text(110)), answering(&answers::text(111))])
}

/// What there is to see.
fn screens(model: &Model) -> Vec<Screen> {
    let tenant = model.tenants.first().map_or(Over::Tenant(0), |tenant| Over::Tenant(tenant.id));
    let views = View::ALL.map(|view| Screen { view: Some(view), ..Screen::default() });
    let more = [
        Screen { over: Over::Help, ..Screen::default() },
        Screen { over: tenant, ..Screen::default() },
        Screen { typing: true, filter: "nobody".to_owned(), view: Some(View::Tenants), ..Screen::default() },
        Screen { paused: true, scrolled: 3, view: Some(View::Host), ..Screen::default() },
    ];
    views.into_iter().chain(more).collect()
}

fn buffer(model: &Model, screen: &Screen, width: u16, height: u16, colours: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let draw = |frame: &mut ratatui::Frame<'_>| {
        draw::draw(model, screen, APART, colours, frame.area(), frame.buffer_mut());
    };
    terminal.draw(draw).unwrap().buffer.clone()
}

fn rows(buffer: &Buffer) -> Vec<String> {
    let row =
        |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    buffer
        .content
        .chunks(usize::from(buffer.area.width))
        .map(|cells| row(cells).trim_end().to_owned())
        .collect()
}

#[test]
fn whatever_is_printed_fits_from_60_to_250_columns() {
    for model in [tenants(), model("6.1", [silent(), silent()])] {
        for width in 60..=250 {
            let text = draw::text(&model, &Screen::default(), &View::ALL, APART, width);
            for line in text.lines() {
                assert!(ratatui::text::Span::raw(line).width() <= width, "{width}: {line}");
                assert_eq!(line.trim_end(), line);
            }
        }
    }
}

/// What a smaller or larger terminal shows is cut, or has room left, and does not end the program.
#[test]
fn no_size_panics() {
    let (known, unknown) = (tenants(), model("7.3", [silent(), silent()]));
    for model in [&known, &unknown] {
        for screen in screens(model) {
            for width in [1, 2, 20, 59, 60, 61, 79, 80, 119, 120, 121, 249, 250, 251, 400] {
                for height in [1, 2, 3, 5, 24, 80] {
                    buffer(model, &screen, width, height, true);
                }
            }
        }
    }
}

#[rstest]
#[case::narrow(60)]
#[case::usual(80)]
#[case::wide(250)]
fn what_an_operator_asks_first_is_there_at_every_width(#[case] width: u16) {
    let model = tenants();
    let all = |view| {
        rows(&buffer(&model, &Screen { view: Some(view), ..Screen::default() }, width, 60, false)).join("\n")
    };
    let tenants = all(View::Tenants);
    for part in ["DRAM", "OFFLOADED", "inx.service", "DECISION", "reclaim 2MiB"] {
        assert!(tenants.contains(part), "{part}:\n{tenants}");
    }
    let host = all(View::Host);
    let parts = [
        "Active(anon)",
        "Inactive(file)",
        "Unevictable",
        "SUnreclaim",
        "allocstall",
        "PGSCAN",
        "PGSTEAL",
        "pgscan_direct_throttle",
        "kswapd_low_wmark_hit_quickly",
        "kswapd_high_wmark_hit_quickly",
        "pgalloc",
        "pgfree",
        "LOW",
        "HIGH",
        "below min",
        "kswapd0",
    ];
    for part in parts {
        assert!(host.contains(part), "{part}:\n{host}");
    }
    let tiers = all(View::Tiers);
    for part in ["FILL", "USED", "IN", "/dev/zram0"] {
        assert!(tiers.contains(part), "{part}:\n{tiers}");
    }
}

#[test]
fn at_250_columns_nothing_is_left_out() {
    let model = tenants();
    let text = draw::text(&model, &Screen::default(), &View::ALL, APART, 250);
    let headings = [
        "WORKING SET",
        "COLD",
        "ZSWAP",
        "ZRAM",
        "DISK",
        "NET SAVED",
        "PRESSURE",
        "IO",
        "REFAULTS",
        "BACK/MIN",
        "PRICE",
        "FAULT",
        "MOVED",
        "WRITTEN 24 H",
        "MANAGED",
        "61MiB ±4MiB",
        "34µs measured",
    ];
    for heading in headings {
        assert!(text.contains(heading), "{heading}:\n{text}");
    }
}

#[test]
fn who_does_not_answer_is_told_with_its_socket() {
    let model = model("7.3", [silent(), silent()]);
    let text = draw::text(&model, &Screen::default(), &View::ALL, APART, 80);
    assert!(text.contains("NO DAEMON answers at /run/lowtide/lowtide.sock: No such file"), "{text}");
    assert!(text.contains("Tenants are what the daemon's policies name"), "{text}");
}

/// Everything that a tenant, a device or somebody who answers on the socket chooses.
#[test]
fn no_name_reaches_a_terminal_raw() {
    const HOSTILE: &str = "/a\u{1b}[2J\r\n\u{202e}b\u{9b}\u{7f}\u{2066}";
    let mut tenants = answers::tenants(110);
    for tenant in &mut tenants {
        tenant.path.push_str(HOSTILE);
        tenant.reason = HOSTILE.to_owned();
    }
    let mut status = answers::status(110, &tenants);
    status["problems"] = json!([HOSTILE]);
    status["sampling"]["source"] = json!(HOSTILE);
    status["costs"][0]["fault"]["basis"] = json!(HOSTILE);
    let quiet = Daemon::Silent(Silence { socket: HOSTILE.into(), why: HOSTILE.to_owned() });
    for daemon in [answering(&status.to_string()), quiet] {
        let mut model = model("7.3", [daemon.clone(), daemon]);
        model.tiers[0].device = HOSTILE.to_owned();
        model.host.zones[0].name = HOSTILE.to_owned();
        for mut screen in screens(&model) {
            screen.filter = if screen.filter.is_empty() { String::new() } else { HOSTILE.to_owned() };
            for row in rows(&buffer(&model, &screen, 250, 80, true)) {
                assert_eq!(escaped_lines(&row), row);
            }
        }
        let text = draw::text(&model, &Screen::default(), &View::ALL, APART, 250);
        assert_eq!(escaped_lines(&text), text);
        assert!(text.contains(r"\u{1b}[2J"), "{text}");
    }
}

#[test]
fn without_colours_there_are_none_and_alarms_still_stand_out() {
    let model = model("7.3", [silent(), silent()]);
    for screen in screens(&model) {
        let drawn = buffer(&model, &screen, 120, 60, false);
        assert!(drawn.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
        assert!(drawn.content.iter().any(|cell| cell.modifier.contains(Modifier::BOLD)));
        let coloured = buffer(&model, &screen, 120, 60, true);
        assert!(coloured.content.iter().any(|cell| cell.fg != Color::Reset));
        assert_eq!(rows(&drawn), rows(&coloured), "colours change no text");
    }
}

#[test]
fn the_mark_is_seen_wherever_it_is() {
    let many: Vec<_> =
        (0..200).map(|id| answers::Tenant::new(id, &format!("/t/{id:03}"), 200 - id)).collect();
    let text = answers::status(110, &many).to_string();
    let model = model("7.3", [answering(&text), answering(&text)]);
    for id in [0, 1, 12, 100, 198, 199] {
        let screen = Screen { selected: Some(id), ..Screen::default() };
        let drawn = rows(&buffer(&model, &screen, 100, 24, false));
        let mark = format!("> /t/{id:03}");
        assert_eq!(drawn.iter().filter(|row| row.starts_with(&mark)).count(), 1, "{drawn:#?}");
        assert!(drawn.iter().any(|row| row.starts_with("  CGROUP")), "the heading stays");
    }
}

#[test]
fn scrolling_ends_where_the_view_does() {
    let model = tenants();
    let area = ratatui::layout::Rect::new(0, 0, 80, 24);
    let mut buffer = Buffer::empty(area);
    let far = Screen { view: Some(View::Host), scrolled: usize::MAX, ..Screen::default() };
    let most = draw::draw(&model, &far, APART, false, area, &mut buffer);
    assert!(most > 0 && rows(&buffer).iter().any(|row| row.contains("node 0 DMA32")), "{:#?}", rows(&buffer));
}
