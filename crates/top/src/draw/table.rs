use ratatui::text::{Line, Span};

use super::{
    Mood, Paper,
    words::{cut, pad, shorten, width},
};

/// Between two columns.
const GAP: usize = 2;
/// A name, or a remark, is not made shorter than this as long as there is a column that can go.
const LEAST: usize = 24;

/// A column of figures, set right.
pub(super) struct Column {
    pub(super) heading: &'static str,
    /// In columns of the terminal.
    pub(super) width: usize,
    /// What goes first where there is no room is greatest; `0` always stays.
    pub(super) dispensable: u8,
}

/// A figure.
#[derive(Clone)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) mood: Mood,
}

/// What it is about, its figures, and a remark at the end.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) cells: Vec<Cell>,
    pub(super) remark: String,
    pub(super) mood: Mood,
}

/// A table that fits its paper: of the least telling columns the first go, then names are shortened in their
/// middle.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) remark: &'static str,
    pub(super) rows: Vec<Row>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, mood: Mood::Usual }
    }
}

impl Cell {
    /// With a warning where that is called for.
    pub(super) fn warn(mut self, is_bad: bool) -> Self {
        if is_bad {
            self.mood = Mood::Warning;
        }
        self
    }
}

/// Where everything stands.
struct Fit {
    shown: Vec<usize>,
    name: usize,
    remark: usize,
}

impl Table {
    /// The heading and a line for each row.
    pub(super) fn lines(&self, paper: Paper) -> Vec<Line<'static>> {
        let fit = self.fit(paper.width);
        let cells =
            self.columns.iter().map(|column| Cell { text: column.heading.to_owned(), mood: Mood::Heading });
        let head = Row {
            name: self.name.to_owned(),
            cells: cells.collect(),
            remark: self.remark.to_owned(),
            mood: Mood::Heading,
        };
        std::iter::once(&head).chain(&self.rows).map(|row| self.line(row, &fit, paper)).collect()
    }

    fn line(&self, row: &Row, fit: &Fit, paper: Paper) -> Line<'static> {
        // What marks a row marks all of it.
        let style = |mood| paper.style(if row.mood == Mood::Usual { mood } else { row.mood });
        let mut spans =
            vec![Span::styled(pad(&shorten(&row.name, fit.name), fit.name, false), style(Mood::Usual))];
        for index in &fit.shown {
            let (Some(cell), columns) = (row.cells.get(*index), self.width(*index)) else { continue };
            spans.push(Span::styled(" ".repeat(GAP), style(Mood::Usual)));
            spans.push(Span::styled(pad(&cut(&cell.text, columns), columns, true), style(cell.mood)));
        }
        if fit.remark > GAP {
            let remark = cut(&row.remark, fit.remark - GAP);
            spans.push(Span::styled(" ".repeat(GAP) + &remark, style(Mood::Usual)));
        }
        Line::from(spans)
    }

    fn width(&self, column: usize) -> usize {
        self.columns.get(column).map_or(0, |column| column.width.max(width(column.heading)))
    }

    /// Takes columns away until name and remark have room.
    fn fit(&self, columns: usize) -> Fit {
        let longest = |head: &str, of: fn(&Row) -> &String| {
            self.rows.iter().map(|row| width(of(row))).max().unwrap_or_default().max(width(head))
        };
        let names = longest(self.name, |row| &row.name);
        let remarks = longest(self.remark, |row| &row.remark);
        let remarks = if remarks == 0 { 0 } else { remarks + GAP };
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        loop {
            let figures: usize = shown.iter().map(|index| self.width(*index) + GAP).sum();
            let room = columns.saturating_sub(figures);
            let least = names.min(LEAST) + remarks.min(LEAST + GAP);
            let first = shown.iter().copied().max_by_key(|index| self.columns[*index].dispensable);
            match first.filter(|index| self.columns[*index].dispensable > 0) {
                Some(index) if room < least => shown.retain(|kept| *kept != index),
                _ => {
                    let name = names.min(room.saturating_sub(remarks.min(LEAST + GAP)).max(room / 2));
                    return Fit { shown, name, remark: remarks.min(room - name) };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(name: &str, remark: &str) -> Table {
        let column = |heading, dispensable| Column { heading, width: 9, dispensable };
        let row = |name: &str| Row {
            name: name.to_owned(),
            cells: vec![
                Cell::from("1".to_owned()),
                Cell::from("22".to_owned()),
                Cell::from("333".to_owned()),
            ],
            remark: remark.to_owned(),
            mood: Mood::Usual,
        };
        Table {
            name: "CGROUP",
            columns: vec![column("DRAM", 0), column("WORKING SET", 2), column("PRICE", 1)],
            remark: if remark.is_empty() { "" } else { "DECISION" },
            rows: vec![row(name), row("/a")],
        }
    }

    fn drawn(table: &Table, width: usize) -> Vec<String> {
        table.lines(Paper { width, colours: false }).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_tells_least_goes_first() {
        let table =
            table("/kubepods.slice/kubepods-burstable.slice/pod0123.slice/web.scope", "hold (nothing_cold)");
        assert!(drawn(&table, 80)[0].contains("WORKING SET"));
        let narrow = drawn(&table, 75);
        assert!(narrow[0].contains("PRICE") && !narrow[0].contains("WORKING SET"), "{narrow:?}");
        assert!(narrow[1].contains('…') && narrow[1].contains("web.scope"), "{narrow:?}");
        assert!(drawn(&table, 150)[1].contains("burstable"), "wide ones have the whole name");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_paper(name in "(/[a-z日]{1,20}){1,8}", remark in "[a-z (]{0,60}", width in 60_usize..=250) {
            for line in drawn(&table(&name, &remark), width) {
                prop_assert!(super::width(&line) <= width, "{}", line);
            }
        }
    }
}
