use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use lowtide_core::Bytes;

use crate::{
    AddressRange, Result,
    directory::Directory,
    intervals::{self, indices, number, number_if_there},
};

/// What DAMON knew at one moment: the regions that each scheme tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The aggregation interval: what ages are counted in.
    pub aggregation: Duration,
    /// Samples in one: the highest access count of a region.
    pub samples: u64,
    /// For how long the kdamond has run; what was idle before is not known to be. `None` if that is not
    /// known.
    pub monitored: Option<Duration>,
    /// One for each scheme, in the order of the description.
    pub schemes: Vec<Tried>,
}

/// The regions that one scheme tried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tried {
    /// `total_bytes`: what they measure together. (6.6 and later; before, their sum.)
    pub total: Bytes,
    /// In the order of the kernel: by target, then by address.
    pub regions: Vec<Region>,
}

/// A range of memory that is accessed alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Where it is.
    pub range: AddressRange,
    /// In how many samples of the last aggregation it was found accessed.
    pub accesses: u64,
    /// For how long that has been so, in whole aggregations. Up to 6.12 small changes count as none: see
    /// [`Intervals`](crate::Intervals).
    pub age: Duration,
    /// `sz_filter_passed` (6.14 and later): bytes of it that are in memory and passed the scheme's filters of
    /// the operations; `None` if the scheme has none, which the kernel says as zero.
    pub passed: Option<Bytes>,
    /// `probes/N/hits` (by 7.3), for each probe.
    pub probe_hits: Vec<u64>,
}

/// Bytes that have been idle for about the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cohort {
    /// They have been idle for at least so long.
    pub youngest: Duration,
    /// And at most so long; `None` if they have been ever since somebody looked.
    pub oldest: Option<Duration>,
    /// How many.
    pub bytes: Bytes,
}

impl Region {
    /// Addresses in it, whether or not there is memory behind them.
    #[must_use]
    pub const fn size(&self) -> Bytes {
        Bytes::new(self.range.end() - self.range.start())
    }

    /// Bytes that the scheme is about: those that passed its filters, or all.
    #[must_use]
    pub const fn bytes(&self) -> Bytes {
        match self.passed {
            Some(passed) => passed,
            None => self.size(),
        }
    }

    /// How long it has not been accessed; nothing if it was in the last aggregation.
    #[must_use]
    pub const fn idle(&self) -> Duration {
        if self.accesses == 0 { self.age } else { Duration::ZERO }
    }
}

impl Snapshot {
    /// The bytes of a scheme by how long they have been idle, youngest first; none if there is no such
    /// scheme.
    ///
    /// A region without accesses for `age` aggregations was last accessed in the one before that, or in one
    /// in which its count changed too: so its oldest is two aggregations more. One that is as old as the
    /// monitoring may be older. Merged regions have the mean of their ages.
    #[must_use]
    pub fn cohorts(&self, scheme: usize) -> Vec<Cohort> {
        let mut cohorts: BTreeMap<Duration, Bytes> = BTreeMap::new();
        let (mut touched, regions) =
            (Bytes::ZERO, self.schemes.get(scheme).map_or(&[][..], |tried| &tried.regions));
        for region in regions {
            if region.accesses == 0 {
                *cohorts.entry(region.age).or_default() += region.bytes();
            } else {
                touched += region.bytes();
            }
        }
        let recent = Cohort { youngest: Duration::ZERO, oldest: Some(self.aggregation), bytes: touched };
        let idle = cohorts.into_iter().map(|(youngest, bytes)| Cohort {
            youngest,
            oldest: self.oldest(youngest),
            bytes,
        });
        [recent].into_iter().chain(idle).filter(|cohort| !cohort.bytes.is_zero()).collect()
    }

    fn oldest(&self, age: Duration) -> Option<Duration> {
        let oldest = age + 2 * self.aggregation;
        let since_start = self.monitored.is_some_and(|monitored| oldest >= monitored);
        (!since_start).then_some(oldest)
    }
}

/// How long small regions have been idle, by where they start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleRegions {
    /// What ages are counted in.
    pub aggregation: Duration,
    /// The first address of each region that the first scheme tried, and its age.
    pub ages: HashMap<u64, Duration>,
}

/// What addresses are counted in: only physical ones are.
pub(crate) fn address_unit(context: &dyn Directory) -> Result<u64> {
    let physical = context.read("operations")?.trim_ascii() == "paddr";
    let unit = number_if_there(context, "addr_unit")?;
    Ok(unit.filter(|_| physical).unwrap_or(1))
}

