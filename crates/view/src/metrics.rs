//! The Prometheus page, drawn from the view.
//!
//! What is not in the view is not on the page, so a cgroup that is gone leaves no series behind and needs no
//! idle timeout.

mod page;
mod process;
mod rest;
mod tenants;
mod treatments;
mod watermarks;

use std::{collections::BTreeMap, mem};

use lowtide_controllers::StoreView;
use lowtide_core::{
    Bytes, Ratio, TierKind,
    left_out::Kind,
    reading::{BOUNDARIES, Source},
    tier::Capacity,
};

pub use self::rest::Rest;
use self::{
    page::{Family, Page},
    rest::Exported,
};
use crate::view::View;

/// Idle ages with a series for each cgroup, in seconds; `status --json` has all classes.
const EXPORTED: [(u64, &str); 7] =
    [(30, "30"), (60, "60"), (300, "300"), (600, "600"), (1800, "1800"), (3600, "3600"), (86_400, "86400")];

/// The page in Prometheus' text format, metric by metric. `rest` is what the page before left, and is left to
/// the next one.
pub fn render(view: &View, rest: &mut Rest) -> Vec<String> {
    let rows = rest.rows(view);
    let page = Page::after(mem::take(rest));
    draw(&page, view, &rows);
    let (metrics, left) = page.into_parts();
    *rest = left;
    rest.keep(&rows);
    metrics
}

