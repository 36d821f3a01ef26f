//! What a running daemon tells, on a captured tree.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;
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

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// From a configuration that asks for it to the daemon's end, through a reload that puts other settings back.
#[test]
fn the_watermarks_are_adapted_shown_and_put_back() {
    let mut live = Live::new();
    let knob = live.root().join("proc/sys/vm/watermark_scale_factor");
    fs::create_dir_all(knob.parent().unwrap()).unwrap();
    fs::write(&knob, "12\n").unwrap();
    let factor = || fs::read_to_string(&knob).unwrap().trim().to_owned();
    let configure = |more: &str| {
        let text = fs::read_to_string(live.config()).unwrap();
        fs::write(live.config(), format!("{text}{more}\n")).unwrap();
    };
    let status = || live.json(&["status", "--json"]);
    assert_eq!(status()["watermarks"], Value::Null);
    configure("watermarks: { adapt: true, available_loss: 20% }");
    until("it looks twice", || status()["watermarks"]["reason"] == "enough");

    let vmstat = live.root().join("proc/vmstat");
    let text = fs::read_to_string(&vmstat).unwrap();
    let stalled = |line: &str| match line.split_once(' ') {
        Some(("allocstall_movable", _)) => "allocstall_movable 500\n".to_owned(),
        _ => format!("{line}\n"),
    };
    fs::write(&vmstat, text.lines().map(stalled).collect::<String>()).unwrap();
    until("it is raised", || factor() != "12");
    until("it is shown", || status()["watermarks"]["reason"] == "protected");
    let raised = factor();
    against_schema("status", &status());
    let told = live.told(&["status"]);
    assert!(
        told.contains(&format!("watermarks: vm.watermark_scale_factor {raised} (found with 12")),
        "{told}"
    );

    configure("tiers: { zswap: { max_pool_percent: 33 } }");
    let percent = live.root().join("sys/module/zswap/parameters/max_pool_percent");
    until("the tiers are set", || fs::read_to_string(&percent).unwrap().trim() == "33");
    assert_eq!(factor(), raised, "held");
    live.end();
    assert_eq!(factor(), "12");
}

