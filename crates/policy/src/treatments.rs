//! Which treatments are switched on.

use lowtide_core::treatments::Settings;

use crate::raw::HostTreatments;

/// The settings; without a key a treatment is off.
pub(crate) fn treatments(raw: &HostTreatments) -> Settings {
    Settings {
        compaction: raw.compaction.unwrap_or(false),
        dying_cgroups: raw.dying_cgroups.unwrap_or(false),
        ksm: raw.ksm,
        thp_defrag: raw.thp_defrag,
        page_cluster: raw.page_cluster.unwrap_or(false),
    }
}
