use std::time::Duration;

use super::Factor;
use crate::units::Ratio;

/// How the controller is set, each range enforced.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Settings {
    /// The greatest factor that is ever set.
    pub max_scale_factor: Factor,
    /// What MemAvailable may lose, as a share of MemTotal.
    pub available_loss: Ratio,
    /// So long there has to be no direct reclaim before the factor is lowered by a step.
    pub protection: Duration,
}

impl Settings {
    /// The greatest factor unless the configuration says otherwise: a tenth of memory between two marks.
    pub const MAX_SCALE_FACTOR: u16 = 1000;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_scale_factor: Factor::new(Self::MAX_SCALE_FACTOR).unwrap_or(Factor::LEAST),
            available_loss: Ratio::percent(2.0),
            protection: Duration::from_mins(5),
        }
    }
}
