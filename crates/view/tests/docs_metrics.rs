//! docs/metrics.md has every metric of the page with its labels, and lists no other as being there;
//! dashboards and alerts use no other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

const CODE: &str = concat!(
    include_str!("../src/metrics.rs"),
    include_str!("../src/metrics/process.rs"),
    include_str!("../src/metrics/rest.rs"),
    include_str!("../src/metrics/tenants.rs"),
    include_str!("../src/metrics/treatments.rs"),
    include_str!("../src/metrics/watermarks.rs")
);
const DOCS: &str = include_str!("../../../docs/metrics.md");
const RULES: &str = include_str!("../../../packaging/prometheus/lowtide.rules.yml");
const RULES_TEST: &str = include_str!("../../../packaging/prometheus/lowtide.test.yml");
const ALERTS_PAGE: &str = include_str!("../../../docs/alerts.md");

/// What names of metrics begin with: lowtide's own, and those that every exporter has.
const PREFIXES: [&str; 2] = ["lowtide_", "process_"];

fn is_name(word: &str) -> bool {
    PREFIXES.iter().any(|prefix| word.starts_with(prefix)) && word.chars().all(part_of_a_name)
}

/// Names of metrics that stand between two `quote`s.
fn names(text: &str, quote: char) -> BTreeSet<&str> {
    text.split(quote).filter(|word| is_name(word)).collect()
}

fn part_of_a_name(c: char) -> bool {
    c.is_ascii_lowercase() || c == '_'
}

/// The first cell of each line of the tables.
fn documented(text: &str) -> BTreeSet<&str> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.split('`').nth(1).unwrap()).filter(|word| is_name(word)).collect()
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

/// Names of metrics in a text, wherever they stand.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !part_of_a_name(c)).filter(|word| is_name(word))
}

#[test]
fn queries_name_metrics_that_exist() {
    let in_code = names(CODE, '"');
    let blocks = DOCS.split("```promql").skip(1);
    let words = blocks.flat_map(|block| words(block.split("```").next().unwrap()));
    let unknown: Vec<_> = words.filter(|word| !in_code.contains(word)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// All text values of a JSON document under one key.
fn under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get(key).and_then(Value::as_str));
            map.values().for_each(|value| under(value, key, found));
        }
        Value::Array(values) => values.iter().for_each(|value| under(value, key, found)),
        _ => {}
    }
}

#[test]
fn dashboards_name_metrics_that_exist() {
    let in_code = names(CODE, '"');
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/grafana");
    let mut uids = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let board: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let panels = board["panels"].as_array().unwrap();
        assert!(panels.len() >= 5, "{}", path.display());
        for panel in panels {
            let mut queries = Vec::new();
            under(panel, "expr", &mut queries);
            assert!(!queries.is_empty(), "{}: {} asks for nothing", path.display(), panel["title"]);
        }
        let mut queries = Vec::new();
        for key in ["expr", "query", "definition"] {
            under(&board, key, &mut queries);
        }
        let unknown: Vec<_> =
            queries.iter().flat_map(|query| words(query)).filter(|word| !in_code.contains(word)).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
        uids.insert(board["uid"].as_str().unwrap().to_owned());
    }
    assert_eq!(uids.len(), 4, "host, tenant, tiers, savings, each with its own uid: {uids:?}");
}

#[test]
fn alerts_name_metrics_that_exist() {
    let in_code = names(CODE, '"');
    for text in [RULES, RULES_TEST] {
        let found: BTreeSet<_> = words(text).collect();
        assert!(found.len() >= 5, "{found:?}");
        let unknown: Vec<_> = found.difference(&in_code).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
    let alerts: Vec<_> = RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 5, "{alerts:?}");
    for alert in alerts {
        let tested = RULES_TEST.split(&format!("alertname: {alert}\n")).nth(1);
        assert!(
            tested.is_some_and(|rest| rest.trim_start().starts_with("exp_alerts:\n")),
            "{alert} is not seen to fire"
        );
        assert!(ALERTS_PAGE.contains(&format!("`{alert}`")), "docs/alerts.md has no {alert}");
    }
}