/// Two files of each region, and not all of them.
pub(crate) fn read_idle(context: &dyn Directory, unit: u64) -> Result<IdleRegions> {
    let aggregation = intervals::read(context)?.aggregation;
    let tried = context.subdir("schemes/0/tried_regions")?;
    let region = |index: u32| {
        let start = number(&*tried, &format!("{index}/start"))?.saturating_mul(unit);
        let age = u32::try_from(number(&*tried, &format!("{index}/age"))?).unwrap_or(u32::MAX);
        Ok((start, aggregation.saturating_mul(age)))
    };
    let ages = indices(&*tried)?.into_iter().map(region).collect::<Result<_>>()?;
    Ok(IdleRegions { aggregation, ages })
}

/// The regions as they stand in the tree. Addresses and bytes are multiplied by the address unit.
pub(crate) fn read(context: &dyn Directory, unit: u64, monitored: Option<Duration>) -> Result<Snapshot> {
    let intervals = intervals::read(context)?;
    let schemes = context.subdir("schemes")?;
    let reader = Reader { unit, aggregation: intervals.aggregation };
    let tried = indices(&*schemes)?.into_iter().map(|index| {
        let scheme = schemes.subdir(&index.to_string())?;
        reader.tried(&*scheme)
    });
    let samples = intervals.aggregation.as_micros() / intervals.sample.as_micros().max(1);
    Ok(Snapshot {
        aggregation: intervals.aggregation,
        samples: u64::try_from(samples).unwrap_or(u64::MAX),
        monitored,
        schemes: tried.collect::<Result<_>>()?,
    })
}

struct Reader {
    unit: u64,
    aggregation: Duration,
}

impl Reader {
    fn tried(&self, scheme: &dyn Directory) -> Result<Tried> {
        let filtered = has_operations_filter(scheme)?;
        let tried = scheme.subdir("tried_regions")?;
        let regions = indices(&*tried)?.into_iter().filter_map(|index| {
            let region = tried.subdir(&index.to_string()).map_err(Into::into);
            region.and_then(|region| self.region(&*region, filtered)).transpose()
        });
        let regions: Vec<_> = regions.collect::<Result<_>>()?;
        let total = number_if_there(&*tried, "total_bytes")?;
        let total = total.map_or_else(|| regions.iter().map(Region::size).sum(), |count| self.bytes(count));
        Ok(Tried { total, regions })
    }

    /// `None` if it is empty, which is not seen.
    fn region(&self, region: &dyn Directory, filtered: bool) -> Result<Option<Region>> {
        let address = |file: &str| Ok::<_, crate::Error>(number(region, file)?.saturating_mul(self.unit));
        let Some(range) = AddressRange::new(address("start")?, address("end")?) else { return Ok(None) };
        let age = u32::try_from(number(region, "age")?).unwrap_or(u32::MAX);
        let passed = number_if_there(region, "sz_filter_passed")?.filter(|_| filtered);
        Ok(Some(Region {
            range,
            accesses: number(region, "nr_accesses")?,
            age: self.aggregation.saturating_mul(age),
            passed: passed.map(|count| self.bytes(count)),
            probe_hits: probe_hits(region)?,
        }))
    }

    const fn bytes(&self, count: u64) -> Bytes {
        Bytes::new(count.saturating_mul(self.unit))
    }
}

fn probe_hits(region: &dyn Directory) -> Result<Vec<u64>> {
    match region.subdir("probes") {
        Ok(probes) => {
            indices(&*probes)?.into_iter().map(|index| number(&*probes, &format!("{index}/hits"))).collect()
        }
        Err(error) if error.is_missing() => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the scheme has a filter that counts what passes.
fn has_operations_filter(scheme: &dyn Directory) -> Result<bool> {
    if number_if_there(scheme, "ops_filters/nr_filters")?.is_some_and(|count| count > 0) {
        return Ok(true);
    }
    let filters = match scheme.subdir("filters") {
        Err(error) if error.is_missing() => return Ok(false),
        other => other?,
    };
    for index in indices(&*filters)? {
        let kind = filters.read(&format!("{index}/type"))?;
        if !matches!(kind.trim_ascii(), "addr" | "target") {
            return Ok(true);
        }
    }
    Ok(false)
}
