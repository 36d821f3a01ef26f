use std::fmt;

/// What is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Treatment {
    /// Free memory in small pieces.
    Compaction,
    /// Removed cgroups that still own pages.
    DyingCgroups,
    /// Equal pages.
    Ksm,
    /// Page faults that compact memory.
    ThpDefrag,
    /// Swap-ins that read pages which nobody wanted.
    PageCluster,
}

impl Treatment {
    /// The key in the configuration, and the label in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compaction => "compaction",
            Self::DyingCgroups => "dying_cgroups",
            Self::Ksm => "ksm",
            Self::ThpDefrag => "thp_defrag",
            Self::PageCluster => "page_cluster",
        }
    }
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
