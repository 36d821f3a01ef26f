//! One tenant's sums over a minute. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lowtide_core::{Bytes, Ratio, Reason};
use lowtide_history::{Group, Part, Tenant};

use super::minute::{Before, PartSums, Sum, did, greater};
use crate::view::CgroupView;

/// What was seen of a tenant since the last minute ended.
#[derive(Debug, Default)]
pub(super) struct Sums {
    dram: Sum,
    parts: BTreeMap<String, PartSums>,
    /// Everything that is no mean: peaks and sums so far, and what is so at the end.
    so_far: Tenant,
}

impl Sums {
    /// Takes in a turn. Without a turn before it nothing is known of what counters rose by.
    pub(super) fn take_in(&mut self, view: &CgroupView, before: Option<&Before>, now: &Before) {
        let dram = view.dram();
        self.dram.add(dram);
        for (placed, sent) in view.placed.iter().zip(&view.sent) {
            self.parts.entry(placed.name()).or_default().take_in(placed, sent);
        }
        let tenant = &mut self.so_far;
        tenant.turns += 1;
        tenant.dram_peak = tenant.dram_peak.max(dram);
        tenant.memory_pressure_peak = greater(tenant.memory_pressure_peak, view.stalls.memory_some);
        tenant.io_pressure_peak = greater(tenant.io_pressure_peak, view.stalls.io_some);
        if let Some(before) = before {
            rise(tenant, before, now);
        }
        end(tenant, view);
    }

    /// With whom it is compared, from the last turn.
    pub(super) fn is_in(&mut self, group: Group) {
        self.so_far.group = group;
    }

    /// Means over the turns in which it was there.
    pub(super) fn told(self) -> Tenant {
        let Self { dram, parts, so_far } = self;
        let turns = so_far.turns;
        let parts = parts.iter().map(|(tier, part)| part.told(tier, turns));
        // Most tenants have nothing in most tiers.
        let parts = parts.filter(|part| !(part.offloaded + part.others).is_zero()).collect();
        Tenant { dram: dram.mean(turns), parts, ..so_far }
    }
}

/// What counters rose by since the turn before.
fn rise(tenant: &mut Tenant, before: &Before, now: &Before) {
    add(&mut tenant.memory_stall, before.memory_stall, now.memory_stall);
    add(&mut tenant.io_stall, before.io_stall, now.io_stall);
    tenant.refaulted += now.refaulted - before.refaulted;
    tenant.requested += now.requested - before.requested;
    tenant.effective += now.effective - before.effective;
    tenant.reclaim_cpu += now.reclaim_cpu.saturating_sub(before.reclaim_cpu);
    let written =
        |(disk, bytes): (&String, &Bytes)| *bytes - before.on_disks.get(disk).copied().unwrap_or_default();
    tenant.written += now.on_disks.iter().map(written).sum();
}

fn add(sum: &mut Option<Duration>, before: Option<Duration>, now: Option<Duration>) {
    let Some((before, now)) = before.zip(now) else { return };
    *sum = Some(sum.unwrap_or_default().saturating_add(now.saturating_sub(before)));
}

/// What is so at the end of the minute, as far as is known.
fn end(tenant: &mut Tenant, view: &CgroupView) {
    let decision = &view.decision;
    tenant.path = Arc::clone(&view.path);
    tenant.policy = Arc::clone(&decision.policy);
    tenant.working_set = view.hotness.as_ref().map(|hotness| hotness.working_set);
    tenant.slowdown = decision.figures.slowdown;
    tenant.headroom = decision.figures.headroom;
    tenant.price = decision.figures.price;
    tenant.did = did(decision.action);
    tenant.reason = decision.reason.number();
    tenant.file_only = decision.file_only.map(Reason::number);
}

/// All of them as one, without a path, a policy, a decision, and what has no sum. Weighed by how long each was there.
pub(super) fn sum(tenants: &[Tenant], turns: u32) -> Tenant {
    let mut all = Tenant { turns, ..Tenant::default() };
    let mut parts: BTreeMap<Arc<str>, Part> = BTreeMap::new();
    for tenant in tenants {
        let weight = Ratio::new(f64::from(tenant.turns) / f64::from(turns.max(1)));
        all.dram += tenant.dram.scale(weight);
        all.dram_peak += tenant.dram_peak;
        all.refaulted += tenant.refaulted;
        all.requested += tenant.requested;
        all.effective += tenant.effective;
        all.reclaim_cpu += tenant.reclaim_cpu;
        all.written += tenant.written;
        for part in &tenant.parts {
            let sum = parts.entry(Arc::clone(&part.tier)).or_default();
            sum.tier = Arc::clone(&part.tier);
            sum.offloaded += part.offloaded.scale(weight);
            sum.resident += part.resident.scale(weight);
            sum.others += part.others.scale(weight);
            sum.others_resident += part.others_resident.scale(weight);
        }
    }
    all.parts = parts.into_values().collect();
    all
}
