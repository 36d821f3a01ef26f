use std::{collections::HashMap, path::Path};

use lowtide_core::{
    Budgets, ByteTime, CgroupId, Forecast, HostObservation, Mode, Observation, Policy, Ratio, State,
    TierKind, savings::Origin,
};
use lowtide_kernfs::Root;
use lowtide_observe::Stalls;
use lowtide_view::{
    Ledger, Remembered, Sums,
    samples::{cgroup, view},
};

use super::*;

/// A kernel of which only the boot can be told.
fn booted(boot: &str) -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let random = directory.path().join("proc/sys/kernel/random");
    std::fs::create_dir_all(&random).unwrap();
    std::fs::write(random.join("boot_id"), format!("{boot}\n")).unwrap();
    let root = Root::open(directory.path()).unwrap();
    (directory, root)
}

fn opened(state_dir: &Path) -> Books {
    Books::open(&booted("this").1, state_dir.to_owned())
}

fn after_two_hours(price: Option<&Price>) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let mut books = opened(directory.path());
    books.turn(&view(Duration::from_secs(10), Bytes::mib(5)));
    books.took_effect(&lowtide_core::Effect { cpu: Duration::from_secs(3), ..Default::default() });
    let mut last = view(Duration::from_secs(10 + 7200), Bytes::mib(12));
    // Not within a runtime: saving is not due before five minutes, so the last turn is counted by hand.
    books.count(&last);
    last.sums = Sums { since: Some(UNIX_EPOCH + Duration::from_secs(1_000_000_000)), ..books.sums(price) };
    Report::new(&last)
}

#[test]
fn the_report_of_two_hours() {
    let price = Price { dram: 7300.0, currency: "EUR".into() };
    let expected = "\
since 2001-09-09T01:46:40Z, watched for 2h
                        NOW        GiB·h
offloaded            400MiB        0.781
- taken for it       100MiB        0.195
- lowtide itself      12MiB        0.023
net saved            288MiB        0.562
not counted: 100MiB in swap that others put there (0.195 GiB·h so far)
worth 5.62 EUR so far, 2053.12 EUR a month if it stays as it is now (7300 EUR for a GiB and month)
cost 3.0 s of kernel CPU for reclaim and 5.4 s for watching (0.12% of a core); 7MiB faulted back

TIER             OFFLOADED  DRAM TAKEN    NET GiB·h
zram /dev/zram0     400MiB      100MiB        0.586

POLICY  OFFLOADED  DRAM TAKEN    NET GiB·h
batch      400MiB      100MiB        0.586

CGROUP       DRAM  OFFLOADED  BY OTHERS  COMPRESSES TO  NET SAVED  POLICY
/web       100MiB     400MiB         0B              -     300MiB  batch

Counted is what lies in swap or on slower nodes because lowtide asked the kernel for it. What the kernel swapped out by itself, or
before lowtide was started, is told apart as put there by others. Page cache is not counted.
";
    assert_eq!(text(&after_two_hours(Some(&price)), None), expected);
}

#[test]
fn without_a_price_there_is_no_money() {
    let report = after_two_hours(None);
    assert!(report.worth.is_none());
    assert!(text(&report, None).contains("price_per_gib_month"));
}

/// A second turn has not come yet, and the first one took some CPU.
#[test]
fn of_no_time_no_share_is_told() {
    let first = view(Duration::from_secs(10), Bytes::ZERO);
    let report = Report { watched: Duration::ZERO, ..Report::new(&first) };
    let told = text(&report, None);
    assert!(told.contains("for watching; ") && !told.contains("of a core"), "{told}");
}

#[test]
fn no_table_is_wider_than_the_terminal() {
    let mut report = after_two_hours(None);
    for part in report.tiers.iter_mut().chain(&mut report.policies) {
        part.name = "a-long-name ".repeat(10);
    }
    let told = text(&report, Some(80));
    let tables = told.lines().skip_while(|line| !line.starts_with("TIER"));
    let tables: Vec<_> = tables.take_while(|line| !line.starts_with("Counted")).collect();
    assert!(tables.len() >= 8 && tables.iter().all(|line| line.chars().count() <= 80), "{told}");
}

