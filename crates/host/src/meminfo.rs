use lowtide_core::Bytes;
use lowtide_kernfs::{Fault, parse::keyed};

/// The lines of /proc/meminfo that are used.
///
/// Not by procfs-core 0.18: it wants fifteen lines to be there, of which lowtide needs two, and on a
/// malformed line it panics (a key that ends in a character of several bytes) or wraps (a number of kB above
/// 2^54).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meminfo {
    /// MemTotal: all memory that the kernel manages.
    pub total: Bytes,
    /// MemFree.
    pub free: Bytes,
    /// MemAvailable: the kernel's estimate of what can be had without swapping.
    pub available: Option<Bytes>,
    /// Active(anon), and the three others: the least recently used lists. Under MGLRU the two youngest
    /// generations are active.
    pub active_anon: Option<Bytes>,
    /// See `active_anon`.
    pub inactive_anon: Option<Bytes>,
    /// See `active_anon`.
    pub active_file: Option<Bytes>,
    /// See `active_anon`.
    pub inactive_file: Option<Bytes>,
    /// Unevictable: locked, or pinned otherwise.
    pub unevictable: Option<Bytes>,
    /// SReclaimable: slab that shrinkers can free.
    pub slab_reclaimable: Option<Bytes>,
    /// SUnreclaim: slab that none frees.
    pub slab_unreclaimable: Option<Bytes>,
    /// SwapTotal: all swap that may be used.
    pub swap_total: Option<Bytes>,
    /// SwapFree: what of it is free.
    pub swap_free: Option<Bytes>,
    /// Zswap: DRAM that zswap's pool takes; absent without CONFIG_ZSWAP.
    pub zswap: Option<Bytes>,
    /// Zswapped: uncompressed bytes stored there.
    pub zswapped: Option<Bytes>,
}

impl Meminfo {
    /// Understands /proc/meminfo.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let (mut total, mut free, mut rest) = (None, None, Self::default());
        for line in keyed(text) {
            match line.key {
                "MemTotal" => total = Some(line.kib()?),
                "MemFree" => free = Some(line.kib()?),
                "MemAvailable" => rest.available = Some(line.kib()?),
                "Active(anon)" => rest.active_anon = Some(line.kib()?),
                "Inactive(anon)" => rest.inactive_anon = Some(line.kib()?),
                "Active(file)" => rest.active_file = Some(line.kib()?),
                "Inactive(file)" => rest.inactive_file = Some(line.kib()?),
                "Unevictable" => rest.unevictable = Some(line.kib()?),
                "SReclaimable" => rest.slab_reclaimable = Some(line.kib()?),
                "SUnreclaim" => rest.slab_unreclaimable = Some(line.kib()?),
                "SwapTotal" => rest.swap_total = Some(line.kib()?),
                "SwapFree" => rest.swap_free = Some(line.kib()?),
                "Zswap" => rest.zswap = Some(line.kib()?),
                "Zswapped" => rest.zswapped = Some(line.kib()?),
                _ => {}
            }
        }
        let needed = |size: Option<Bytes>, line| size.ok_or_else(|| Fault::whole(text, line));
        Ok(Self {
            total: needed(total, "a line `MemTotal: N kB`")?,
            free: needed(free, "a line `MemFree: N kB`")?,
            ..rest
        })
    }
}
