use ratatui::text::Line;

use super::{Mood, Paper, words::wrap};

const KEYS: [(&str, &str); 13] = [
    ("1 2 3, tab", "tenants, tiers, host; the next of them"),
    ("↑ ↓, j k", "the next row, the next line"),
    ("page up, page down", "ten of them"),
    ("home, end", "the first, the last"),
    ("enter", "the past of the tenant that is marked"),
    ("esc", "back; all tenants again"),
    ("s", "sort by the next column"),
    ("r", "the least first, the most first"),
    ("/", "only tenants whose path contains what is typed"),
    ("p", "pause, go on"),
    ("?, h", "this"),
    ("q, ctrl c", "quit"),
    ("", ""),
];

const TOLD: &str = "Sizes are binary. A figure that is not known is -: rates need two looks, refaults of a tenant two turns of the daemon, \
                    working set and cold a source of idle ages (`lowtide doctor`). docs/top.md has each column.";

/// All keys, and what the figures are.
pub(super) fn lines(paper: Paper) -> Vec<Line<'static>> {
    let keys = KEYS.iter().map(|(key, does)| Line::raw(format!("  {key:<20}{does}")));
    let head = Line::styled("KEYS", paper.style(Mood::Heading));
    let told = wrap(TOLD, paper.width).into_iter().map(Line::raw);
    std::iter::once(head).chain(keys).chain(told).collect()
}