#[tokio::test]
async fn the_next_daemon_goes_on_from_where_the_last_one_ended() {
    let directory = tempfile::tempdir().unwrap();
    let mut sums = Vec::new();
    for _ in 0..2 {
        let mut books = opened(directory.path());
        books.turn(&view(Duration::from_secs(10), Bytes::ZERO));
        books.turn(&view(Duration::from_secs(20), Bytes::mib(1)));
        sums.push(books.sums(None));
        books.close(soon()).await;
    }
    assert_eq!(sums[1].meter.watched, Duration::from_secs(20));
    assert_eq!(sums[1].meter.promoted, Bytes::mib(2));
    let held = ByteTime::of(Bytes::mib(400), Duration::from_secs(10));
    assert_eq!(sums[0].meter.held().offloaded, held);
}

#[tokio::test]
async fn who_put_what_where_outlives_the_daemon_and_not_the_boot() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = opened(directory.path());
    first.turn(&view(Duration::from_secs(10), Bytes::ZERO));
    first.close(soon()).await;
    let kept = opened(directory.path()).origins();
    assert_eq!(kept[&CgroupId(1)].swap.lowtide, Bytes::mib(400));
    assert_eq!(kept[&CgroupId(2)].swap, Origin { lowtide: Bytes::ZERO, others: Bytes::mib(100) });
    let after_a_boot = Books::open(&booted("another").1, directory.path().to_owned());
    assert!(after_a_boot.origins().is_empty());
}

/// Today's kernel and another program have filled swap; lowtide has asked for nothing.
#[test]
fn of_what_others_put_into_swap_nothing_is_saved() {
    let tier = view(Duration::ZERO, Bytes::ZERO).host.tiers;
    let seen = Observation {
        host: HostObservation { tiers: tier, ..HostObservation::default() },
        cgroups: vec![cgroup(1, "/web", 0, 400), cgroup(2, "/db", 0, 100)],
    };
    let own = Bytes::mib(12);
    for acting in [false, true] {
        let mut state = State::default();
        let mut policy = Policy::observe("web");
        policy.mode = if acting { Mode::Full } else { Mode::Observe };
        let tick = |state: &mut State, at| {
            lowtide_core::tick(
                state,
                &seen,
                std::slice::from_ref(&policy),
                &Budgets::default(),
                Duration::from_secs(at),
            )
        };
        tick(&mut state, 0);
        let decisions = tick(&mut state, 6);
        let ledger = Ledger::default();
        let remembered = Remembered { state: &state, ledger: &ledger, carried: Vec::new() };
        let stalls = |_| Stalls::default();
        let view = View::new(seen.clone(), decisions, remembered, own, stalls, HashMap::new(), &[acting]);
        assert_eq!((view.net_saved, view.swapped_by_others), (-own.signed_sub(Bytes::ZERO), Bytes::mib(500)));
        let report = Report::new(&view);
        assert_eq!((report.now.offloaded, report.now.resident), (Bytes::ZERO, Bytes::ZERO));
        assert_eq!(report.now.by_others, Bytes::mib(500));
        assert!(text(&report, None).contains("not counted: 500MiB in swap that others put there"));
        assert!(report.cgroups.iter().all(|cgroup| cgroup.net.is_zero()));
    }
}

#[test]
fn what_full_would_save_is_told_and_not_counted() {
    let mut view = view(Duration::from_secs(10), Bytes::ZERO);
    let counted = Report::new(&view).now.net;
    assert!(!text(&Report::new(&view), None).contains("would save"), "nothing is known yet");
    let forecast = |net| Forecast {
        kind: TierKind::Zram,
        device: "/dev/zram0".into(),
        from: Duration::from_mins(5),
        could_go: Bytes::mib(60),
        net: Bytes::mib(net),
        net_error: None,
        refaulted_per_minute: Bytes::mib(1),
        stall: Ratio::ZERO,
    };
    // The first is in mode full: what it may save shows in its decisions.
    view.cgroups[0].forecast = Some(forecast(7));
    view.cgroups[1].forecast = Some(forecast(40));
    let report = Report::new(&view);
    let told = text(&report, None);
    assert!(told.contains("not counted: mode full would save 40MiB net in 1 cgroups"), "{told}");
    assert_eq!(report.now.net, counted);
    assert_eq!(report.forecast.map(|promise| promise.net), Some(Bytes::mib(40)));
}

fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_mins(1)
}
