use std::time::Duration;

use lowtide_core::Bytes;
use lowtide_kernfs::{Fault, Files};

use super::Owned;
use crate::{
    Error, IdleRegions, Part, Result, Snapshot, Stats, Thread,
    intervals::{self, indices, number, number_if_there},
    regions,
    slot::Command,
    stats,
};

/// Clock ticks a second in /proc (`USER_HZ`), on every architecture that lowtide runs on.
const TICKS: u64 = 100;

impl Owned {
    /// The regions that its schemes try next. Waits for each of them to be applied once: up to the longest
    /// apply interval, or an aggregation.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.need("contexts/N/schemes/N/tried_regions/")?;
        if self.is_tuned()? {
            self.run(Command::UpdateTunedIntervals, None)?;
        }
        self.run(Command::UpdateTriedRegions, None)?;
        regions::read(&*self.context, self.address_unit()?, self.monitored()?)
            .map_err(|error| self.lost_or(error))
    }

    /// The regions that its first scheme tries next and for how long each has been idle, for a scheme of
    /// regions without accesses ([`Scheme::idle`](crate::Scheme::idle)): of thousands of small ones a whole
    /// [`snapshot`](Self::snapshot) takes several times as long. Waits as that does.
    pub fn idle_regions(&self) -> Result<IdleRegions> {
        self.need("contexts/N/schemes/N/tried_regions/")?;
        self.run(Command::UpdateTriedRegions, None)?;
        regions::read_idle(&*self.context, self.address_unit()?).map_err(|error| self.lost_or(error))
    }

    /// What its schemes would try next, in bytes, without the regions.
    pub fn tried_bytes(&self) -> Result<Vec<Bytes>> {
        self.need("contexts/N/schemes/N/tried_regions/total_bytes")?;
        self.run(Command::UpdateTriedBytes, None)?;
        self.each_scheme("tried_regions/total_bytes")
    }

    /// What its schemes have done so far.
    pub fn stats(&self) -> Result<Vec<Stats>> {
        self.run(Command::UpdateStats, None)?;
        stats::read(&*self.context, self.address_unit()?)
    }

    /// The quotas of its schemes as the kernel has tuned them for their goals and time, in bytes for each
    /// reset interval; zero is none.
    pub fn effective_quotas(&self) -> Result<Vec<Bytes>> {
        self.need("contexts/N/schemes/N/quotas/effective_bytes")?;
        self.run(Command::UpdateEffectiveQuotas, None)?;
        self.each_scheme("quotas/effective_bytes")
    }

    /// Sample and aggregation interval as the kernel has tuned them.
    pub fn tuned_intervals(&self) -> Result<(Duration, Duration)> {
        self.need("contexts/N/monitoring_attrs/intervals/intervals_goal/aggrs")?;
        self.run(Command::UpdateTunedIntervals, None)?;
        let standing = intervals::read(&*self.context)?;
        Ok((standing.sample, standing.aggregation))
    }

    /// Processor time that its thread has used.
    pub fn cpu_time(&self) -> Result<Duration> {
        let used = self.thread().map(|thread| thread.cpu_time(&self.root)).transpose()?.flatten();
        used.map_or_else(|| Err(self.off()?), Ok)
    }

    /// [`Error::Missing`] if the kernel does not have the file.
    fn need(&self, file: &str) -> Result<()> {
        if self.capabilities().has_file(file) {
            return Ok(());
        }
        Err(Error::Missing { parts: vec![Part { file: file.to_owned(), keyword: None }] })
    }

    fn each_scheme(&self, file: &str) -> Result<Vec<Bytes>> {
        let (schemes, unit) = (self.context.subdir("schemes")?, self.address_unit()?);
        let values =
            indices(&*schemes)?.into_iter().map(|index| number(&*schemes, &format!("{index}/{file}")));
        values.map(|value| Ok(Bytes::new(value?.saturating_mul(unit)))).collect()
    }

    fn is_tuned(&self) -> Result<bool> {
        let aggregations =
            number_if_there(&*self.context, "monitoring_attrs/intervals/intervals_goal/aggrs")?;
        Ok(aggregations.is_some_and(|count| count > 0))
    }

    fn address_unit(&self) -> Result<u64> {
        regions::address_unit(&*self.context)
    }

    fn monitored(&self) -> Result<Option<Duration>> {
        let Some(Thread { started, .. }) = self.thread() else { return Ok(None) };
        let uptime = self.root.parse_record("proc/uptime", uptime)?;
        let started = Duration::from_millis(started.saturating_mul(1000 / TICKS));
        Ok(uptime.map(|uptime| uptime.saturating_sub(started)))
    }
}

/// The first number of /proc/uptime.
fn uptime(text: &str) -> Result<Duration, Fault> {
    let word = text.split_ascii_whitespace().next().unwrap_or_default();
    let seconds = word.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| Fault::new(1, word, "seconds since boot"))
}
