//! What is treated, while something is switched on.

use lowtide_controllers::{CompactionView, DyingView, KsmView, ThpDefragView, TreatmentsView};

use super::page::Page;
use crate::view::View;

#[expect(clippy::cast_precision_loss, reason = "a Prometheus sample is a float")]
pub(super) fn treatments(page: &Page, view: &View) {
    let Some(view) = &view.controllers.treatments else { return };
    let TreatmentsView { pressure, compaction, dying_cgroups, ksm, thp_defrag, page_cluster, decisions } =
        view;
    let counts = page.counter(
        "lowtide_treatment_decisions_total",
        "Decisions about treatments by action and reason.",
        &["treatment", "action", "reason"],
    );
    for (treatment, action, reason, count) in decisions.iter() {
        counts.set(&[treatment, action, reason], count as f64);
    }
    if let Some(share) = pressure {
        page.figure(
            "lowtide_treatment_pressure_ratio",
            "Share of the last minute in which some task of the host stalled on memory.",
            share.get(),
        );
    }
    let held = page.gauge(
        "lowtide_treatment_held",
        "1 while lowtide holds a kernel setting of the treatment, else 0.",
        &["treatment"],
    );
    let set_held = |treatment, is_held: bool| held.set(&[treatment], f64::from(u8::from(is_held)));
    if let Some(view) = ksm {
        set_held("ksm", view.held);
        merging(page, view);
    }
    if let Some(view) = thp_defrag {
        set_held("thp_defrag", view.held);
        faulting(page, view);
    }
    if let Some(view) = page_cluster {
        set_held("page_cluster", view.held);
    }
    if let Some(view) = compaction {
        compacting(page, view);
    }
    if let Some(view) = dying_cgroups {
        releasing(page, view);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a Prometheus sample is a float")]
fn compacting(page: &Page, view: &CompactionView) {
    let count = |name, help, value: f64| page.counter(name, help, &[]).set(&[], value);
    count("lowtide_compaction_runs_total", "Compactions that ended.", view.runs as f64);
    count(
        "lowtide_compaction_seconds_total",
        "How long compactions took, by the clock.",
        view.took.as_secs_f64(),
    );
    count(
        "lowtide_compaction_gained_bytes_total",
        "What compactions added to free memory in pieces of 2 MiB and more.",
        view.gained.as_f64(),
    );
    let Some(decision) = &view.decision else { return };
    let free = page.gauge(
        "lowtide_free_pieces_bytes",
        "Free memory by the size of its pieces: huge is 2 MiB and more.",
        &["size"],
    );
    free.set(&["huge"], decision.pieces.huge.as_f64());
    free.set(&["small"], decision.pieces.small().as_f64());
}

#[expect(clippy::cast_precision_loss, reason = "a Prometheus sample is a float")]
fn releasing(page: &Page, view: &DyingView) {
    let count = |name, help, value: f64| page.counter(name, help, &[]).set(&[], value);
    count(
        "lowtide_dying_cgroups_requested_bytes_total",
        "Page cache asked for to release dying cgroups.",
        view.requested.as_f64(),
    );
    count("lowtide_dying_cgroups_freed_bytes_total", "What left DRAM for it.", view.freed.as_f64());
    if let Some(decision) = &view.decision {
        page.figure("lowtide_dying_cgroups", "Removed cgroups that still own memory.", decision.dying as f64);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a Prometheus sample is a float")]
fn merging(page: &Page, view: &KsmView) {
    if let Some(decision) = &view.decision {
        page.figure(
            "lowtide_ksm_profit_bytes",
            "Bytes that KSM merged, less those of its records; may be below 0.",
            decision.profit as f64,
        );
    }
}

fn faulting(page: &Page, view: &ThpDefragView) {
    if let Some(rate) = view.decision.and_then(|decision| decision.per_minute) {
        page.figure(
            "lowtide_compact_stalls_per_minute",
            "Times in the last minute that a task compacted memory before it got its page.",
            rate,
        );
    }
}
