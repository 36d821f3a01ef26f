use std::time::Duration;

use super::Fill;
use crate::units::{ByteRate, Bytes, Ratio};

/// Share of its size that a device may be written a day, unless the configuration says otherwise.
///
/// Consumer SSDs are warranted for about this much (Samsung 970 EVO, 1 TB: 600 TB in 5 years, 0.33 a day),
/// server SSDs for 1 and more. It is of the partition that zram was given, so what else is on the drive keeps
/// its share.
pub const DRIVE_WRITES_PER_DAY: Ratio = Ratio::percent(30.0);

/// How the balancer is set, each range enforced: `low` is below `watermark`, no time and no rate is nothing.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Settings {
    /// Fill of the fast tier from which on pages sink.
    pub watermark: Ratio,
    /// Fill at which that ends.
    pub low: Ratio,
    /// Time from one look at the fill to the next.
    pub scan_interval: Duration,
    /// Nothing sinks that was stored, or read, less than this ago.
    pub min_age: Duration,
    /// Uncompressed bytes that sink in a second, at most.
    pub rate: ByteRate,
    /// Bytes written to one slower device in any 24 h; `None` for [`DRIVE_WRITES_PER_DAY`] of its size.
    pub write_budget: Option<Bytes>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            watermark: Ratio::percent(80.0),
            low: Ratio::percent(70.0),
            scan_interval: Duration::from_secs(10),
            min_age: Duration::from_mins(10),
            rate: ByteRate::per_second(Bytes::mib(64)),
            write_budget: None,
        }
    }
}

impl Settings {
    /// Bytes that may be written to a device of this size in 24 h, in whole pages.
    #[must_use]
    pub fn budget(&self, capacity: Bytes) -> Bytes {
        self.write_budget.unwrap_or_else(|| capacity.scale(DRIVE_WRITES_PER_DAY)).whole_pages()
    }

    /// Half-way from the watermark to full, a full store is the greater harm: then nothing can be swapped out
    /// at all.
    #[must_use]
    pub fn is_urgent(&self, fill: Fill) -> bool {
        fill.memory.get() >= f64::midpoint(self.watermark.get(), 1.0)
    }

    /// Bytes a second.
    #[must_use]
    pub(super) fn per_second(&self) -> f64 {
        self.rate.over(Duration::from_secs(1)).as_f64().max(1.0)
    }
}
