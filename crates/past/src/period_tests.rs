use lowtide_core::Bytes;
use lowtide_history::{Bounds, Group, Host, Minute, Part as Placed, Tenant, TierFill, Writer};

use super::*;
use crate::{html, text};

const T: u64 = 1_700_000_000;

fn tenant(path: &str, offloaded: u64, others: u64) -> Tenant {
    let part = Placed {
        tier: "zram /dev/zram0".into(),
        offloaded: Bytes::mib(offloaded),
        resident: Bytes::mib(offloaded / 4),
        others: Bytes::mib(others),
        others_resident: Bytes::mib(others / 4),
    };
    Tenant {
        path: path.into(),
        policy: "batch".into(),
        turns: 10,
        dram: Bytes::mib(512),
        dram_peak: Bytes::mib(600),
        memory_stall: Some(Duration::from_millis(20)),
        refaulted: Bytes::mib(1),
        written: Bytes::mib(2),
        parts: vec![part],
        ..Tenant::default()
    }
}

fn minute(end: u64, tenants: Vec<Tenant>, stored: u64) -> Minute {
    let tier = TierFill { name: "zram /dev/zram0".into(), stored: Bytes::mib(stored), ..TierFill::default() };
    let host = Host {
        own: Bytes::mib(16),
        reclaim_cpu: Duration::from_millis(30),
        watching_cpu: Duration::from_millis(60),
        tiers: vec![tier],
        ..Host::default()
    };
    Minute { end, watched: Duration::from_mins(1), turns: 10, host, tenants, ..Minute::default() }
}

fn history(minutes: impl Iterator<Item = Minute>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let bounds = Bounds { keep: Duration::from_hours(100 * 24), max_size: Bytes::mib(8) };
    let mut writer = Writer::open(directory.path(), bounds).unwrap();
    for minute in minutes {
        writer.append(&minute).unwrap();
    }
    directory
}

/// Two hours of a GiB, of which a quarter is paid; another cgroup has 256 MiB in swap through others.
fn two_hours() -> tempfile::TempDir {
    history(
        (1..=120).map(|at| minute(T + at * 60, vec![tenant("/web", 1024, 0), tenant("/db", 0, 256)], 1280)),
    )
}

