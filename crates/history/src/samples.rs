//! Minutes for tests.

use std::{sync::Arc, time::Duration};

use lowtide_core::{Bytes, Ratio};
use proptest::prelude::*;

use crate::record::{Change, Did, Group, Host, Minute, Part, Tenant, TierFill};

/// A minute that ended at `end`, with `tenants` tenants.
pub(crate) fn minute(end: u64, tenants: usize) -> Minute {
    let tenant = |index| Tenant {
        path: format!("/tenants.slice/web-{index}.service").into(),
        policy: "web".into(),
        turns: 10,
        dram: Bytes::mib(900),
        parts: vec![Part { tier: "zram /dev/zram0".into(), offloaded: Bytes::mib(40), ..Part::default() }],
        ..Tenant::default()
    };
    Minute { end, turns: 10, tenants: (0..tenants).map(tenant).collect(), ..Minute::default() }
}

prop_compose! {
    fn time()(micros in any::<u64>()) -> Duration { Duration::from_micros(micros) }
}

prop_compose! {
    fn share()(count in any::<u32>()) -> Ratio { Ratio::new(f64::from(count) / 1e6) }
}

fn name() -> impl Strategy<Value = Arc<str>> {
    "(/[a-z]|.){0,6}".prop_map(Arc::from)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    (0..u64::MAX / 4096).prop_map(Bytes::pages)
}

fn did() -> impl Strategy<Value = Did> {
    prop::sample::select(vec![Did::Hold, Did::Reclaim, Did::ReclaimFile, Did::Demote, Did::Sink])
}

prop_compose! {
    fn tier()(name in name(), sizes in [bytes(), bytes(), bytes(), bytes()]) -> TierFill {
        let [capacity, used, stored, resident] = sizes;
        TierFill { name, capacity, used, stored, resident }
    }
}

prop_compose! {
    fn host()(
        sizes in [bytes(), bytes(), bytes()],
        times in [time(), time()],
        tiers in prop::collection::vec(tier(), 0..3),
    ) -> Host {
        let ([total, least_free, own], [watching_cpu, reclaim_cpu]) = (sizes, times);
        Host { total, least_free, own, watching_cpu, reclaim_cpu, tiers }
    }
}

prop_compose! {
    fn part()(tier in name(), sizes in [bytes(), bytes(), bytes(), bytes()]) -> Part {
        let [offloaded, resident, others, others_resident] = sizes;
        Part { tier, offloaded, resident, others, others_resident }
    }
}

prop_compose! {
    fn tenant()(
        (path, policy) in (name(), name()),
        turns in any::<u32>(),
        sizes in prop::collection::vec(bytes(), 6),
        working_set in prop::option::of(bytes()),
        stalls in [prop::option::of(time()), prop::option::of(time())],
        peaks in prop::collection::vec(prop::option::of(share()), 3),
        (headroom, price) in (share(), share()),
        reclaim_cpu in time(),
        did in did(),
        group in prop::sample::select(vec![Group::None, Group::Acted, Group::HeldOut]),
        (reason, file_only) in (any::<u8>(), any::<Option<u8>>()),
        parts in prop::collection::vec(part(), 0..3),
    ) -> Tenant {
        Tenant {
            path, policy, group, turns, working_set, headroom, price, reclaim_cpu, did, reason, file_only, parts,
            dram: sizes[0], dram_peak: sizes[1], refaulted: sizes[2], requested: sizes[3], effective: sizes[4],
            written: sizes[5], memory_stall: stalls[0], io_stall: stalls[1],
            memory_pressure_peak: peaks[0], io_pressure_peak: peaks[1], slowdown: peaks[2],
        }
    }
}

prop_compose! {
    fn change()(
        before_end in any::<u64>().prop_map(Duration::from_secs),
        path in name(),
        did in did(),
        amount in bytes(),
        reason in any::<u8>(),
        file_only in any::<Option<u8>>(),
    ) -> Change {
        Change { before_end, path, did, amount, reason, file_only }
    }
}

prop_compose! {
    /// Whatever a minute can be.
    pub(crate) fn any_minute()(
        end in any::<u64>(),
        watched in time(),
        turns in any::<u32>(),
        host in host(),
        tenants in prop::collection::vec(tenant(), 0..6),
        changes in prop::collection::vec(change(), 0..6),
    ) -> Minute {
        Minute { end, watched, turns, host, tenants, changes }
    }
}
