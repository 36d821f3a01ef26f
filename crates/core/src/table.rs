//! A table that fits a terminal: of the least telling columns the first go, then paths are shortened in their
//! middle.

use std::fmt::Write;

/// A column of figures, set right.
pub struct Column {
    /// Over it.
    pub heading: &'static str,
    /// In characters.
    pub width: usize,
    /// What goes first where there is no room; `0` always stays.
    pub dispensable: u8,
}

/// A row: what it is about, its figures, and a remark at the end.
pub struct Row {
    /// What it is about.
    pub name: String,
    /// One for each column.
    pub figures: Vec<String>,
    /// Nothing, most of the time.
    pub remark: String,
}

impl Row {
    /// The headings.
    #[must_use]
    pub fn head(name: &str, columns: &[Column], remark: &str) -> Self {
        let figures = columns.iter().map(|column| column.heading.to_owned()).collect();
        Self { name: name.to_owned(), figures, remark: remark.to_owned() }
    }
}

/// Names are shown in full up to this length where nobody says how wide the terminal is.
const NAMES: usize = 60;
/// A shorter rest of a name, or of a remark, tells nothing.
const LEAST: usize = 20;
const LEAST_HEADING: usize = 6;
/// No terminal is wider. A client says how wide its own is, and what fills a name up to its column panics
/// beyond 65 535.
const WIDEST: usize = 4096;
/// Between the figures, and around them.
const GAP: usize = 1;
const MARGIN: usize = 2;

/// Draws the table, no line of it wider than `terminal` characters.
pub fn draw(text: &mut String, head: &Row, columns: &[Column], rows: &[Row], terminal: Option<usize>) {
    let longest = |of: fn(&Row) -> &String, head: usize| {
        rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0).max(head)
    };
    let names = longest(|row| &row.name, LEAST_HEADING);
    let remarks = longest(|row| &row.remark, head.remark.len());
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let terminal = terminal.map(|width| width.min(WIDEST));
    let (name, remark) = match terminal {
        None => (names.min(NAMES), None),
        Some(terminal) => {
            let (name, remark) = fit(columns, &mut shown, terminal, names, remarks);
            (name, Some(remark))
        }
    };
    for row in std::iter::once(head).chain(rows) {
        let path = if terminal.is_some() { shortened(&row.name, name) } else { row.name.clone() };
        let _ = write!(text, "{path:name$} ");
        for index in &shown {
            let (column, figure) = (&columns[*index], &row.figures[*index]);
            let _ = write!(text, " {figure:>width$}", width = column.width);
        }
        let remark = remark.map_or_else(|| row.remark.clone(), |width| cut(&row.remark, width));
        let _ = write!(text, "  {remark}");
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}

/// Takes columns away until name and remark have room; the widths of both.
fn fit(
    columns: &[Column],
    shown: &mut Vec<usize>,
    terminal: usize,
    names: usize,
    remarks: usize,
) -> (usize, usize) {
    loop {
        let figures: usize = shown.iter().map(|index| columns[*index].width + GAP).sum();
        let room = terminal.saturating_sub(figures + GAP + MARGIN);
        let name = names.min(room.saturating_sub(remarks.min(LEAST)).max(LEAST));
        let most = shown.iter().copied().max_by_key(|index| columns[*index].dispensable);
        let first = most.filter(|index| columns[*index].dispensable > 0);
        match first {
            Some(index) if room < names.min(LEAST) + remarks.min(LEAST) => {
                shown.retain(|kept| *kept != index);
            }
            _ => return (name, room.saturating_sub(name)),
        }
    }
}

/// `text` in at most `width` characters: of a path the end tells more than the middle.
fn shortened(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let end = width.saturating_sub(1) * 2 / 3;
    let begin = width.saturating_sub(1).saturating_sub(end);
    let first = text.chars().take(begin);
    first.chain(std::iter::once('…')).chain(text.chars().skip(count - end)).collect()
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(std::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column { heading: "DRAM", width: 9, dispensable: 0 },
        Column { heading: "WORKING SET", width: 11, dispensable: 2 },
        Column { heading: "PRICE", width: 6, dispensable: 1 },
    ];

    fn row(name: &str, remark: &str) -> Row {
        let figures = COLUMNS.iter().map(|column| column.heading.to_owned()).collect();
        Row { name: name.to_owned(), figures, remark: remark.to_owned() }
    }

    fn drawn(terminal: Option<usize>) -> String {
        let mut text = String::new();
        let long = row(
            "/kubepods.slice/kubepods-burstable.slice/pod0123456789.slice/web.scope",
            "hold (nothing_cold)",
        );
        draw(&mut text, &row("CGROUP", "DECISION"), COLUMNS, &[long, row("/a", "hold (floor)")], terminal);
        text
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in 40..200 {
            for line in drawn(Some(width)).lines() {
                assert!(line.chars().count() <= width.max(56), "{width}: {line}");
            }
        }
        assert!(drawn(Some(80)).lines().all(|line| line.chars().count() <= 80), "{}", drawn(Some(80)));
    }

    /// Kind 5: a tenant may nest a thousand cgroups with names of 255 bytes, and who asks says how wide the
    /// terminal is.
    #[test]
    fn a_path_may_be_longer_than_any_line() {
        let (path, mut text) = (format!("/{}", "d".repeat(1 << 17)), String::new());
        draw(&mut text, &row("CGROUP", "DECISION"), COLUMNS, &[row(&path, "hold")], Some(usize::MAX));
        assert!(text.contains("…ddd"));
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn what_tells_least_goes_first() {
        assert!(
            drawn(Some(60)).contains("PRICE") && !drawn(Some(60)).contains("WORKING SET"),
            "{}",
            drawn(Some(60))
        );
        assert!(
            !drawn(Some(50)).contains("PRICE") && drawn(Some(50)).contains("DRAM"),
            "{}",
            drawn(Some(50))
        );
        assert!(
            drawn(Some(80)).contains("…") && drawn(Some(80)).contains("web.scope"),
            "{}",
            drawn(Some(80))
        );
        assert!(
            drawn(None).contains("/kubepods.slice/kubepods-burstable.slice/pod0123456789.slice/web.scope  ")
        );
    }
}
