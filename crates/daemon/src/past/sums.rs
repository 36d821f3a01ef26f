//! One tenant's sums over a minute. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lowtide_core::{Bytes, Reason};
use lowtide_history::{Group, Tenant};
use lowtide_view::CgroupView;

use super::minute::{Before, PartSums, Sum, did, greater};

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
        // Most tenants have nothing in most tiers, and a part without bytes adds none to a mean.
        let parts = view.placed.iter().zip(&view.sent);
        for (placed, sent) in parts.filter(|(placed, _)| !placed.is_nothing()) {
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
        let turns = self.so_far.turns;
        self.told_over(turns)
    }

    /// Means over so many turns.
    pub(super) fn told_over(self, turns: u32) -> Tenant {
        let Self { dram, parts, so_far } = self;
        let parts = parts.iter().map(|(tier, part)| part.told(tier, turns));
        let parts = parts.filter(|part| !(part.offloaded + part.others).is_zero()).collect();
        Tenant { turns, dram: dram.mean(turns), parts, ..so_far }
    }

    /// What it had on average, in DRAM and out of it.
    pub(super) fn size(&self) -> Bytes {
        let mean = |sum: Sum| sum.mean(self.so_far.turns);
        let parts = self.parts.values().map(|part| mean(part.offloaded) + mean(part.others));
        mean(self.dram) + parts.sum()
    }

    /// Adds another one, but for what has no sum: a path, a policy, a decision.
    pub(super) fn add(&mut self, other: Self) {
        self.dram.join(other.dram);
        for (tier, part) in other.parts {
            self.parts.entry(tier).or_default().join(part);
        }
        let (all, one) = (&mut self.so_far, other.so_far);
        all.dram_peak += one.dram_peak;
        all.refaulted += one.refaulted;
        all.requested += one.requested;
        all.effective += one.effective;
        all.reclaim_cpu += one.reclaim_cpu;
        all.written += one.written;
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
