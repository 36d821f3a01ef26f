//! The host's room is shared by all cgroups of a tick.

use std::collections::BTreeSet;

use lowtide_core::{Action, ByteRate, Bytes, Decision, Effect, Pending, Reason, Scope};

use crate::bench::{Bench, asked, tenant};

fn eager_tenants(count: u64) -> Bench {
    let mut bench = Bench::fresh();
    bench.seen.cgroups = (1..=count).map(tenant).collect();
    let mut bench = bench.without_page_cache();
    (0..30).for_each(|_| drop(bench.tick()));
    bench
}

fn anonymous(decisions: &[Decision]) -> Bytes {
    let anon = |decision: &&Decision| matches!(decision.action, Action::Reclaim { scope: Scope::Any, .. });
    decisions.iter().filter(anon).map(asked).sum()
}

#[test]
fn swap_down_to_the_reserve_is_given_out_once() {
    let mut bench = eager_tenants(4);
    bench.swap().used = Bytes::mib(3_580);
    bench.seen.cgroups = (1..=4).map(tenant).collect();
    let decisions = bench.tick();
    assert_eq!(anonymous(&decisions), Bytes::mib(20));
    let without: Vec<_> = decisions.iter().filter(|decision| decision.file_only.is_some()).collect();
    assert_eq!(without.len(), 2, "13 MiB for one, the rest for another");
    for decision in without {
        assert!(matches!(decision.action, Action::Reclaim { scope: Scope::File, .. }));
        assert_eq!(decision.file_only, Some(Reason::SwapReserve));
    }
}

#[test]
fn the_swap_out_budget_is_given_out_once_and_to_each_in_turn() {
    let mut bench = eager_tenants(4);
    bench.budgets.swap_out = ByteRate::per_second(Bytes::mib(2));
    // The bucket holds ten seconds' worth.
    assert_eq!(anonymous(&bench.tick()), Bytes::mib(20));
    let mut served = BTreeSet::new();
    for _ in 0..4 {
        let decisions = bench.tick();
        assert_eq!(anonymous(&decisions), Bytes::mib(4));
        for decision in decisions {
            assert_eq!(decision.file_only.unwrap_or(decision.reason), Reason::SwapOut);
            if decision.file_only.is_none() {
                served.insert(decision.id);
            }
        }
    }
    assert_eq!(served.len(), 4);
}

/// Kind 2: whoever has a hundred cgroups was served a hundred times as often.
#[test]
fn the_swap_out_budget_is_shared_among_tenants_however_many_cgroups_each_has() {
    let mut bench = eager_tenants(101);
    for (number, cgroup) in (0..).zip(&mut bench.seen.cgroups) {
        cgroup.path = if number == 37 { "/t/good/app".into() } else { format!("/t/evil/{number}").into() };
    }
    bench.budgets.swap_out = ByteRate::per_second(Bytes::mib(2));
    bench.tick();
    let mut served = 0;
    for _ in 0..20 {
        let decisions = bench.tick();
        served +=
            decisions.iter().filter(|one| &*one.path == "/t/good/app" && one.file_only.is_none()).count();
    }
    assert!((9..=11).contains(&served), "served in {served} of 20 turns");
}

/// Kind 2: what a tenant swaps out at its own memory.max while lowtide asks for a little was spent for all.
#[test]
fn what_a_tenant_swaps_out_by_itself_is_not_spent_for_the_others() {
    let mut bench = eager_tenants(4);
    bench.budgets.swap_out = ByteRate::per_second(Bytes::mib(2));
    bench.tick();
    let effect = Effect {
        scope: Scope::Any,
        requested: Bytes::mib(1),
        offloaded: Bytes::mib(1024),
        ..Effect::default()
    };
    bench.seen.cgroups[0].effects = vec![effect];
    let granted = anonymous(&bench.tick());
    assert_eq!(
        granted,
        Bytes::mib(3),
        "of the 4 MiB of this turn, what was beyond is as much as was asked for"
    );
}

/// Too little room for one batch is no room: page cache can still go.
#[test]
fn a_sliver_of_swap_does_not_keep_page_cache_from_going() {
    for sliver in [Bytes::new(1), Bytes::kib(127)] {
        let mut bench = eager_tenants(1);
        bench.seen.cgroups = vec![tenant(1)];
        bench.swap().used = Bytes::mib(3_600) - sliver;
        let decision = bench.decide();
        assert_eq!(decision.file_only, Some(Reason::SwapReserve), "{sliver}: {}", decision.reason);
        assert!(matches!(decision.action, Action::Reclaim { scope: Scope::File, .. }));
    }
    let mut bench = eager_tenants(1);
    bench.budgets.swap_out = ByteRate::per_second(Bytes::kib(10));
    assert_eq!(bench.decide().file_only, Some(Reason::SwapOut));
}

/// A request that is still being written will take the swap that it was promised.
#[test]
fn what_is_in_flight_still_has_its_room() {
    let mut bench = eager_tenants(2);
    bench.swap().used = Bytes::mib(3_590);
    let decisions = bench.tick();
    assert_eq!(anonymous(&decisions), Bytes::mib(10));
    for (cgroup, decision) in bench.seen.cgroups.iter_mut().zip(&decisions) {
        if decision.file_only.is_none() {
            cgroup.pending = Pending::Queued;
        }
    }
    assert_eq!(anonymous(&bench.tick()), Bytes::ZERO);
    bench.seen.cgroups.iter_mut().for_each(|cgroup| cgroup.pending = Pending::Nothing);
    assert_eq!(anonymous(&bench.tick()), Bytes::mib(10), "it ended without filling it");
}

/// Its room in swap is reserved at each tick, but the budget per second is spent once.
#[test]
fn what_is_in_flight_spends_the_budget_once() {
    let mut bench = eager_tenants(1);
    bench.budgets.swap_out = ByteRate::per_second(Bytes::mib(2));
    let first = bench.decide();
    bench.cgroup().pending = Pending::InFlight;
    (0..5).for_each(|_| drop(bench.tick()));
    bench.cgroup().pending = Pending::Nothing;
    bench.confirm(&first);
    let second = bench.decide();
    assert_eq!((asked(&second), second.reason), (asked(&first), Reason::Headroom));
}
