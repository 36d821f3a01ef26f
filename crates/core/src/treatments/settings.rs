/// Which treatments are switched on; none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Settings {
    /// Memory is compacted in a calm moment.
    pub compaction: bool,
    /// Page cache is reclaimed where removed cgroups hold it.
    pub dying_cgroups: bool,
    /// KSM runs, with its advisor.
    pub ksm: bool,
    /// Page faults leave compaction to kcompactd (`defer+madvise`).
    pub thp_defrag: bool,
    /// Swap-ins read one page where the first swap is compressed memory.
    pub page_cluster: bool,
}

impl Settings {
    /// Whether any of them is on.
    #[must_use]
    pub const fn is_any(self) -> bool {
        self.compaction || self.dying_cgroups || self.ksm || self.thp_defrag || self.page_cluster
    }
}