/// What needs a minute of pressure is in the controllers' own tests.
#[test]
fn treatments_are_shown_and_their_settings_put_back() {
    let mut live = Live::new();
    let put = |path: &str, text: &str| {
        let path = live.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for (file, text) in [
        ("ksm/run", "0\n"),
        ("ksm/advisor_mode", "none\n"),
        ("ksm/pages_to_scan", "100\n"),
        ("ksm/general_profit", "-64\n"),
        ("ksm/full_scans", "0\n"),
        ("transparent_hugepage/enabled", "always [madvise] never\n"),
        ("transparent_hugepage/defrag", "always defer defer+madvise [madvise] never\n"),
    ] {
        put(&format!("sys/kernel/mm/{file}"), text);
    }
    put("proc/sys/vm/page-cluster", "3\n");
    put("proc/buddyinfo", "Node 0, zone Normal 9 9 9 9 9 9 9 9 9 9 9\n");
    let run = live.root().join("sys/kernel/mm/ksm/run");
    let runs = || fs::read_to_string(&run).unwrap().trim().to_owned();
    assert_eq!(live.json(&["status", "--json"])["treatments"], Value::Null);
    let text = fs::read_to_string(live.config()).unwrap();
    let all = "{ compaction: true, dying_cgroups: true, ksm: advisor, thp_defrag: defer+madvise, page_cluster: true }";
    fs::write(live.config(), format!("{text}treatments: {all}\n")).unwrap();
    until("KSM runs", || runs() == "1");
    let status = || live.json(&["status", "--json"]);
    until("it is shown", || status()["treatments"]["compaction"]["reason"] == "not_fragmented");
    let shown = status();
    against_schema("status", &shown);
    assert_eq!(shown["problems"], Value::Array(Vec::new()));
    let reason = |treatment: &str| shown["treatments"][treatment]["reason"].as_str().unwrap().to_owned();
    assert_eq!(
        ["dying_cgroups", "ksm", "thp_defrag", "page_cluster"].map(reason),
        ["few_dying", "merging", "faults_do_not_compact", "compressed_first"]
    );
    let told = live.told(&["status"]);
    for line in [
        "compaction: ",
        "dying cgroups: 0 beside ",
        "KSM: profit -64B, ",
        "huge pages: defrag is madvise",
        "swap-ins: vm.page-cluster is 0",
    ] {
        assert!(told.lines().any(|told| told.starts_with(line)), "{line}: {told}");
    }
    live.end();
    assert_eq!(runs(), "0");
}

#[test]
fn explain_tells_the_number_of_a_reason() {
    let told = Live::new().told(&["explain", "/web/api"]);
    let mut lines = told.lines();
    let name = lines.next().unwrap().rsplit(['(', ')']).nth(1).unwrap().to_owned();
    let reason = lowtide_core::Reason::ALL.iter().find(|reason| reason.name() == name).unwrap();
    assert_eq!(lines.next().unwrap(), format!("  reason {}: {}", reason.number(), reason.sentence()));
}

/// Without a daemon, from what it left.
#[test]
fn the_history_tells_what_was_when_the_daemon_is_gone() {
    let mut live = Live::new();
    std::thread::sleep(Duration::from_secs(3));
    live.end();
    assert!(!live.lowtide(&["status"]).status.success());
    let explain = ["explain", "/web/api", "--at", "1s ago", "--json"];
    let report = ["report", "--since", "-1h", "--json"];
    let top = ["top", "--at", "1s ago", "--json"];
    for (name, arguments) in [("explain_at", &explain[..]), ("report_since", &report), ("top", &top)] {
        against_schema(name, &live.json(arguments));
    }
    // It was in `observe`: what is in the captured swap is somebody else's.
    let told = live.json(&report);
    assert_eq!((&told["gib_hours"]["offloaded"], &told["version"]), (&Value::from(0.0), &Value::from(1)));
    assert!(told["gib_hours"]["by_others"].as_f64().unwrap() > 0.0, "{told}");
    assert_eq!(told["cgroups"].as_array().unwrap().len(), 3);
    let then = live.told(&explain[..4]);
    assert!(then.starts_with("/web/api (policy web), ") && then.contains("  hold; reason "), "{then}");
    let screen = live.told(&["top", "--at", "1s ago", "api"]);
    assert!(screen.contains("from the history, of ") && screen.contains(": 3 tenants"), "{screen}");
    assert!(screen.contains("/web/api") && !screen.contains("/web/db"), "{screen}");
    assert_eq!(live.told(&["top", "--at", "1s ago", "--view", "tiers"]).matches("/dev/zram0").count(), 1);
    let page = live.root().join("report.html");
    assert_eq!(live.told(&["report", "--html", page.to_str().unwrap()]), "");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<td>/web/api</td>"), "{page}");
    let page = live.told(&["report", "--since", "-1h", "--html", "-"]);
    assert_eq!(page.matches("<svg").count(), 2, "host and tier");
    for key in ["offloaded", "resident", "own", "net", "by_others"] {
        let figure = format!("<td>{:.3}</td>", told["gib_hours"][key].as_f64().unwrap());
        assert!(page.contains(&figure), "{key}: {figure}");
    }
}

#[test]
fn what_the_history_cannot_tell_is_said() {
    let mut live = Live::new();
    std::thread::sleep(Duration::from_secs(2));
    live.end();
    let complaint = |arguments: &[&str]| {
        let output = live.lowtide(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (arguments, expected) in [
        (&["explain", "/web/api", "--at", "noon"][..], "`noon` is no time: write 03:00"),
        (&["explain", "/web/api", "--at", "2999-01-01"], "is to come"),
        (&["explain", "/web/api", "--at", "5d ago"], "no daemon kept watch at"),
        (&["top", "--at", "5d ago"], "no daemon kept watch at"),
        (&["top", "--at", "1s ago", "--state-dir", "/nowhere"], "/nowhere/history: there is no history"),
        (&["explain", "/web/ap", "--at", "1s ago"], "targets like it: /web/api"),
        (&["report", "--since", "1h ago", "--until", "2h ago"], "before it begins"),
        (
            &["report", "--since", "1h ago", "--state-dir", "/nowhere"],
            "/nowhere/history: there is no history",
        ),
    ] {
        let told = complaint(arguments);
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
    let lost = live.lowtide(&["report", "--html", "/dev/full"]);
    assert_eq!(lost.status.code(), Some(74), "{}", String::from_utf8_lossy(&lost.stderr));
}
