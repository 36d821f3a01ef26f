use std::collections::BTreeMap;

use lowtide_core::{
    Above, Bytes, Limit, Memory, MemoryStat,
    lineage::{Limits, Settings},
};
use lowtide_kernfs::{
    Errno, Error as FileError, Fault, Files, Operation,
    parse::{bytes, keyed, limit, switch},
};

use crate::{Cgroup, Error, Result};

impl Cgroup {
    /// Its memory now, with its limits.
    ///
    /// That of the root is [the host's](Cgroup::memory_of_host). [`Error::NoMemoryController`] where the
    /// memory controller is off, and for a root that was opened by its directory alone; [`Error::is_gone`] if
    /// the cgroup vanished meanwhile.
    pub fn memory(&self) -> Result<Memory> {
        self.memory_within(self.limits(false)?)
    }

    /// Its memory now, within limits that are known: three files, of three system calls each.
    ///
    /// `memory.zswap.current` is not read: memory.stat has the same number as `zswap` (`zswap_current_read`
    /// and the stat table both show `MEMCG_ZSWAP_B`, mm/memcontrol.c).
    ///
    /// Fails as [`memory`](Self::memory) does.
    pub fn memory_within(&self, limits: Limits) -> Result<Memory> {
        let current = self.dir().parse_record("memory.current", bytes)?;
        let current = match (current, self.host()) {
            (Some(current), _) => current,
            (None, Some(host)) => return self.memory_of_host(host),
            (None, None) => return Err(self.lacks("memory.current")),
        };
        let (stat, zswap_current) = self.stat()?;
        Ok(Memory {
            current,
            swap_current: self.dir().parse_record("memory.swap.current", bytes)?,
            min: limits.min,
            low: limits.low,
            swap_max: limits.swap_max,
            swap_high: limits.swap_high,
            above: Above::default(),
            zswap_current,
            stat,
            slow: BTreeMap::new(),
        })
    }

    /// memory.stat, and `zswap` of it.
    pub(crate) fn stat(&self) -> Result<(MemoryStat, Option<Bytes>)> {
        self.dir().parse_record("memory.stat", parse_stat)?.ok_or_else(|| self.lacks("memory.stat"))
    }

    /// Its memory now, for who does not ask what is set: its limits are as if there were none. Three files,
    /// where [`memory`](Self::memory) reads seven.
    ///
    /// Fails as that does.
    pub fn usage(&self) -> Result<Memory> {
        self.memory_within(Limits::default())
    }

    /// What somebody has set of it: four files, and two of zswap if `with_zswap`. One that is gone, or has no
    /// memory controller, has nothing set.
    pub fn limits(&self, with_zswap: bool) -> Result<Limits> {
        let limit_of = |file| self.dir().parse_record(file, limit);
        let mut limits = Limits {
            min: self.protection("memory.min")?,
            low: self.protection("memory.low")?,
            swap_max: limit_of("memory.swap.max")?,
            swap_high: limit_of("memory.swap.high")?,
            ..Limits::default()
        };
        if with_zswap {
            limits.zswap_max = limit_of("memory.zswap.max")?;
            limits.zswap_writeback = self.dir().parse_record("memory.zswap.writeback", switch)?;
        }
        Ok(limits)
    }

    /// What bears on those below it; `None` without the memory controller. One that is gone has none of it.
    pub fn settings(&self, limits: Limits) -> Result<Option<Settings>> {
        let Some(current) = self.dir().parse_record("memory.current", bytes)? else { return Ok(None) };
        // Without a limit nobody asks how near it is.
        let used = |limits: &[Option<Limit>], file: &str| -> Result<Bytes> {
            let is_limited = limits.iter().flatten().any(|limit| *limit != Limit::Max);
            let used = if is_limited { self.dir().parse_record(file, bytes)? } else { None };
            Ok(used.unwrap_or_default())
        };
        let swap_current = used(&[limits.swap_max, limits.swap_high], "memory.swap.current")?;
        let zswap_current = used(&[limits.zswap_max], "memory.zswap.current")?;
        Ok(Some(Settings { current, swap_current, zswap_current, limits }))
    }

    /// memory.min and memory.low; `max` protects everything.
    fn protection(&self, file: &str) -> Result<Bytes> {
        Ok(self.dir().parse_record(file, limit)?.map_or(Bytes::ZERO, Limit::bytes))
    }

