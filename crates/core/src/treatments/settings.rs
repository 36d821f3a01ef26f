/// Which treatments are switched on; none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Settings {
    /// Memory is compacted in a calm moment.
    pub compaction: bool,
    /// Page cache is reclaimed where removed cgroups hold it.
    pub dying_cgroups: bool,
    /// How KSM runs; `None` leaves it alone.
    pub ksm: Option<KsmMode>,
    /// What page faults do for huge pages; `None` leaves that alone.
    pub thp_defrag: Option<DefragMode>,
    /// Swap-ins read one page where the first swap is compressed memory.
    pub page_cluster: bool,
}

/// How KSM runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KsmMode {
    /// Its scan-time advisor says how fast.
    Advisor,
}

/// What page faults do for huge pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DefragMode {
    /// They leave compaction to kcompactd, but where a program asked for huge pages (`defer+madvise`).
    DeferMadvise,
}

impl Settings {
    /// Whether any of them is on.
    #[must_use]
    pub const fn is_any(self) -> bool {
        self.compaction
            || self.dying_cgroups
            || self.ksm.is_some()
            || self.thp_defrag.is_some()
            || self.page_cluster
    }
}
