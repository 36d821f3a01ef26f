//! The screens in docs/top.md are what would be drawn now.
//!
//! `LOWTIDE_UPDATE=1 cargo test -p lowtide-top --test docs` draws them anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{fs, path::Path};

use lowtide_top::{
    draw,
    model::Model,
    screen::{Over, Screen, Sort, View},
};
use ratatui::{Terminal, backend::TestBackend};
use support::{APART, answering, answers, model, silent, watched};

/// A screen as a terminal of this size has it, without the blanks at its edges.
fn screen(model: &Model, screen: &Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let drawn = terminal.draw(|frame| {
        draw::draw(model, screen, APART, false, frame.area(), frame.buffer_mut());
    });
    let buffer = drawn.unwrap().buffer.clone();
    let rows = buffer.content.chunks(usize::from(width)).map(|cells| {
        let row: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        row.trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// What stands in the page, by the name in the comment before it.
fn screens() -> Vec<(&'static str, String)> {
    let told = |turn| answering(&answers::text(turn));
    let (known, unknown) = (model("7.3", [told(110), told(111)]), model("7.3", [silent(), silent()]));
    let view = |view| Screen { view: Some(view), ..Screen::default() };
    let first = Screen { sort: Sort::Pressure, ..view(View::Tenants) };
    let watched = watched(&(70..=111).map(told).collect::<Vec<_>>());
    let past = Screen { over: Over::Tenant(watched.tenants[0].id), ..Screen::default() };
    vec![
        ("tenants", screen(&known, &first, 150, 12)),
        ("narrow", screen(&known, &first, 80, 14)),
        ("tiers", screen(&known, &view(View::Tiers), 150, 10)),
        ("host", screen(&unknown, &view(View::Host), 130, 35)),
        ("past", screen(&watched, &past, 110, 24)),
    ]
}

#[test]
fn the_screens_in_the_page_are_what_is_drawn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/top.md");
    let mut page = fs::read_to_string(&path).unwrap();
    let kept = page.clone();
    for (name, drawn) in screens() {
        let head = format!("<!-- {name} -->\n```text\n");
        let (before, rest) = page.split_once(&head).unwrap_or_else(|| panic!("docs/top.md has no {name}"));
        let (_, after) = rest.split_once("\n```\n").unwrap();
        page = format!("{before}{head}{drawn}\n```\n{after}");
    }
    if std::env::var_os("LOWTIDE_UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    } else {
        assert!(
            page == kept,
            "docs/top.md is out of date: LOWTIDE_UPDATE=1 cargo test -p lowtide-top --test docs"
        );
    }
}

/// Every column that is drawn, and every line of the host, is explained.
#[test]
fn the_page_names_every_figure() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/top.md")).unwrap();
    let told = |turn| answering(&answers::text(turn));
    let model = model("7.3", [told(110), told(111)]);
    let text = draw::text(&model, &Screen::default(), &View::ALL, APART, 250);
    let is_heading =
        |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || "/ 24".contains(c));
    let headings =
        text.lines().flat_map(|line| line.split("  ")).map(str::trim).filter(|word| is_heading(word));
    let named: Vec<_> = headings
        .map(str::to_owned)
        .chain(model.host.events.iter().map(|event| event.name.to_owned()))
        .collect();
    assert!(named.len() > 50, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, Vec::<&String>::new(), "docs/top.md");
}
