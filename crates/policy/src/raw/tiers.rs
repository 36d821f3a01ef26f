//! The host's memory tiers, as a file says them.

use schemars::JsonSchema;

use super::maps;
use crate::{
    ZramSetup,
    leaf::{self, Whole},
    read::{At, Read, Reader},
    section,
    yaml::Node,
};

/// Tiers.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct Tiers {
    /// Whether the daemon sets up at its start what `lowtide tiers apply` would. It needs CAP_SYS_ADMIN for
    /// that.
    #[schemars(extend("default" = false))]
    pub apply: Option<bool>,
    /// A swap device in compressed RAM.
    pub zram: Option<Zram>,
    /// Swap devices and files to switch on. They are formatted already: nothing is written to them.
    pub swap: Option<Vec<At<SwapDevice>>>,
    /// Compressed RAM in front of the swap devices.
    pub zswap: Option<Zswap>,
    /// Whether reclaim may move pages to a slower NUMA node (CXL) before it swaps: numa/demotion_enabled. Not
    /// touched unless given.
    pub demotion: Option<bool>,
    /// Promotion of pages that become hot on a slower NUMA node: kernel.numa_balancing is set to 2. Not
    /// touched unless given.
    pub promotion: Option<Promotion>,
}

/// Promotion.
#[derive(Debug, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct Promotion {
    /// At most so much comes back: kernel.numa_balancing_promote_rate_limit_MBps, in whole MiB/s, at least
    /// one.
    #[schemars(required, with = "leaf::SomeRate")]
    pub rate: Option<leaf::SomeRate>,
}

/// A zram device.
#[derive(Debug, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct Zram {
    /// Its disksize: uncompressed bytes that it has slots for, those on the backing device included.
    #[schemars(required, with = "leaf::Amount")]
    pub size: Option<leaf::Amount>,
    /// Its mem_limit: DRAM that it may take, all told. No limit unless given.
    pub memory: Option<leaf::Memory>,
    /// Its comp_algorithm. The kernel's own choice unless given.
    pub algorithm: Option<leaf::Algorithm>,
    /// A block device for what is written back. It has to be blank: what is on it is lost.
    pub backing: Option<At<leaf::Device>>,
    /// Its swap priority: devices of a higher one are filled first.
    #[schemars(extend("default" = ZramSetup::PRIORITY))]
    pub priority: Option<leaf::Priority>,
}

/// A swap device or file.
#[derive(Debug, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct SwapDevice {
    /// Its path. Formatted already.
    #[schemars(required, with = "leaf::Device")]
    pub device: Option<leaf::Device>,
    /// Its swap priority: devices of a higher one are filled first. The kernel's own choice, below every
    /// given one, unless given.
    pub priority: Option<leaf::Priority>,
}

/// zswap. What is not given is not touched.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct Zswap {
    /// zswap's `enabled` parameter. Not touched unless given.
    pub enabled: Option<bool>,
    /// zswap's `compressor` parameter. Not touched unless given.
    pub compressor: Option<leaf::Algorithm>,
    /// zswap's `max_pool_percent` parameter: DRAM that it may take, in per cent. Not touched unless given.
    pub max_pool_percent: Option<Whole<1, 100>>,
    /// zswap's `shrinker_enabled` parameter: whether it writes cold pages to disk under memory pressure. Not
    /// touched unless given.
    pub shrinker: Option<bool>,
}

maps! {
    Tiers, TIERS: apply zram swap zswap demotion promotion;
    Zswap, ZSWAP: enabled compressor max_pool_percent shrinker;
}

impl Read for Zram {
    fn allowed() -> String {
        section::ZRAM.map()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let fields = reader.fields(node, &section::ZRAM)?;
        Some(Self {
            size: reader.required(&fields, "size", node, &section::ZRAM),
            memory: reader.field(&fields, "memory"),
            algorithm: reader.field(&fields, "algorithm"),
            backing: reader.field(&fields, "backing"),
            priority: reader.field(&fields, "priority"),
        })
    }
}

impl Read for Promotion {
    fn allowed() -> String {
        section::PROMOTION.map()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let fields = reader.fields(node, &section::PROMOTION)?;
        Some(Self { rate: reader.required(&fields, "rate", node, &section::PROMOTION) })
    }
}

impl Read for SwapDevice {
    fn allowed() -> String {
        section::SWAP.map()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let fields = reader.fields(node, &section::SWAP)?;
        Some(Self {
            device: reader.required(&fields, "device", node, &section::SWAP),
            priority: reader.field(&fields, "priority"),
        })
    }
}
