//! The operator's table of reasons has every reason, under its number and name, and no other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lowtide_core::{Reason, balancer, treatments, watermarks};

const DOCS: &str = include_str!("../../../docs/how-it-decides.md");
const BALANCER: &str = include_str!("../../../docs/balancer.md");
const WATERMARKS: &str = include_str!("../../../docs/watermarks.md");
const TREATMENTS: &str = include_str!("../../../docs/treatments.md");

/// A line of the table: `| 4 | `name` | meaning | what to do |`.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    number: u8,
    name: &'a str,
    told: usize,
}

fn row(line: &str) -> Option<Row<'_>> {
    let [number, name, told @ ..] =
        &line.strip_prefix('|')?.split('|').map(str::trim).collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let name = name.strip_prefix('`')?.strip_suffix('`')?;
    Some(Row {
        number: number.parse().ok()?,
        name,
        told: told.iter().filter(|cell| !cell.is_empty()).count(),
    })
}

#[test]
fn the_table_has_every_reason_and_no_other() {
    let section = DOCS.split_once("\n## Reasons\n").unwrap().1;
    let rows: Vec<_> = section.lines().filter_map(row).collect();
    let reasons: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| Row { number: *reason as u8, name: reason.name(), told: 2 })
        .collect();
    assert_eq!(rows, reasons, "docs/how-it-decides.md: a meaning and what to do for each, in order");
}

#[test]
fn so_has_the_balancers() {
    let section = BALANCER.split_once("\n## Reasons\n").unwrap().1;
    let rows: Vec<_> = section.lines().filter_map(row).collect();
    let reasons: Vec<_> = balancer::Reason::ALL
        .iter()
        .map(|reason| Row { number: *reason as u8, name: reason.name(), told: 2 })
        .collect();
    assert_eq!(rows, reasons, "docs/balancer.md: a meaning and what to do for each, in order");
}

#[test]
fn so_have_the_watermarks() {
    let section = WATERMARKS.split_once("\n## Reasons\n").unwrap().1;
    let rows: Vec<_> = section.lines().filter_map(row).collect();
    let reasons: Vec<_> = watermarks::Reason::ALL
        .iter()
        .map(|reason| Row { number: *reason as u8, name: reason.name(), told: 2 })
        .collect();
    assert_eq!(rows, reasons, "docs/watermarks.md: a meaning and what to do for each, in order");
}

#[test]
fn so_have_the_treatments() {
    let section = TREATMENTS.split_once("\n## Reasons\n").unwrap().1;
    let rows: Vec<_> = section.lines().filter_map(row).collect();
    let reasons: Vec<_> = treatments::Reason::ALL
        .iter()
        .map(|reason| Row { number: *reason as u8, name: reason.name(), told: 2 })
        .collect();
    assert_eq!(rows, reasons, "docs/treatments.md: a meaning and what to do for each, in order");
}
