//! What `full` would save of the cgroups that it is not allowed for.

use lowtide_core::{Bytes, Forecast};

use crate::view::View;

/// All forecasts of cgroups that lowtide only observes, added up.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Promise {
    /// How many cgroups that is; for the others nothing can be said yet.
    pub cgroups: usize,
    /// DRAM that would be freed net of what the tiers take for it.
    pub net: Bytes,
    /// So much would be faulted back in a minute.
    pub refaulted_per_minute: Bytes,
}

impl Promise {
    /// `None` without a single forecast.
    #[must_use]
    pub fn of(view: &View) -> Option<Self> {
        let observed = view.cgroups.iter().filter(|cgroup| !cgroup.acting);
        let forecasts: Vec<&Forecast> = observed.filter_map(|cgroup| cgroup.forecast.as_ref()).collect();
        if forecasts.is_empty() {
            return None;
        }
        Some(Self {
            cgroups: forecasts.len(),
            net: forecasts.iter().map(|forecast| forecast.net).sum(),
            refaulted_per_minute: forecasts.iter().map(|forecast| forecast.refaulted_per_minute).sum(),
        })
    }
}
