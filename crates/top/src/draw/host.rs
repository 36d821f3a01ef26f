use lowtide_core::{Bytes, Ratio};
use ratatui::text::Line;

use super::{
    Mood, Paper,
    table::{Cell, Column, Row, Table},
    words::{beside, change, name, rate, share, size, times},
};
use crate::model::{Counted, Event, Fill, Host};

/// Two blocks beside one another from this width on.
const BESIDE: usize = 120;
const LEFT: usize = 52;
/// From here on stall is worth a look.
const STALLS: Ratio = Ratio::percent(1.0);
/// From here on a kswapd that works is a reason for one that lags.
const BUSY: Ratio = Ratio::percent(50.0);

/// Counters that are a sign of distress as soon as they move.
const DISTRESS: [&str; 4] = ["allocstall", "pgscan_direct_throttle", "compact_stall", "oom_kill"];

/// Memory, pressure, reclaim, other counters, zones.
pub(super) fn lines(host: &Host, paper: Paper) -> Vec<Line<'static>> {
    let zones = zones(host).lines(paper);
    if paper.width < BESIDE {
        let tables = [memory(host), pressure(host), reclaim(host), kswapds(host), events(host)];
        let blocks = tables.iter().map(|table| table.lines(paper)).chain([zones]);
        return stacked(&blocks.collect::<Vec<_>>());
    }
    let (left, right) = (Paper { width: LEFT - 4, ..paper }, Paper { width: paper.width - LEFT, ..paper });
    let narrow = [memory(host), pressure(host), kswapds(host)].map(|table| table.lines(left));
    let wide = [reclaim(host), events(host)].map(|table| table.lines(right));
    stacked(&[beside(stacked(&narrow), LEFT, stacked(&wide)), zones])
}

/// With an empty line between them.
fn stacked(blocks: &[Vec<Line<'static>>]) -> Vec<Line<'static>> {
    blocks.join(&Line::default())
}

const fn column(heading: &'static str, width: usize, dispensable: u8) -> Column {
    Column { heading, width, dispensable }
}

fn row(name: impl Into<String>, cells: Vec<Cell>) -> Row {
    Row { name: name.into(), cells, remark: String::new(), mood: Mood::Usual }
}

fn table(name: &'static str, columns: Vec<Column>, rows: Vec<Row>) -> Table {
    Table { name, columns, remark: "", rows }
}

fn memory(host: &Host) -> Table {
    let rows = host
        .memory
        .iter()
        .map(|line| row(line.name, vec![line.bytes.to_string().into(), change(line.change).into()]));
    table("MEMORY        ", vec![column("SIZE", 9, 0), column("CHANGE", 13, 0)], rows.collect())
}

fn pressure(host: &Host) -> Table {
    let stalls = |pressure: Option<Ratio>| {
        Cell::from(share(pressure)).warn(pressure.is_some_and(|share| share > STALLS))
    };
    let rows =
        host.pressure.iter().map(|line| row(line.resource, vec![stalls(line.some), stalls(line.full)]));
    table("PRESSURE      ", vec![column("SOME", 9, 0), column("FULL", 13, 0)], rows.collect())
}

fn kswapds(host: &Host) -> Table {
    let busy = |cpu: Option<Ratio>| Cell::from(share(cpu)).warn(cpu.is_some_and(|share| share > BUSY));
    let each = host.kswapds.iter().map(|thread| {
        row(format!("kswapd{}", thread.node), vec![busy(thread.cpu), thread.pid.to_string().into()])
    });
    let mut rows: Vec<_> = each.collect();
    if rows.is_empty() {
        rows.push(row("not in this /proc", vec![]));
    }
    table("KSWAPD        ", vec![column("CPU", 9, 0), column("PID", 13, 0)], rows)
}

fn reclaim(host: &Host) -> Table {
    let total = |counted: Counted| Cell::from(Bytes::new(counted.total).to_string());
    let rows = host.reclaim.iter().map(|line| {
        // Whoever allocates waits for it.
        let waits = line.by == "direct" && line.scanned.per_second.is_some_and(|rate| rate > 0.0);
        let cells = vec![
            Cell::from(rate(line.scanned.per_second)).warn(waits),
            Cell::from(rate(line.stolen.per_second)).warn(waits),
            share(line.efficiency).into(),
            total(line.scanned),
            total(line.stolen),
        ];
        row(line.by, cells)
    });
    let columns = vec![
        column("PGSCAN", 13, 0),
        column("PGSTEAL", 13, 0),
        column("STEAL/SCAN", 10, 0),
        column("SCANNED", 9, 2),
        column("STOLEN", 9, 1),
    ];
    table("RECLAIM  ", columns, rows.collect())
}

fn events(host: &Host) -> Table {
    let rows = host.events.iter().map(|event| {
        let Event { name, is_size, counted } = event;
        let (now, total) = match is_size {
            true => (rate(counted.per_second), Bytes::new(counted.total).to_string()),
            false => (times(counted.per_second), counted.total.to_string()),
        };
        let bad = DISTRESS.contains(name) && counted.per_second.is_some_and(|rate| rate > 0.0);
        row(*name, vec![Cell::from(now).warn(bad), total.into()])
    });
    table("VMSTAT", vec![column("A SECOND", 13, 0), column("SINCE BOOT", 12, 0)], rows.collect())
}

fn zones(host: &Host) -> Table {
    let rows = host.zones.iter().map(|zone| {
        let (fill, mood) = match zone.fill {
            None => ("", Mood::Usual),
            Some(Fill::AboveHigh) => ("above high", Mood::Usual),
            Some(Fill::BelowHigh) => ("below high", Mood::Usual),
            Some(Fill::BelowLow) => ("below low: kswapd works", Mood::Warning),
            Some(Fill::BelowMin) => ("below min: tasks reclaim", Mood::Alarm),
        };
        let cells = vec![
            Cell { text: size(zone.free), mood },
            change(zone.change).into(),
            size(zone.min).into(),
            size(zone.low).into(),
            size(zone.high).into(),
            zone.managed.to_string().into(),
        ];
        let zone_name = format!("node {} {}", zone.node, name(&zone.name));
        Row { name: zone_name, cells, remark: fill.to_owned(), mood: Mood::Usual }
    });
    let columns = vec![
        column("FREE", 9, 0),
        column("CHANGE", 13, 2),
        column("MIN", 9, 1),
        column("LOW", 9, 0),
        column("HIGH", 9, 0),
        column("MANAGED", 9, 3),
    ];
    Table { name: "ZONE", columns, remark: "FREE IS", rows: rows.collect() }
}
