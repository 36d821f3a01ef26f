//! What has been added up, for the report.

use std::time::SystemTime;

use lowtide_core::savings::Meter;
use lowtide_policy::Price;

/// What has been added up, for the report.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// When the adding up began, by the system's clock.
    pub since: Option<SystemTime>,
    /// Over all runs of the daemon since.
    pub meter: Meter,
    /// What DRAM costs.
    pub price: Option<Price>,
}
