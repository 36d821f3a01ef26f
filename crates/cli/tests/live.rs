//! What a running daemon tells, on a captured tree.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;

use support::{Live, against_schema};

#[test]
fn status_sorts_filters_and_limits() {
    let live = Live::new();
    let current = |path: &str| fs::read_to_string(live.root().join("sys/fs/cgroup").join(path));
    let captured: u64 = current("web/api/memory.current").unwrap().trim().parse().unwrap();
    assert!(captured > 3 << 20, "the captured cgroup is the largest");
    assert_eq!(live.paths(&["--sort", "dram"]), ["/web/api", "/web/b", "/web/c"]);
    assert_eq!(live.paths(&["--sort", "dram", "--top", "1"]), ["/web/api"]);
    assert_eq!(live.paths(&["--sort", "cgroup", "/web/[bc]"]), ["/web/b", "/web/c"]);
    assert_eq!(live.paths(&["c"]), ["/web/c"], "the last name does");
    assert_eq!(live.paths(&["*/c"]), ["/web/c"]);
    assert!(live.paths(&["/web"]).is_empty());
    assert!(live.told(&["status", "--top", "1"]).ends_with("\n1 of 3 cgroups\n"));
    let wrong = live.lowtide(&["status", "/web/["]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("`/web/[` is no pattern"));
}

#[test]
fn the_table_fits_the_terminal() {
    let live = Live::new();
    let told = live.told(&["status"]);
    let table = told.lines().skip_while(|line| !line.starts_with("CGROUP"));
    let table: Vec<_> = table.take_while(|line| !line.is_empty()).collect();
    assert!(table.len() >= 4, "{told}");
    assert!(table.iter().all(|line| line.chars().count() <= 80), "{told}");
}

#[test]
fn json_has_a_version_and_seconds() {
    let live = Live::new();
    for arguments in [&["status", "--json"][..], &["report", "--json"], &["explain", "/web/api", "--json"]] {
        let told = live.json(arguments);
        assert_eq!(told["version"], 1, "{arguments:?}");
        assert!(!told.to_string().contains("\"nanos\""), "{arguments:?}");
    }
    assert!(live.json(&["status", "--json"])["uptime"].is_number());
}

#[test]
fn json_is_what_the_schema_says() {
    let live = Live::new();
    for arguments in [&["status", "--json"][..], &["report", "--json"], &["explain", "/web/api", "--json"]] {
        against_schema(arguments[0], &live.json(arguments));
    }
}

#[test]
fn explain_tells_the_number_of_a_reason() {
    let told = Live::new().told(&["explain", "/web/api"]);
    let mut lines = told.lines();
    let name = lines.next().unwrap().rsplit(['(', ')']).nth(1).unwrap().to_owned();
    let reason = lowtide_core::Reason::ALL.iter().find(|reason| reason.name() == name).unwrap();
    assert_eq!(lines.next().unwrap(), format!("  reason {}: {}", reason.number(), reason.sentence()));
}
