//! docs/metrics.md has every metric of the page with its labels, and lists no other as being there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

const CODE: &str = concat!(include_str!("../src/metrics.rs"), include_str!("../src/metrics/tenants.rs"));
const DOCS: &str = include_str!("../../../docs/metrics.md");

/// Words `lowtide_…` that stand between two `quote`s.
fn names(text: &str, quote: char) -> BTreeSet<&str> {
    text.split(quote)
        .filter(|word| word.starts_with("lowtide_") && word.chars().all(part_of_a_name))
        .collect()
}

fn part_of_a_name(c: char) -> bool {
    c.is_ascii_lowercase() || c == '_'
}

/// The first cell of each line of the tables.
fn documented(text: &str) -> BTreeSet<&str> {
    let rows = text.lines().filter(|line| line.starts_with("| `lowtide_"));
    rows.map(|line| line.split('`').nth(1).unwrap()).collect()
}

#[test]
fn every_metric_is_documented_and_no_other() {
    let in_code = names(CODE, '"');
    assert!(in_code.len() >= 15, "{in_code:?}");
    let (there, later) = DOCS.split_once("\n## Not there yet\n").unwrap();
    assert_eq!(documented(there), in_code, "docs/metrics.md, in its tables");
    let both: Vec<_> = names(later, '`').intersection(&in_code).copied().collect();
    assert!(both.is_empty(), "{both:?} are there now: docs/metrics.md says not yet");
}

#[test]
fn queries_name_metrics_that_exist() {
    let in_code = names(CODE, '"');
    let words = DOCS.split("```promql").skip(1).flat_map(|block| {
        block
            .split("```")
            .next()
            .unwrap()
            .split(|c: char| !part_of_a_name(c))
            .filter(|w| w.starts_with("lowtide_"))
    });
    let unknown: Vec<_> = words.filter(|word| !in_code.contains(word)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
