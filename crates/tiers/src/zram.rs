use lowtide_core::Bytes;
use lowtide_kernfs::{
    Fault, Files, Result, Root,
    parse::{bytes, columns, number, switch},
};

/// A zram device, from `/sys/block/zramN`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Zram {
    /// disksize: slots.
    pub disk_size: Bytes,
    /// mm_stat 1, orig_data_size: uncompressed bytes stored. Pages on the backing device are among them
    /// (`pages_stored` is raised again after a writeback, drivers/block/zram/zram_drv.c, 6.1 to 7.3), and so
    /// are pages of one repeated word, which take no room.
    pub original: Bytes,
    /// mm_stat 2, compr_data_size: what they take compressed.
    pub compressed: Bytes,
    /// mm_stat 3, mem_used_total: DRAM taken, the allocator's waste included.
    pub resident: Bytes,
    /// mm_stat 4: mem_limit, which is itself write-only; `None` without a limit.
    pub resident_limit: Option<Bytes>,
    /// mm_stat 8, huge_pages: pages in DRAM that did not compress; `None` before 4.17.
    pub incompressible: Option<Bytes>,
    /// bd_stat 1: bytes on the backing device; zero without CONFIG_ZRAM_WRITEBACK.
    pub backing: Bytes,
    /// bd_stat 2 and 3: bytes read from and written to it since the start.
    pub backing_read: Bytes,
    /// See `backing_read`.
    pub backing_written: Bytes,
}

impl Zram {
    /// The device `name` (`zram0`); `None` if it is not there or not set up, or went away meanwhile.
    pub fn read(root: &Root, name: &str) -> Result<Option<Self>> {
        let file = |file: &str| format!("sys/block/{name}/{file}");
        if root.parse_record(file("initstate"), switch)? != Some(true) {
            return Ok(None);
        }
        let Some(disk_size) = root.parse_record(file("disksize"), bytes)? else { return Ok(None) };
        let Some((mm_stat, incompressible)) = root.parse_record(file("mm_stat"), mm_stat)? else {
            return Ok(None);
        };
        let [original, compressed, resident, limit] = mm_stat;
        // In units of 4 KiB whatever the page size (`FOUR_K`).
        let backing = root.parse_record(file("bd_stat"), columns)?.unwrap_or_default();
        let [backing, backing_read, backing_written] =
            backing.map(|count: u64| Bytes::kib(count.saturating_mul(4)));
        Ok(Some(Self {
            disk_size,
            original: Bytes::new(original),
            compressed: Bytes::new(compressed),
            resident: Bytes::new(resident),
            resident_limit: (limit > 0).then(|| Bytes::new(limit)),
            incompressible,
            backing,
            backing_read,
            backing_written,
        }))
    }

    /// Uncompressed bytes whose data is in DRAM, not on the backing device.
    #[must_use]
    pub fn stored(&self) -> Bytes {
        self.original - self.backing
    }
}

/// The first four columns, and the eighth.
fn mm_stat(text: &str) -> Result<([u64; 4], Option<Bytes>), Fault> {
    let huge = text.split_ascii_whitespace().nth(7).map(|word| number(1, word)).transpose()?;
    Ok((columns(text)?, huge.map(Bytes::pages)))
}

#[cfg(test)]
#[path = "zram_tests.rs"]
mod tests;
