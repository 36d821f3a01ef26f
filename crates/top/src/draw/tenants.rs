use lowtide_core::{Bytes, Ratio, TierKind};
use ratatui::text::Line;

use super::{
    Mood, Paper,
    table::{Cell, Column, Row, Table},
    words::{UNKNOWN, name, percent, rate, share, size, wrap},
};
use crate::{
    model::{Decision, Informant, Model, Tenant, WorkingSet},
    screen::Screen,
};

/// From here on stall is worth a look: the default of `slo.memory_pressure` is a tenth of a per cent.
const STALLS: Ratio = Ratio::percent(1.0);

/// All rows, and no mark.
pub(super) fn lines(model: &Model, screen: &Screen, paper: Paper) -> Vec<Line<'static>> {
    let tenants = screen.tenants(model);
    if tenants.is_empty() {
        return none(model, screen, paper);
    }
    table(model, &tenants, None).lines(paper)
}

/// The heading, the rows with a mark at one of them, and which that is.
pub(super) fn marked(
    model: &Model,
    screen: &Screen,
    paper: Paper,
) -> (Vec<Line<'static>>, Vec<Line<'static>>, usize) {
    let tenants = screen.tenants(model);
    if tenants.is_empty() {
        return (Vec::new(), none(model, screen, paper), 0);
    }
    let row = screen.row(&tenants);
    let mut head = table(model, &tenants, Some(row)).lines(paper);
    let rows = head.split_off(1);
    (head, rows, row)
}

fn none(model: &Model, screen: &Screen, paper: Paper) -> Vec<Line<'static>> {
    let told = match &model.daemon {
        Informant::Silent { .. } => {
            "Tenants are what the daemon's policies name: without it there are none to show.".to_owned()
        }
        Informant::Recorded { .. } if model.tenants.is_empty() => "There was no target then.".to_owned(),
        Informant::Answers { .. } if model.tenants.is_empty() => {
            "No cgroup matches a policy: `lowtide check` shows the policies.".to_owned()
        }
        Informant::Answers { .. } | Informant::Recorded { .. } => {
            format!("No tenant's path contains `{}`.", name(&screen.filter))
        }
    };
    wrap(&told, paper.width).into_iter().map(Line::raw).collect()
}

/// The columns of the kinds that this host has.
fn kinds(model: &Model) -> Vec<TierKind> {
    let holds = |kind: &TierKind| model.tiers.iter().any(|tier| tier.kind == *kind);
    TierKind::ALL.into_iter().filter(holds).collect()
}

const fn heading(kind: TierKind) -> &'static str {
    match kind {
        TierKind::Node => "NODE",
        TierKind::Zswap => "ZSWAP",
        TierKind::Zram => "ZRAM",
        TierKind::Disk => "DISK",
    }
}

fn table(model: &Model, tenants: &[&Tenant], marked: Option<usize>) -> Table {
    let column = |heading, width, dispensable| Column { heading, width, dispensable };
    let kinds = kinds(model);
    let mut columns = vec![
        column("DRAM", 9, 0),
        column("WORKING SET", 20, 4),
        column("COLD", 9, 3),
        column("OFFLOADED", 9, 0),
    ];
    columns.extend(kinds.iter().map(|kind| column(heading(*kind), 9, 9)));
    columns.extend([
        column("NET SAVED", 9, 6),
        column("PRESSURE", 8, 1),
        column("IO", 8, 8),
        column("REFAULTS", 11, 2),
        column("BACK/MIN", 8, 5),
        column("PRICE", 5, 7),
    ]);
    let rows =
        tenants.iter().enumerate().map(|(index, tenant)| row(tenant, &kinds, marked.map(|row| row == index)));
    // The mark is a sign too, for terminals that show no reversed text.
    let name = if marked.is_some() { "  CGROUP" } else { "CGROUP" };
    Table { name, columns, remark: "DECISION", rows: rows.collect() }
}

fn row(tenant: &Tenant, kinds: &[TierKind], marked: Option<bool>) -> Row {
    let sign = marked.map_or("", |marked| if marked { "> " } else { "  " });
    let stalls = |pressure: Option<Ratio>| {
        Cell::from(share(pressure)).warn(pressure.is_some_and(|share| share > STALLS))
    };
    let on =
        |kind: &TierKind| Cell::from(tenant.by_tier.get(kind).copied().unwrap_or(Bytes::ZERO).to_string());
    let mut cells: Vec<Cell> = vec![
        tenant.dram.to_string().into(),
        working_set(tenant.working_set).into(),
        size(tenant.cold).into(),
        tenant.offloaded.to_string().into(),
    ];
    cells.extend(kinds.iter().map(on));
    cells.extend([
        tenant.net_saved.to_string().into(),
        stalls(tenant.memory_pressure),
        stalls(tenant.io_pressure),
        rate(tenant.refaulted_per_second).into(),
        share(tenant.back_per_minute).into(),
        percent(tenant.price).into(),
    ]);
    Row {
        name: format!("{sign}{}", name(&tenant.path)),
        cells,
        remark: decision(&tenant.decision),
        mood: if marked == Some(true) { Mood::Marked } else { Mood::Usual },
    }
}

/// `120MiB ±5MiB`.
pub(super) fn working_set(set: Option<WorkingSet>) -> String {
    match set {
        None => UNKNOWN.to_owned(),
        Some(WorkingSet { size, error: None }) => size.to_string(),
        Some(WorkingSet { size, error: Some(error) }) => format!("{size} ±{error}"),
    }
}

/// `reclaim 12MiB (headroom)`.
pub(super) fn decision(decision: &Decision) -> String {
    let amount = decision.amount.map(|amount| format!(" {amount}")).unwrap_or_default();
    let narrowed = decision.file_only.as_deref().map(|why| format!(", page cache only: {}", name(why)));
    format!("{}{amount} ({}{})", decision.action, name(&decision.reason), narrowed.unwrap_or_default())
}
