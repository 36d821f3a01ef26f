use lowtide_core::Stall;
use lowtide_view::samples::view;

use super::*;

/// What the host and its cgroups were after `seconds`, with `change` made to them.
fn after(seconds: u64, change: impl FnOnce(&mut View)) -> View {
    let mut view = view(Duration::from_secs(seconds), Bytes::mib(seconds));
    view.done = Some(UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds));
    change(&mut view);
    view
}

fn minutes(views: impl Iterator<Item = View>) -> Vec<Minute> {
    let mut gathering = Gathering::default();
    views.filter_map(|view| gathering.turn(&view)).collect()
}

fn tenant<'a>(minute: &'a Minute, path: &str) -> &'a Tenant {
    minute.tenants.iter().find(|tenant| &*tenant.path == path).unwrap()
}

#[test]
fn a_minute_has_means_peaks_and_what_counters_rose_by() {
    let stalled = |view: &mut View| {
        view.cgroups[0].memory_stall = Some(Stall { some: view.uptime / 100, full: None });
        view.cgroups[0].stalls.memory_some =
            Some(Ratio::percent(if view.uptime.as_secs() == 30 { 7.0 } else { 1.0 }));
        if view.uptime.as_secs() > 40 {
            view.cgroups[0].memory.current = Bytes::mib(170);
        }
        view.host.free = Bytes::mib(if view.uptime.as_secs() == 50 { 5 } else { 50 });
    };
    let found = minutes((1..=13).map(|turn| after(turn * 10, stalled)));
    let [first, second] = &found[..] else { panic!("{found:?}") };
    assert_eq!((first.turns, first.watched, first.end), (7, MINUTE, 1_000_070));
    assert_eq!((second.turns, second.watched), (6, MINUTE));
    let web = tenant(first, "/web");
    assert_eq!((web.dram, web.dram_peak), (Bytes::mib(130), Bytes::mib(170)));
    assert_eq!(web.memory_stall, Some(Duration::from_millis(600)));
    assert_eq!(web.memory_pressure_peak, Some(Ratio::percent(7.0)));
    assert_eq!(web.refaulted, Bytes::mib(60), "the first turn knows no rise");
    assert_eq!(tenant(second, "/web").refaulted, Bytes::mib(60));
    assert_eq!(first.host.least_free, Bytes::mib(5));
    assert_eq!(first.host.own, Bytes::mib(12));
    let zram = |offloaded, resident, others| Part {
        tier: "zram /dev/zram0".into(),
        offloaded: Bytes::mib(offloaded),
        resident: Bytes::mib(resident),
        others: Bytes::mib(others),
        others_resident: Bytes::mib(others / 4),
    };
    assert_eq!(web.parts, [zram(400, 100, 0)]);
    assert_eq!(tenant(first, "/db").parts, [zram(0, 0, 100)]);
}

#[test]
fn decisions_are_told_when_they_change() {
    let decide = |view: &mut View| {
        if view.uptime.as_secs() == 90 {
            view.cgroups[1].decision.reason = Reason::Floor;
        }
    };
    let found = minutes((1..=19).map(|turn| after(turn * 10, decide)));
    let changes: Vec<Vec<_>> = found
        .iter()
        .map(|minute| {
            let told =
                |change: &Change| (change.path.to_string(), change.reason, change.before_end.as_secs());
            minute.changes.iter().map(told).collect()
        })
        .collect();
    let (cold, floor) = (Reason::NothingCold.number(), Reason::Floor.number());
    let (web, db) = ("/web".to_owned(), "/db".to_owned());
    assert_eq!(changes[0], [(web, cold, 60), (db.clone(), cold, 60)], "as it begins");
    assert_eq!(changes[1], [(db.clone(), floor, 40), (db, cold, 30)]);
    assert!(changes[2].is_empty());
}

