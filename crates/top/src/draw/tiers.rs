use lowtide_core::Ratio;
use ratatui::text::Line;

use super::{
    Mood, Paper,
    table::{Cell, Column, Row, Table},
    words::{UNKNOWN, latency, name, percent, rate, wrap},
};
use crate::model::{Model, Tier};

/// From here on a tier is nearly full.
const NEARLY_FULL: Ratio = Ratio::percent(90.0);

/// A line for each tier, the fastest first.
pub(super) fn lines(model: &Model, paper: Paper) -> Vec<Line<'static>> {
    if model.tiers.is_empty() {
        let told = "There is no tier: no swap, no zswap, no slower node. Only page cache can leave DRAM.";
        return wrap(told, paper.width).into_iter().map(Line::raw).collect();
    }
    let column = |heading, width, dispensable| Column { heading, width, dispensable };
    let table = Table {
        name: "TIER",
        columns: vec![
            column("FILL", 5, 0),
            column("USED", 9, 0),
            column("OF", 9, 3),
            column("STORED", 9, 4),
            column("DRAM", 9, 2),
            column("FAULT", 15, 6),
            column("IN", 11, 0),
            column("OUT", 11, 1),
            column("MOVED", 9, 8),
            column("WRITTEN 24 H", 22, 7),
        ],
        remark: "",
        rows: model.tiers.iter().map(row).collect(),
    };
    table.lines(paper)
}

fn row(tier: &Tier) -> Row {
    let above = tier.above.as_deref().map(|above| format!(" below {}", name(above)));
    let unknown = || UNKNOWN.to_owned();
    let cost = tier.cost.as_ref().map(|cost| format!("{} {}", latency(cost.fault), name(&cost.basis)));
    let sunk = tier.sunk.as_ref();
    let cells: Vec<Cell> = vec![
        Cell::from(percent(tier.fill)).warn(tier.fill > NEARLY_FULL),
        tier.used.to_string().into(),
        tier.capacity.to_string().into(),
        tier.stored.to_string().into(),
        tier.resident.to_string().into(),
        cost.unwrap_or_else(unknown).into(),
        rate(tier.written_per_second).into(),
        rate(tier.read_per_second).into(),
        sunk.map_or_else(unknown, |sunk| sunk.moved.to_string()).into(),
        sunk.map_or_else(unknown, |sunk| format!("{} of {}", sunk.written, sunk.budget)).into(),
    ];
    let kind = tier.kind.name();
    let device = if tier.device == kind { String::new() } else { format!(" {}", name(&tier.device)) };
    Row {
        name: format!("{kind}{device}{}", above.unwrap_or_default()),
        cells,
        remark: String::new(),
        mood: Mood::Usual,
    }
}
