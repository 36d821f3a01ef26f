use lowtide_history::{Bounds, Writer};

use super::*;

fn minute(end: u64, reason: Reason) -> Minute {
    let path: std::sync::Arc<str> = "/web".into();
    let tenant = Tenant {
        path: path.clone(),
        policy: "batch".into(),
        turns: 10,
        dram: Bytes::mib(90),
        dram_peak: Bytes::mib(100),
        parts: vec![Part { tier: "zram z".into(), offloaded: Bytes::mib(5), ..Part::default() }],
        memory_stall: Some(Duration::from_millis(1500)),
        reason: reason.number(),
        ..Tenant::default()
    };
    let change = Change {
        before_end: Duration::from_secs(20),
        path,
        did: Did::Reclaim,
        amount: Bytes::mib(3),
        reason: reason.number(),
        file_only: Some(Reason::NoSwap.number()),
    };
    let watched = Duration::from_mins(1);
    Minute { end, watched, turns: 10, tenants: vec![tenant], changes: vec![change], ..Minute::default() }
}

fn history(minutes: &[Minute]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let bounds = Bounds { keep: Duration::from_hours(100 * 24), max_size: Bytes::mib(1) };
    let mut writer = Writer::open(directory.path(), bounds).unwrap();
    for minute in minutes {
        writer.append(minute).unwrap();
    }
    directory
}

const T: u64 = 1_700_000_000;

#[test]
fn the_minute_that_has_the_moment_is_told_with_the_decisions_before_it() {
    let reasons = [Reason::Floor, Reason::Headroom, Reason::Trigger, Reason::NothingCold];
    let minutes: Vec<_> = (1..).zip(reasons).map(|(index, reason)| minute(T + index * 60, reason)).collect();
    let history = history(&minutes);
    let then = Then::read(history.path(), "/web", T + 150).unwrap();
    assert_eq!((then.begin, then.end, then.decision.reason), (T + 120, T + 180, Some(Reason::Trigger)));
    let told: Vec<_> =
        then.decisions.iter().map(|decided| (decided.at - T, decided.verdict.reason)).collect();
    assert_eq!(
        told,
        [(160, Some(Reason::Trigger)), (100, Some(Reason::Headroom)), (40, Some(Reason::Floor))]
    );
    let json = serde_json::to_value(&then).unwrap();
    assert_eq!(json["seen"]["parts"][0]["offloaded"], 5 << 20, "bytes, whatever the unit on the disk");
    assert_eq!(json["decisions"][0]["amount"], 3 << 20);
    let text = text(&then);
    for expected in [
        "/web (policy batch), ",
        "  hold; reason 7: ",
        "90MiB (at most 100MiB)",
        "1.500 s (at most unknown)",
        "reclaim 3MiB, reason 1: pressure",
        "(page cache only: reason 15: there is no swap",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn what_is_not_known_is_said() {
    let history = history(&[minute(T, Reason::Floor), minute(T + 3600, Reason::Floor)]);
    let nothing = Then::read(history.path(), "/web", T + 1800).unwrap_err().to_string();
    assert!(
        nothing.contains("no daemon kept watch at") && nothing.contains(&time::shown(T + 3600)),
        "{nothing}"
    );
    let other = Then::read(history.path(), "/we", T - 10).unwrap_err().to_string();
    assert!(other.contains("/we was no target at") && other.contains("targets like it: /web"), "{other}");
    let missing = Then::read(&history.path().join("x"), "/web", T).unwrap_err().to_string();
    assert!(missing.contains("there is no history"), "{missing}");
}

/// A newer lowtide wrote it.
#[test]
fn a_reason_that_is_not_known_is_its_number() {
    let mut newer = minute(T, Reason::Floor);
    newer.tenants[0].reason = 250;
    let history = history(&[newer]);
    let then = Then::read(history.path(), "/web", T).unwrap();
    assert_eq!((then.decision.number, then.decision.reason), (250, None));
    assert!(text(&then).contains("reason 250: one that this lowtide does not know"));
}
