use lowtide_core::Bytes;

use crate::{
    Result,
    directory::Directory,
    intervals::{indices, number, number_if_there},
};

/// What a scheme has done since it was started: cumulative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// `nr_tried`: regions with its pattern.
    pub tried: u64,
    /// `sz_tried`: bytes in them.
    pub tried_bytes: Bytes,
    /// `nr_applied`: regions to which the action was done, at least in part.
    pub applied: u64,
    /// `sz_applied`: bytes to which it was.
    pub applied_bytes: Bytes,
    /// `sz_ops_filter_passed` (6.14 and later): bytes that the filters of the operations let pass.
    pub passed_bytes: Option<Bytes>,
    /// `qt_exceeds`: how often the quota ended it.
    pub quota_exceeded: u64,
    /// `nr_snapshots` (7.0 and later): how often it went through all regions.
    pub snapshots: Option<u64>,
}

/// One for each scheme. Bytes are multiplied by the address unit.
pub(crate) fn read(context: &dyn Directory, unit: u64) -> Result<Vec<Stats>> {
    let schemes = context.subdir("schemes")?;
    let stats = indices(&*schemes)?.into_iter().map(|index| {
        let stats = schemes.subdir(&format!("{index}/stats"))?;
        let bytes = |count: u64| Bytes::new(count.saturating_mul(unit));
        Ok(Stats {
            tried: number(&*stats, "nr_tried")?,
            tried_bytes: bytes(number(&*stats, "sz_tried")?),
            applied: number(&*stats, "nr_applied")?,
            applied_bytes: bytes(number(&*stats, "sz_applied")?),
            passed_bytes: number_if_there(&*stats, "sz_ops_filter_passed")?.map(bytes),
            quota_exceeded: number(&*stats, "qt_exceeds")?,
            snapshots: number_if_there(&*stats, "nr_snapshots")?,
        })
    });
    stats.collect()
}