#[test]
fn who_is_compared_with_whom() {
    let policies = |view: &mut View| {
        let policy = |name: &str, mode| Policy { mode, ..Policy::observe(name) };
        view.policies = vec![policy("batch", Mode::File), policy("careful", Mode::Observe)];
        let held_out = CgroupView { id: CgroupId(3), path: "/alone".into(), ..view.cgroups[0].clone() };
        let opted_out = CgroupView { id: CgroupId(4), path: "/off".into(), ..held_out.clone() };
        view.cgroups.extend([held_out, opted_out]);
        view.cgroups[2].decision.reason = Reason::HeldOut;
        view.cgroups[3].decision.reason = Reason::OptedOut;
    };
    let found = minutes((1..=7).map(|turn| after(turn * 10, policies)));
    let groups = ["/web", "/db", "/alone", "/off"].map(|path| tenant(&found[0], path).group);
    assert_eq!(groups, [Group::Acted, Group::None, Group::HeldOut, Group::None]);
}

#[test]
fn what_came_to_lie_on_a_disk_was_written() {
    let found = minutes((1..=7).map(|turn| {
        after(turn * 10, |view| {
            let web = &mut view.cgroups[0];
            for part in web.placed.iter_mut().chain(&mut web.sent) {
                part.kind = lowtide_core::TierKind::Disk;
                // Up by 5 each time, and once down.
                part.bytes = Bytes::mib(if turn == 4 { 0 } else { turn * 5 });
            }
        })
    }));
    assert_eq!(tenant(&found[0], "/web").written, Bytes::mib(5 + 5 + 25 + 5 + 5));
}

/// Cgroups of so many MiB, by whose numbers they are called.
fn numbered(view: &mut View, numbers: std::ops::RangeInclusive<u64>) {
    let one = view.cgroups[0].clone();
    let numbered = |number| {
        let memory = lowtide_core::Memory { current: Bytes::mib(number), ..one.memory.clone() };
        CgroupView { id: CgroupId(number), path: format!("/{number:04}").into(), memory, ..one.clone() }
    };
    view.cgroups = numbers.map(numbered).collect();
}

#[test]
fn of_very_many_the_largest_are_told_and_the_sum_of_the_others() {
    const COUNT: u64 = 1500;
    let found = minutes((1..=7).map(|turn| after(turn * 10, |view| numbered(view, 1..=COUNT))));
    let tenants = &found[0].tenants;
    assert_eq!(tenants.len(), MOST_TENANTS);
    assert_eq!((&*tenants[0].path, &*tenants[1].path), ("", "/0502"));
    let dram: Bytes = tenants.iter().map(|tenant| tenant.dram).sum();
    assert_eq!(dram, Bytes::mib(COUNT * (COUNT + 1) / 2));
    let offloaded: Bytes = tenants.iter().flat_map(|tenant| &tenant.parts).map(|part| part.offloaded).sum();
    assert_eq!(offloaded, Bytes::mib(400 * COUNT));
}

#[test]
fn of_those_that_come_and_go_no_more_is_kept_than_is_told() {
    const EACH: u64 = 1400;
    let mut gathering = Gathering::default();
    let mut found = None;
    // The largest come first, and are gone for most of the minute.
    for turn in 1..=7 {
        let first = (7 - turn) * EACH + 1;
        found = gathering.turn(&after(turn * 10, |view| numbered(view, first..=first + EACH - 1)));
        assert!(gathering.tenants.len() <= 2 * MOST_TENANTS + 1400, "{}", gathering.tenants.len());
    }
    let tenants = found.unwrap().tenants;
    assert_eq!(tenants.len(), MOST_TENANTS);
    let largest = 7 * EACH;
    assert_eq!((&*tenants[1].path, &*tenants[999].path), ("/8802", "/9800"));
    let small = largest - 999;
    assert_eq!(tenants[0].dram, Bytes::new(Bytes::mib(small * (small + 1) / 2).get() / 7));
    assert_eq!(tenants[0].turns, 7);
}

#[test]
fn the_rest_of_a_minute_is_kept_at_the_end() {
    let mut gathering = Gathering::default();
    assert!(gathering.rest(&after(1, |_| ())).is_none(), "nothing was seen");
    assert!(gathering.turn(&after(10, |_| ())).is_none());
    let last = after(20, |_| ());
    assert!(gathering.turn(&last).is_none());
    let rest = gathering.rest(&last).unwrap();
    assert_eq!((rest.turns, rest.watched), (2, Duration::from_secs(10)));
    assert!(gathering.rest(&last).is_none());
}
