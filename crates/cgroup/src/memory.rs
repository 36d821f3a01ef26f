use std::collections::BTreeMap;

use lowtide_core::{
    Bytes, Limit, Memory, MemoryStat,
    lineage::{Above, Limits, Settings},
};
use lowtide_kernfs::{
    Errno, Error as FileError, Fault, Files, Operation,
    parse::{Keyed, bytes, keyed, limit, switch},
};

use crate::{Cgroup, Error, Result};

impl Cgroup {
    /// Its memory now, with its limits.
    ///
    /// [`Error::NoMemoryController`] for the root, and where the memory controller is off; [`Error::is_gone`] if the
    /// cgroup vanished meanwhile.
    pub fn memory(&self) -> Result<Memory> {
        self.memory_within(self.limits(false)?)
    }

    /// Its memory now, within limits that are known: three files, of three system calls each.
    ///
    /// `memory.zswap.current` is not read: memory.stat has the same number as `zswap` (`zswap_current_read` and the
    /// stat table both show `MEMCG_ZSWAP_B`, mm/memcontrol.c).
    ///
    /// Fails as [`memory`](Self::memory) does.
    pub fn memory_within(&self, limits: Limits) -> Result<Memory> {
        let current = self.dir().parse_record("memory.current", bytes)?;
        let current = current.ok_or_else(|| self.lacks("memory.current"))?;
        let (stat, zswap_current) =
            self.dir().parse_record("memory.stat", parse_stat)?.ok_or_else(|| self.lacks("memory.stat"))?;
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

    /// What somebody has set of it: four files, and two of zswap if `with_zswap`. One that is gone, or has no memory controller, has
    /// nothing set.
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
/// mm/memcontrol.c). The lists and `anon` and `file` have to be there: without them there is nothing to decide from.
pub fn parse_stat(text: &str) -> Result<(MemoryStat, Option<Bytes>), Fault> {
    let mut stat = MemoryStat::default();
    let mut zswap = None;
    let mut required = 0;
    for line in keyed(text) {
        if line.key == "zswap" {
            zswap = Some(line.bytes()?);
        } else {
            required += usize::from(set_size(&mut stat, &line)?);
            set_count(&mut stat, &line)?;
        }
    }
    if required < REQUIRED {
        return Err(Fault::whole(text, "memory.stat with anon, file and the four lists"));
    }
    Ok((stat, zswap))
}

/// How many lines [`set_size`] says have to be there.
const REQUIRED: usize = 6;

/// Sizes in bytes. True if it was one that every memory.stat has.
fn set_size(stat: &mut MemoryStat, line: &Keyed<'_>) -> Result<bool, Fault> {
    let required = match line.key {
        "anon" => &mut stat.anon,
        "file" => &mut stat.file,
        "inactive_anon" => &mut stat.inactive_anon,
        "active_anon" => &mut stat.active_anon,
        "inactive_file" => &mut stat.inactive_file,
        "active_file" => &mut stat.active_file,
        _ => return set_other_size(stat, line).map(|()| false),
    };
    *required = line.bytes()?;
    Ok(true)
}

fn set_other_size(stat: &mut MemoryStat, line: &Keyed<'_>) -> Result<(), Fault> {
    match line.key {
        "shmem" => stat.shmem = line.bytes()?,
        "file_mapped" => stat.file_mapped = line.bytes()?,
        "unevictable" => stat.unevictable = line.bytes()?,
        "file_dirty" => stat.file_dirty = line.bytes()?,
        "slab_unreclaimable" => stat.slab_unreclaimable = line.bytes()?,
        "kernel" => stat.kernel = Some(line.bytes()?),
        "swapcached" => stat.swap_cached = Some(line.bytes()?),
        "zswapped" => stat.zswapped = Some(line.bytes()?),
        _ => {}
    }
    Ok(())
}

/// A fault that was answered with a huge page, beyond the one that `pgfault` counts for it (2 MiB on x86-64).
const HUGE: Bytes = Bytes::pages(511);

/// Counters of pages.
fn set_count(stat: &mut MemoryStat, line: &Keyed<'_>) -> Result<(), Fault> {
    if line.key == "thp_fault_alloc" {
        let huge = Bytes::new(line.number()?.saturating_mul(HUGE.get()));
        stat.faults = Some(stat.faults.unwrap_or_default() + huge);
        return Ok(());
    }
    if line.key == "pgfault" {
        stat.faults = Some(stat.faults.unwrap_or_default() + line.pages()?);
        return Ok(());
    }
    let counter = match line.key {
        "workingset_refault_anon" => &mut stat.refault_anon,
        "workingset_refault_file" => &mut stat.refault_file,
        "workingset_activate_anon" => &mut stat.activate_anon,
        "workingset_activate_file" => &mut stat.activate_file,
        "zswpin" => &mut stat.zswap_in,
        "zswpout" => &mut stat.zswap_out,
        "zswpwb" => &mut stat.zswap_writeback,
        "pswpin" => &mut stat.swap_in,
        "pswpout" => &mut stat.swap_out,
        "pgscan" => &mut stat.scanned,
        "pgsteal" => &mut stat.stolen,
        _ => return Ok(()),
    };
    *counter = Some(line.pages()?);
    Ok(())
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
