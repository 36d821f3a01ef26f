//! The treatments in `status`: a line for each that is switched on.

use std::fmt::{Result, Write};

use lowtide_controllers::{
    CompactionView, DyingView, KsmView, PageClusterView, ThpDefragView, TreatmentsView,
};
use lowtide_core::Bytes;

/// What is treated, what came of it, and why.
pub(crate) fn write(text: &mut String, view: &TreatmentsView) -> Result {
    let TreatmentsView { compaction, dying_cgroups, ksm, thp_defrag, page_cluster, .. } = view;
    compaction.as_ref().map_or(Ok(()), |view| compacting(text, view))?;
    dying_cgroups.as_ref().map_or(Ok(()), |view| releasing(text, view))?;
    ksm.as_ref().map_or(Ok(()), |view| merging(text, view))?;
    thp_defrag.as_ref().map_or(Ok(()), |view| faulting(text, view))?;
    page_cluster.as_ref().map_or(Ok(()), |view| clustering(text, view))
}

fn compacting(text: &mut String, view: &CompactionView) -> Result {
    write!(text, "compaction: ")?;
    if let Some(decision) = &view.decision {
        write!(text, "{} of {} free in huge pieces", decision.pieces.huge, decision.pieces.free)?;
        write!(text, ", {} stalls since the last time; ", decision.stalls)?;
    }
    if let Some(run) = &view.last_run {
        let (before, after) = (run.before.huge, run.after.huge);
        write!(text, "done so far: {}, the last in {:.1} s, ", view.runs, run.took.as_secs_f64())?;
        write!(text, "with {before} in huge pieces before it and {after} after it; ")?;
    }
    writeln!(text, "{}", view.reason.sentence())
}

fn releasing(text: &mut String, view: &DyingView) -> Result {
    write!(text, "dying cgroups: ")?;
    if let Some(decision) = &view.decision {
        write!(text, "{} beside {} living ones", decision.dying, decision.living)?;
        if let Some(before) = view.dying_before {
            write!(text, ", {before} when it began")?;
        }
        write!(text, "; ")?;
    }
    if view.steps > 0 {
        write!(text, "{} of page cache asked for, {} freed; ", view.requested, view.freed)?;
    }
    writeln!(text, "{}", view.reason.sentence())
}

fn merging(text: &mut String, view: &KsmView) -> Result {
    write!(text, "KSM: ")?;
    if let Some(decision) = &view.decision {
        let (now, before) = (signed(decision.profit), signed(decision.profit_before));
        write!(text, "profit {now}, {before} before, {} scans since then; ", decision.scans)?;
    }
    writeln!(text, "{}", view.reason.sentence())
}

fn faulting(text: &mut String, view: &ThpDefragView) -> Result {
    let defrag = view.defrag.as_deref().unwrap_or("unknown");
    write!(text, "huge pages: defrag is {defrag}")?;
    if let Some(decision) = &view.decision {
        if let Some(now) = decision.per_minute {
            write!(text, ", {now:.0} stalls a minute")?;
        }
        if let Some(before) = decision.per_minute_before {
            write!(text, ", {before:.0} before it was set")?;
        }
    }
    writeln!(text, ": {}", view.reason.sentence())
}

fn clustering(text: &mut String, view: &PageClusterView) -> Result {
    let now = view.page_cluster.as_deref().unwrap_or("unknown");
    writeln!(text, "swap-ins: vm.page-cluster is {now}: {}", view.reason.sentence())
}

fn signed(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    format!("{sign}{}", Bytes::new(bytes.unsigned_abs()))
}
