use std::cmp::Ordering;

use lowtide_core::{Bytes, Ratio};

use crate::model::Tenant;

/// A column of the tenants by which they are sorted: what is most first, paths from A to Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Sort {
    /// The path.
    Cgroup,
    /// Memory in DRAM.
    #[default]
    Dram,
    /// What of it was touched lately.
    WorkingSet,
    /// What of it was not.
    Cold,
    /// Offloaded bytes.
    Offloaded,
    /// Net savings.
    Saved,
    /// Memory pressure of the last turn.
    Pressure,
    /// What came back since the last turn.
    Refaults,
    /// Faulted back in the last minute.
    Back,
}

impl Sort {
    /// All of them, in the order of the columns.
    pub const ALL: [Self; 9] = [
        Self::Cgroup,
        Self::Dram,
        Self::WorkingSet,
        Self::Cold,
        Self::Offloaded,
        Self::Saved,
        Self::Pressure,
        Self::Refaults,
        Self::Back,
    ];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Dram => "dram",
            Self::WorkingSet => "working set",
            Self::Cold => "cold",
            Self::Offloaded => "offloaded",
            Self::Saved => "net saved",
            Self::Pressure => "pressure",
            Self::Refaults => "refaults",
            Self::Back => "back",
        }
    }

    /// The next one, after the last the first.
    #[must_use]
    pub fn next(self) -> Self {
        let after = Self::ALL.into_iter().cycle().skip_while(|sort| *sort != self).nth(1);
        after.unwrap_or_default()
    }

    /// Which of two comes first. What is not known comes last, and the path decides between equals, so that
    /// rows stay where they are.
    pub(super) fn order(self, a: &Tenant, b: &Tenant) -> Ordering {
        let size = |bytes: Option<Bytes>| bytes.map_or(-1.0, Bytes::as_f64);
        let share = |share: Option<Ratio>| share.map_or(-1.0, Ratio::get);
        let figure = |tenant: &Tenant| match self {
            Self::Cgroup => 0.0,
            Self::Dram => tenant.dram.as_f64(),
            Self::WorkingSet => size(tenant.working_set.map(|set| set.size)),
            Self::Cold => size(tenant.cold),
            Self::Offloaded => tenant.offloaded.as_f64(),
            Self::Saved => tenant.net_saved.as_f64(),
            Self::Pressure => share(tenant.memory_pressure),
            Self::Refaults => tenant.refaulted_per_second.unwrap_or(-1.0),
            Self::Back => share(tenant.back_per_minute),
        };
        figure(b).total_cmp(&figure(a)).then_with(|| a.path.cmp(&b.path))
    }
}
