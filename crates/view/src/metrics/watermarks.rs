//! The host's watermarks, while they are adapted.

use super::page::Page;
use crate::view::View;

#[expect(clippy::cast_precision_loss, reason = "a Prometheus sample is a float")]
pub(super) fn watermarks(page: &Page, view: &View) {
    let Some(watermarks) = &view.controllers.watermarks else { return };
    if let Some(factor) = watermarks.factor {
        page.figure(
            "lowtide_watermark_scale_factor",
            "vm.watermark_scale_factor: ten-thousandths of a zone between two of its watermarks.",
            f64::from(factor.get()),
        );
    }
    let stalls = page.counter(
        "lowtide_allocation_stalls_total",
        "Times that a task had to reclaim before it got its page, since the boot.",
        &[],
    );
    if let Some(count) = view.host.allocation_stalls {
        stalls.set(&[], count as f64);
    }
    let decisions = page.counter(
        "lowtide_watermark_decisions_total",
        "Decisions about the watermarks by action and reason.",
        &["action", "reason"],
    );
    for ((action, reason), count) in &watermarks.decisions {
        decisions.set(&[action, reason], *count as f64);
    }
    let Some(decision) = &watermarks.decision else { return };
    let figures = &decision.figures;
    page.figure(
        "lowtide_watermark_scale_factor_limit",
        "The greatest factor that the configuration allows here.",
        f64::from(figures.limit.get()),
    );
    page.figure(
        "lowtide_watermark_available_loss_bytes",
        "What MemAvailable loses at most by the factor that is set.",
        figures.loss.as_f64(),
    );
    page.figure(
        "lowtide_kswapd_cpu_ratio",
        "Share of a core that each kswapd took lately.",
        figures.kswapd_cpu.get(),
    );
}