fn price() -> Price {
    Price { dram: 7300.0, currency: "EUR".into() }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[test]
fn two_hours_are_added_up() {
    let history = two_hours();
    let period = Period::read(history.path(), 0..=u64::MAX, Some(&price())).unwrap();
    assert_eq!((period.since, period.until, period.watched), (T, T + 7200, Duration::from_hours(2)));
    let sums = period.gib_hours;
    assert!(near(sums.offloaded, 2.0) && near(sums.resident, 0.5) && near(sums.own, 2.0 / 64.0), "{sums:?}");
    assert!(near(sums.net, 1.5 - 2.0 / 64.0) && near(sums.by_others, 0.5), "{sums:?}");
    assert!(near(period.worth.unwrap().money, sums.net * 10.0));
    assert_eq!(period.cost.reclaim_cpu, Duration::from_millis(3600));
    assert_eq!(period.cost.memory_stall, Some(Duration::from_millis(4800)));
    assert_eq!((period.cost.refaulted, period.cost.written), (Bytes::mib(240), Bytes::mib(480)));
    let cgroups: Vec<_> = period.cgroups.iter().map(|part| (&*part.path, part.dram, part.net)).collect();
    assert_eq!(cgroups, [("/web", Bytes::mib(512), 1.5), ("/db", Bytes::mib(512), 0.0)]);
    assert!(near(period.cgroups[1].by_others, 0.5));
}

#[test]
fn a_part_of_it_is_reported_by_its_own_minutes() {
    let history = two_hours();
    let period = Period::read(history.path(), T + 3601..=T + 5400, None).unwrap();
    assert_eq!(period.watched, Duration::from_mins(30));
    assert!(near(period.gib_hours.offloaded, 0.5) && period.worth.is_none());
    let error = Period::read(history.path(), 5..=10, None).unwrap_err().to_string();
    assert!(error.contains("no daemon kept watch from") && error.contains(&time::shown(T + 60)), "{error}");
}

/// Nothing was asked for: whatever others have put into swap, nothing is saved, and lowtide has cost its own
/// memory.
#[test]
fn a_host_that_is_only_observed_has_saved_nothing() {
    let history = history((1..=60).map(|at| minute(T + at * 60, vec![tenant("/db", 0, 256)], 300)));
    let period = Period::read(history.path(), 0..=u64::MAX, None).unwrap();
    let sums = period.gib_hours;
    assert_eq!((sums.offloaded, sums.resident), (0.0, 0.0));
    assert!(near(sums.net, -sums.own) && near(sums.by_others, 300.0 / 1024.0), "{sums:?}");
    assert!(period.cgroups.iter().all(|cgroup| cgroup.net == 0.0));
    assert!(period.series.cgroups.is_empty());
    assert!(text(&period, None).contains("offloaded               0.000"), "{}", text(&period, None));
}

#[test]
fn where_no_daemon_kept_watch_the_curve_has_a_gap() {
    let with_gap = (1..=10).chain(31..=40);
    let history = history(with_gap.map(|at| minute(T + at * 60, vec![tenant("/web", 1024, 0)], 1024)));
    let series = Period::read(history.path(), 0..=u64::MAX, None).unwrap().series;
    let [net, offloaded, ..] = &series.host[..] else { panic!("{series:?}") };
    assert_eq!(series.step, 60);
    let known: Vec<_> =
        (0..).zip(&offloaded.values).filter(|(_, value)| value.is_some()).map(|(at, _)| at).collect();
    assert_eq!(known, (0..10).chain(30..40).collect::<Vec<_>>());
    assert!(offloaded.values.iter().flatten().all(|value| near(*value, 1.0)));
    assert!(net.values.iter().flatten().all(|value| near(*value, 0.75 - 1.0 / 64.0)));
}

/// The sums of the curves are those of the report, however many minutes make a step.
#[test]
fn curves_come_to_what_the_report_says() {
    let growing = (1..=2000_u64).map(|at| minute(T + at * 60, vec![tenant("/web", at, 0)], at));
    let history = history(growing);
    let period = Period::read(history.path(), 0..=u64::MAX, None).unwrap();
    let series = &period.series;
    assert!(series.host[0].values.len() <= 241 && series.step > 60, "{}", series.step);
    let net: f64 = series.host[0].values.iter().flatten().sum::<f64>()
        * (Duration::from_secs(series.step).as_secs_f64() / 3600.0);
    assert!((net / period.gib_hours.net - 1.0).abs() < 0.01, "{net} {}", period.gib_hours.net);
}

/// Four of twenty are left alone: of those the kernel swaps out a tenth by itself.
#[test]
fn what_lowtide_did_is_told_against_those_that_it_left_alone() {
    let one = |index: u64| {
        let (group, offloaded, others) =
            if index < 4 { (Group::HeldOut, 0, 51 + index) } else { (Group::Acted, 200 + index, 0) };
        Tenant { group, ..tenant(&format!("/pod-{index}"), offloaded, others) }
    };
    let history = history((1..=60).map(|at| minute(T + at * 60, (0..20).map(one).collect(), 4000)));
    let period = Period::read(history.path(), 0..=u64::MAX, None).unwrap();
    let against = period.against.unwrap();
    assert_eq!((against.acted, against.held_out), (16, 4));
    // By hand: 211.5 of 723.5 MiB, less a quarter that the tier takes; 52.5 of 564.5 MiB, likewise.
    let expected = 0.75 * (211.5 / 723.5 - 52.5 / 564.5);
    let found = against.out_of_dram.difference;
    assert!((found - expected).abs() < 0.002 && against.out_of_dram.error < 0.02, "{against:?} {expected}");
    let told = text(&period, None);
    assert!(told.contains("against 4 cgroups that are left alone, the 16 others have +"), "{told}");
    assert!(html(&period, "host").unwrap().contains("against 4 cgroups"));
    assert!(Period::read(two_hours().path(), 0..=u64::MAX, None).unwrap().against.is_none());
}

/// The cells of the row that begins with this.
fn row(page: &str, first: &str) -> Vec<String> {
    let begin = format!("<tr><td>{first}</td>");
    let row = page.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("{first}: {page}"));
    row[begin.len()..].split("<td>").skip(1).map(|cell| cell.split('<').next().unwrap().to_owned()).collect()
}