    fn lacks(&self, file: &str) -> Error {
        let path = self.dir().path().join(file).into();
        self.no_memory_file(FileError::System { operation: Operation::Open, path, errno: Errno::ENOENT })
    }
}

/// Understands memory.stat; beside the table, `zswap`: the compressed bytes, which are memory.zswap.current.
///
/// Sizes are in bytes, event counters and the workingset's in pages (`memcg_page_state_output_unit`,
/// mm/memcontrol.c). The lists and `anon` and `file` have to be there: without them there is nothing to
/// decide from.
pub fn parse_stat(text: &str) -> Result<(MemoryStat, Option<Bytes>), Fault> {
    let mut stat = MemoryStat::default();
    let mut zswap = None;
    let mut required = 0;
    for line in keyed(text) {
        let Some(field) = field(&mut stat, &mut zswap, line.key) else { continue };
        match field {
            Field::Required(size) => {
                *size = line.bytes()?;
                required += 1;
            }
            Field::Size(size) => *size = line.bytes()?,
            Field::OptionalSize(size) => *size = Some(line.bytes()?),
            Field::Pages(counter) => *counter = Some(line.pages()?),
            Field::Faults(sum) => *sum = Some(sum.unwrap_or_default() + line.pages()?),
            Field::HugeFaults(sum) => {
                let beyond = Bytes::new(line.number()?.saturating_mul(HUGE.get()));
                *sum = Some(sum.unwrap_or_default() + beyond);
            }
        }
    }
    if required < REQUIRED {
        return Err(Fault::whole(text, "memory.stat with anon, file and the four lists"));
    }
    Ok((stat, zswap))
}

/// How many [`Field::Required`] there are.
const REQUIRED: usize = 6;

/// A fault that was answered with a huge page, beyond the one that `pgfault` counts for it (2 MiB on x86-64).
const HUGE: Bytes = Bytes::pages(511);

/// Where the value of a line goes, and what it counts.
enum Field<'a> {
    /// Bytes, in every memory.stat.
    Required(&'a mut Bytes),
    /// Bytes; none are as good as zero.
    Size(&'a mut Bytes),
    /// Bytes, which not every kernel tells.
    OptionalSize(&'a mut Option<Bytes>),
    /// Pages so far.
    Pages(&'a mut Option<Bytes>),
    /// Faults so far, of one page each; added up.
    Faults(&'a mut Option<Bytes>),
    /// Those of them that were answered with a huge page.
    HugeFaults(&'a mut Option<Bytes>),
}

fn field<'a>(stat: &'a mut MemoryStat, zswap: &'a mut Option<Bytes>, key: &str) -> Option<Field<'a>> {
    use Field::{Faults, HugeFaults, OptionalSize, Pages, Required, Size};
    Some(match key {
        "anon" => Required(&mut stat.anon),
        "file" => Required(&mut stat.file),
        "inactive_anon" => Required(&mut stat.inactive_anon),
        "active_anon" => Required(&mut stat.active_anon),
        "inactive_file" => Required(&mut stat.inactive_file),
        "active_file" => Required(&mut stat.active_file),
        "shmem" => Size(&mut stat.shmem),
        "file_mapped" => Size(&mut stat.file_mapped),
        "unevictable" => Size(&mut stat.unevictable),
        "file_dirty" => Size(&mut stat.file_dirty),
        "slab_unreclaimable" => Size(&mut stat.slab_unreclaimable),
        "kernel" => OptionalSize(&mut stat.kernel),
        "zswap" => OptionalSize(zswap),
        "zswapped" => OptionalSize(&mut stat.zswapped),
        "swapcached" => OptionalSize(&mut stat.swap_cached),
        "workingset_refault_anon" => Pages(&mut stat.refault_anon),
        "workingset_refault_file" => Pages(&mut stat.refault_file),
        "workingset_activate_anon" => Pages(&mut stat.activate_anon),
        "workingset_activate_file" => Pages(&mut stat.activate_file),
        "zswpin" => Pages(&mut stat.zswap_in),
        "zswpout" => Pages(&mut stat.zswap_out),
        "zswpwb" => Pages(&mut stat.zswap_writeback),
        "pswpin" => Pages(&mut stat.swap_in),
        "pswpout" => Pages(&mut stat.swap_out),
        "pgscan" => Pages(&mut stat.scanned),
        "pgsteal" => Pages(&mut stat.stolen),
        "pgfault" => Faults(&mut stat.faults),
        "thp_fault_alloc" => HugeFaults(&mut stat.faults),
        _ => return None,
    })
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
