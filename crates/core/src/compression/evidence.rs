use std::time::Duration;

use super::Mix;
use crate::{
    stored::Stored,
    units::{Bytes, Ratio},
};

/// Fewer bytes say too little: of 256 pages the mean is known to a few hundredths.
pub(super) const TELLING: Bytes = Bytes::mib(1);
/// Half of what was measured is forgotten in this time.
const HALF_LIFE: Duration = Duration::from_mins(30);
/// No more than this is held on to, so that what a tenant stores now is noticed.
pub(super) const MOST: Bytes = Bytes::mib(16);
/// With less than this left, the next request is to be measured.
const THIN: Bytes = Bytes::mib(4);

/// What was measured of one cgroup, fading. Bytes, as floats.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence {
    original: f64,
    compressed: f64,
    incompressible: f64,
    /// Uncompressed bytes, not fading.
    measured: Bytes,
    as_of: Duration,
}

impl Evidence {
    /// Of one request that offloaded so much, and what zram took in for it.
    pub(super) fn of(offloaded: Bytes, stored: &Stored, now: Duration) -> Self {
        let original = offloaded.as_f64();
        let compressed = stored.compressed.as_f64().min(original);
        let incompressible = stored.incompressible.as_f64().min(compressed);
        Self { original, compressed, incompressible, measured: offloaded, as_of: now }
    }

    /// This and `window`, which is newer.
    pub(super) fn and(&self, window: &Self, now: Duration) -> Self {
        let old = self.faded(now).held_to(MOST.as_f64() - window.original);
        Self {
            original: old.original + window.original,
            compressed: old.compressed + window.compressed,
            incompressible: old.incompressible + window.incompressible,
            measured: self.measured + window.measured,
            as_of: now,
        }
    }

    fn faded(&self, now: Duration) -> Self {
        let age = now.saturating_sub(self.as_of).as_secs_f64();
        self.scaled(0.5_f64.powf(age / HALF_LIFE.as_secs_f64()))
    }

    fn held_to(&self, most: f64) -> Self {
        if self.original > most.max(0.0) { self.scaled(most.max(0.0) / self.original) } else { self.clone() }
    }

    fn scaled(&self, by: f64) -> Self {
        Self {
            original: self.original * by,
            compressed: self.compressed * by,
            incompressible: self.incompressible * by,
            ..self.clone()
        }
    }

    /// Uncompressed bytes that were measured.
    pub(super) fn measured(&self) -> Bytes {
        self.measured
    }

    /// Whether little is known, or what is known is old.
    pub(super) fn is_thin(&self, now: Duration) -> bool {
        self.faded(now).original < THIN.as_f64()
    }

    /// Compressed bytes of an uncompressed one, however little was measured; `None` if nothing was.
    pub(super) fn share(&self) -> Option<Ratio> {
        (self.original > 0.0).then(|| Ratio::new(self.compressed / self.original))
    }

    /// How its pages compress; `None` if too little was measured.
    pub(super) fn mix(&self) -> Option<Mix> {
        if self.measured < TELLING || self.original <= 0.0 {
            return None;
        }
        let rest = self.original - self.incompressible;
        Some(Mix {
            incompressible: Ratio::new(self.incompressible / self.original),
            rest: Ratio::new(self.compressed - self.incompressible).over(Ratio::new(rest)),
        })
    }
}