fn draw(page: &Page, view: &View, rows: &[Exported<'_>]) {
    host(page, view, rows);
    process::turns(page, view);
    process::process(page, view);
    tiers(page, view);
    fills(page, view);
    balancer(page, view);
    endurance(page, view);
    watermarks::watermarks(page, view);
    treatments::treatments(page, view);
    sizes(page, rows);
    pressure(page, rows);
    accounts(page, rows);
    sampling(page, view);
    idle(page, rows);
    tenants::tenants(page, view, rows);
}

#[expect(clippy::cast_precision_loss, reason = "a Prometheus sample is a float")]
fn host(page: &Page, view: &View, rows: &[Exported<'_>]) {
    page.figure(
        "lowtide_net_saved_bytes",
        "Offloaded bytes of the host, less what tiers and lowtide take from DRAM.",
        view.net_saved as f64,
    );
    page.figure("lowtide_memory_bytes", "DRAM that lowtide itself takes.", view.own.as_f64());
    page.figure("lowtide_cgroups", "Cgroups that policies name.", view.cgroups.len() as f64);
    page.figure(
        "lowtide_cgroups_without_series",
        "Cgroups that policies name and that have no series of their own: their sums are under cgroup=\"other\".",
        rows.iter().filter(|row| !row.own).count() as f64,
    );
    page.figure(
        "lowtide_reclaim_hanging",
        "Reclaim requests that get no further for 5 s.",
        view.hanging.len() as f64,
    );
    page.figure(
        "lowtide_reclaim_queued",
        "Reclaim requests that wait for others to end.",
        view.queued as f64,
    );
    page.figure(
        "lowtide_config_last_reload_successful",
        "0 while a changed configuration is wrong and the one before it is in force.",
        f64::from(u8::from(!view.reload_refused)),
    );
    let left_out = page.gauge(
        "lowtide_left_out",
        "What could not be read in the last turn, and was left out.",
        &["what"],
    );
    for kind in Kind::ALL {
        left_out.set(&[kind.name()], view.left_out.count(kind) as f64);
    }
    page.figure("lowtide_tick_cpu_seconds", "CPU that the last tick took.", view.tick_cpu.as_secs_f64());
    let build = page.gauge("lowtide_build_info", "1 for the version that runs.", &["version"]);
    build.set(&[env!("CARGO_PKG_VERSION")], 1.0);
    let ticks = page.counter("lowtide_ticks_total", "Turns of the loop.", &[]);
    ticks.set(&[], view.ticks as f64);
}

fn tiers(page: &Page, view: &View) {
    let family = |name, help| page.gauge(name, help, &["tier", "device"]);
    let capacity = family("lowtide_tier_capacity_bytes", "What the tier holds when full.");
    let used = family(
        "lowtide_tier_used_bytes",
        "Swap slots taken in the tier; for a backing device what lies on it, for zswap its pool, for a node what is not free.",
    );
    let stored = family("lowtide_tier_stored_bytes", "Uncompressed bytes whose data the tier holds.");
    let resident = family("lowtide_tier_resident_bytes", "DRAM that the tier takes for what it stores.");
    let fault = family(
        "lowtide_tier_fault_seconds",
        "Measured cost of bringing a page back; none until enough was read.",
    );
    let stuck = page.gauge(
        "lowtide_swap_stuck_bytes",
        "Memory that was sent to the device and stays in DRAM: its writes fail.",
        &["device"],
    );
    if let Some(found) = &view.stuck {
        stuck.set(&[&found.device.text()], found.size.as_f64());
    }
    let fault_age = family("lowtide_tier_fault_age_seconds", "Time since that cost was measured.");
    for (tier, cost) in view.host.tiers.iter().zip(&view.costs) {
        if let Some(age) = cost.age {
            let labels = [tier.kind.name(), &tier.device.text()];
            fault.set(&labels, cost.fault.time.as_secs_f64());
            fault_age.set(&labels, age.as_secs_f64());
        }
        let set = |family: &Family<'_>, bytes: Bytes| {
            family.set(&[tier.kind.name(), &tier.device.text()], bytes.as_f64());
        };
        set(&capacity, tier.capacity);
        set(&used, tier.used);
        set(&stored, tier.stored);
        set(&resident, tier.resident);
    }
}

/// What a tier's watermarks are about: the memory that it may take, and its slots.
fn fills(page: &Page, view: &View) {
    let fill = page.gauge(
        "lowtide_tier_fill_ratio",
        "Share taken of what the tier may take: memory (zram with a mem_limit, zswap), slots, space (a backing device).",
        &["tier", "device", "of"],
    );
    for tier in &view.host.tiers {
        let set = |of, share: Ratio| {
            fill.set(&[tier.kind.name(), &tier.device.text(), of], share.get());
        };
        let used = tier.used.share_of(tier.capacity);
        // A backing device has no slots of its own.
        let of = match tier.kind.capacity() {
            Capacity::Memory | Capacity::Pool => "memory",
            Capacity::Device if tier.has_slots() => "slots",
            Capacity::Device => "space",
        };
        set(of, used);
        if let Some(limit) = tier.resident_limit {
            set("memory", tier.resident.share_of(limit));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a Prometheus sample is a float")]
fn balancer(page: &Page, view: &View) {
    let moved = page.counter(
        "lowtide_balancer_moved_bytes_total",
        "Uncompressed bytes that the balancer moved from a faster to a slower device.",
        &["from", "to"],
    );
    let decisions = page.counter(
        "lowtide_balancer_decisions_total",
        "Decisions of the balancer by action and reason.",
        &["device", "action", "reason"],
    );
    for StoreView { store, moved: bytes, decisions: counts, .. } in &view.balancer {
        if let Some(below) = &store.below {
            moved.set(&[&*store.device, &*below.device], bytes.as_f64());
        }
        for ((action, reason), count) in counts {
            decisions.set(&[&*store.device, action, reason], *count as f64);
        }
    }
}

fn endurance(page: &Page, view: &View) {
    let written = page.counter(
        "lowtide_tier_written_bytes_total",
        "Bytes written to a backing device for zram since that was set up, by whomever.",
        &["tier", "device"],
    );
    let family = |name, help| page.gauge(name, help, &["tier", "device"]);
    let budget = family("lowtide_tier_write_budget_bytes", "What may be written to the device in 24 h.");
    let left = family("lowtide_tier_write_budget_left_bytes", "What of it has not been written.");
    for StoreView { store, budget: allowed, written: day, .. } in &view.balancer {
        let Some(below) = &store.below else { continue };
        let labels = [TierKind::Disk.name(), &*below.device];
        written.set(&labels, below.written.as_f64());
        budget.set(&labels, allowed.as_f64());
        left.set(&labels, (*allowed - *day).as_f64());
    }
}

fn sizes(page: &Page, rows: &[Exported<'_>]) {
    let memory = page.gauge("lowtide_cgroup_memory_bytes", "memory.current of the cgroup.", &["cgroup"]);
    let saved = page.gauge(
        "lowtide_cgroup_net_saved_bytes",
        "Offloaded bytes, less what the tiers take from DRAM for them.",
        &["cgroup"],
    );
    let price = page.gauge(
        "lowtide_cgroup_price_ratio",
        "Today's price, as a share of the greatest that the SLO allows.",
        &["cgroup"],
    );
    let slowdown = page.gauge(
        "lowtide_cgroup_slowdown_ratio",
        "Stall of what came back to the cgroup, over the processor time of its tasks.",
        &["cgroup"],
    );
    let offloaded = page.gauge(
        "lowtide_cgroup_offloaded_bytes",
        "Uncompressed bytes of the cgroup that live in the tier.",
        &["cgroup", "tier"],
    );
    let compressed = page.gauge(
        "lowtide_cgroup_compressed_ratio",
        "What compression leaves of the cgroup's memory, as a share of it.",
        &["cgroup"],
    );
    for row in rows.iter().copied() {
        let cgroup = row.cgroup;
        if let Some(found) = cgroup.compressed {
            compressed.alone(row, &[], found.share.get());
        }
        memory.of(row, &[], cgroup.memory.current.as_f64());
        saved.of(row, &[], cgroup.net_saved.as_f64());
        price.alone(row, &[], cgroup.decision.figures.price.get());
        if let Some(share) = cgroup.decision.figures.slowdown {
            slowdown.alone(row, &[], share.get());
        }
        // Two devices of one kind add up: the label is the tier, not the device.
        let mut by_kind: BTreeMap<&str, Bytes> = BTreeMap::new();
        for placed in &cgroup.placed {
            *by_kind.entry(placed.kind.name()).or_default() += placed.bytes;
        }
        for (kind, bytes) in by_kind {
            offloaded.of(row, &[kind], bytes.as_f64());
        }
    }
}

fn pressure(page: &Page, rows: &[Exported<'_>]) {
    let family = page.gauge(
        "lowtide_cgroup_pressure_ratio",
        "Share of the last interval in which tasks stalled.",
        &["cgroup", "resource", "kind"],
    );
    for row in rows.iter().copied() {
        let stalls = &row.cgroup.stalls;
        let set = |resource, kind, share: Option<Ratio>| {
            if let Some(share) = share {
                family.alone(row, &[resource, kind], share.get());
            }
        };
        set("memory", "some", stalls.memory_some);
        set("memory", "full", stalls.memory_full);
        set("io", "some", stalls.io_some);
        set("io", "full", stalls.io_full);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a Prometheus sample is a float")]
fn sampling(page: &Page, view: &View) {
    let sampling = &view.sampling;
    let source = page.gauge("lowtide_hotness_source", "1 for where idle ages come from.", &["source"]);
    source.set(&[sampling.source.map_or("none", Source::name)], 1.0);
    let cpu = page.counter("lowtide_hotness_cpu_seconds_total", "CPU that looks at idle ages took.", &[]);
    cpu.set(&[], sampling.cpu.as_secs_f64());
    let looks = page.counter("lowtide_hotness_looks_total", "Looks at idle ages.", &[]);
    looks.set(&[], sampling.looks as f64);
}

fn idle(page: &Page, rows: &[Exported<'_>]) {
    let working_set = page.gauge(
        "lowtide_cgroup_working_set_bytes",
        "Bytes in DRAM that were touched within cold_after.",
        &["cgroup"],
    );
    let idle = page.gauge(
        "lowtide_cgroup_idle_bytes",
        "Bytes in DRAM that have been idle for at least so many seconds.",
        &["cgroup", "age_ge"],
    );
    let error = page.gauge(
        "lowtide_cgroup_idle_error_bytes",
        "Half of the 95 % interval around the bytes that have been idle for so long.",
        &["cgroup", "age_ge"],
    );
    let precision = page.gauge(
        "lowtide_cgroup_precision_ratio",
        "Share of what left DRAM lately that had been idle for cold_after, by sampled pages.",
        &["cgroup"],
    );
    let sampled = page.gauge(
        "lowtide_cgroup_precision_pages",
        "Sampled pages that lowtide_cgroup_precision_ratio is of.",
        &["cgroup"],
    );
    let forecast_net = page.gauge(
        "lowtide_cgroup_forecast_net_bytes",
        "DRAM that mode full would save net, beyond what is offloaded.",
        &["cgroup"],
    );
    let forecast_error = page.gauge(
        "lowtide_cgroup_forecast_error_bytes",
        "Half of the 95 % interval around lowtide_cgroup_forecast_net_bytes, from the source of ages and from what is not known of compression.",
        &["cgroup"],
    );
    let forecast_back = page.gauge(
        "lowtide_cgroup_forecast_refaulted_bytes",
        "Bytes that would be faulted back in a minute.",
        &["cgroup"],
    );
    for row in rows.iter().copied() {
        let Some(forecast) = &row.cgroup.forecast else { continue };
        forecast_net.of(row, &[], forecast.net.as_f64());
        forecast_back.of(row, &[], forecast.refaulted_per_minute.as_f64());
        if let Some(error) = forecast.net_error {
            forecast_error.alone(row, &[], error.as_f64());
        }
    }
    let cut = page.gauge(
        "lowtide_cgroup_cut_seconds",
        "Idle age from which on anonymous memory may go.",
        &["cgroup"],
    );
    for row in rows.iter().copied() {
        let Some(hotness) = &row.cgroup.hotness else { continue };
        working_set.of(row, &[], hotness.working_set.as_f64());
        cut.alone(row, &[], hotness.cut.as_secs_f64());
        for (index, boundary) in BOUNDARIES.iter().enumerate() {
            let named = EXPORTED.iter().find(|(seconds, _)| *seconds == boundary.as_secs());
            let Some((_, age)) = named else { continue };
            let bytes = hotness.histogram.at_least(index).total();
            idle.of(row, &[age], bytes.as_f64());
            if let Some(half) = hotness.resolution.error_of(bytes) {
                error.alone(row, &[age], half.as_f64());
            }
        }
        if let Some(measured) = hotness.precision {
            precision.alone(row, &[], measured.share.get());
            sampled.alone(row, &[], measured.pages);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a Prometheus sample is a float")]
fn accounts(page: &Page, rows: &[Exported<'_>]) {
    let family = |name, help| page.counter(name, help, &["cgroup"]);
    let requested = family("lowtide_reclaim_requested_bytes_total", "Asked of the kernel.");
    let effective = family("lowtide_reclaim_effective_bytes_total", "What really left DRAM.");
    let cpu = family("lowtide_reclaim_cpu_seconds_total", "Kernel CPU spent on reclaim for the cgroup.");
    let decisions = page.counter(
        "lowtide_decisions_total",
        "Decisions by action and reason.",
        &["cgroup", "action", "reason"],
    );
    for row in rows.iter().copied() {
        let account = &row.cgroup.account;
        requested.of(row, &[], account.requested.as_f64());
        effective.of(row, &[], account.effective.as_f64());
        cpu.of(row, &[], account.reclaim_cpu.as_secs_f64());
        for ((action, reason), count) in &account.decisions {
            decisions.of(row, &[action, reason], *count as f64);
        }
    }
}