/// Every figure of the page is the one of the JSON, in its own cell.
#[test]
fn page_and_data_agree() {
    let history = two_hours();
    let period = Period::read(history.path(), 0..=u64::MAX, Some(&price())).unwrap();
    let json: serde_json::Value = serde_json::to_value(&period).unwrap();
    let page = html(&period, "host-1").unwrap();
    let hours = |value: &serde_json::Value| format!("{:.3}", value.as_f64().unwrap());
    let bytes = |value: &serde_json::Value| Bytes::new(value.as_u64().unwrap()).to_string();
    for (named, key) in [
        ("offloaded", "offloaded"),
        ("- taken for it", "resident"),
        ("- lowtide itself", "own"),
        ("net saved", "net"),
        ("not counted: in swap through others", "by_others"),
    ] {
        assert_eq!(row(&page, named), [hours(&json["gib_hours"][key])], "{key}");
    }
    for list in ["tiers", "policies"] {
        for part in json[list].as_array().unwrap() {
            let figures = ["offloaded", "resident", "net", "by_others"].map(|key| hours(&part[key]));
            assert_eq!(row(&page, part["name"].as_str().unwrap()), figures, "{list}");
        }
    }
    for part in json["cgroups"].as_array().unwrap() {
        let stall = &part["memory_stall"];
        let stall = stall["secs"].as_f64().unwrap() + stall["nanos"].as_f64().unwrap() / 1e9;
        let figures = [
            part["policy"].as_str().unwrap().to_owned(),
            bytes(&part["dram"]),
            hours(&part["offloaded"]),
            hours(&part["net"]),
            hours(&part["by_others"]),
            bytes(&part["refaulted"]),
            format!("{stall:.1} s"),
            bytes(&part["written"]),
        ];
        assert_eq!(row(&page, part["path"].as_str().unwrap()), figures);
    }
    let money = json["worth"]["money"].as_f64().unwrap();
    assert!(page.contains(&format!("worth {money:.2} EUR")));
    assert_eq!(page.matches("<svg").count(), 3);
    assert!(!page.contains("<script") && !page.contains("href") && !page.contains("src="), "one file");
}

/// Nothing was asked for: nothing is saved, whatever lies in swap.
#[test]
fn an_untouched_host_has_saved_nothing() {
    let untouched = (1..=60).map(|at| minute(T + at * 60, vec![tenant("/db", 0, 256)], 256));
    let period = Period::read(history(untouched).path(), 0..=u64::MAX, Some(&price())).unwrap();
    let sums = period.gib_hours;
    assert_eq!((sums.offloaded, sums.resident), (0.0, 0.0));
    assert!(sums.by_others > 0.2 && sums.net <= 0.0, "{sums:?}");
    let page = html(&period, "host").unwrap();
    assert_eq!(
        (row(&page, "offloaded"), row(&page, "- taken for it")),
        (vec!["0.000".into()], vec!["0.000".into()])
    );
    for part in period.tiers.iter().chain(&period.policies) {
        assert_eq!((part.offloaded, part.resident, part.net), (0.0, 0.0, 0.0), "{}", part.name);
    }
}

#[test]
fn a_name_that_a_tenant_chose_does_nothing_on_the_page() {
    let hostile = "/a<script>alert(1)</script>&\"'\u{1b}[2J\u{202e}";
    let history = history((1..=3).map(|at| minute(T + at * 60, vec![tenant(hostile, 64, 0)], 64)));
    let period = Period::read(history.path(), 0..=u64::MAX, None).unwrap();
    let page = html(&period, "<b>host</b>").unwrap();
    assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
    assert!(!page.contains(['\u{1b}', '\u{202e}']));
    let shown = "/a&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;";
    assert!(page.contains(shown), "{page}");
    assert!(!text(&period, None).contains(['\u{1b}', '\u{202e}']));
}
