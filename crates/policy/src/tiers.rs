//! What lowtide is asked to set up on the host: zram, swap devices, zswap, demotion.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use lowtide_core::{ByteRate, Bytes, Ratio};

use crate::{
    Problem, raw,
    source::{Source, Span},
};

/// The host's memory tiers as they shall be. What is `None` is left as it is found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostTiers {
    /// The daemon sets them up at its start, as `lowtide tiers apply` does.
    pub apply: bool,
    /// A swap device in compressed RAM.
    pub zram: Option<ZramSetup>,
    /// Swap devices and files to switch on, no two with the same path.
    pub swap: Vec<SwapSetup>,
    /// zswap's parameters.
    pub zswap: ZswapSetup,
    /// `/sys/kernel/mm/numa/demotion_enabled`: whether reclaim may move pages to a slower NUMA node.
    pub demotion: Option<bool>,
    /// `kernel.numa_balancing` 2, with `kernel.numa_balancing_promote_rate_limit_MBps`: pages that become hot
    /// on a slower NUMA node come back, at most so fast.
    pub promotion: Option<ByteRate>,
}

/// A zram device.
#[derive(Debug, Clone, PartialEq)]
pub struct ZramSetup {
    /// disksize: slots.
    pub size: Amount,
    /// mem_limit: DRAM that it may take.
    pub memory: Option<Amount>,
    /// comp_algorithm.
    pub algorithm: Option<Arc<str>>,
    /// Where written-back pages go; a block device, absolute.
    pub backing: Option<PathBuf>,
    /// Swap priority, 0 to 32767.
    pub priority: u16,
}

impl ZramSetup {
    /// Above what the kernel gives by itself, which is below zero, with room on both sides.
    pub const PRIORITY: u16 = 100;
}

/// A swap device or file that is formatted already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapSetup {
    /// Its path, absolute.
    pub device: PathBuf,
    /// Swap priority, 0 to 32767; the kernel's own choice if `None`.
    pub priority: Option<u16>,
}

/// `/sys/module/zswap/parameters`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZswapSetup {
    /// `enabled`.
    pub enabled: Option<bool>,
    /// `compressor`.
    pub compressor: Option<Arc<str>>,
    /// `max_pool_percent`, 1 to 100.
    pub max_pool_percent: Option<u16>,
    /// `shrinker_enabled`.
    pub shrinker: Option<bool>,
}

/// A size, or a share of the host's memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// So much.
    Bytes(Bytes),
    /// This share of MemTotal.
    OfMemory(Ratio),
}

impl Amount {
    /// How much it is on a host with so much memory.
    #[must_use]
    pub fn of(self, memory: Bytes) -> Bytes {
        match self {
            Self::Bytes(size) => size,
            Self::OfMemory(share) => memory.scale(share),
        }
    }
}

/// With defaults for what is not given.
pub(crate) fn tiers(raw: raw::Tiers) -> HostTiers {
    let zswap = raw.zswap.unwrap_or_default();
    HostTiers {
        apply: raw.apply.unwrap_or_default(),
        zram: raw.zram.and_then(zram),
        swap: raw.swap.unwrap_or_default().into_iter().filter_map(|at| swap(at.value)).collect(),
        zswap: ZswapSetup {
            enabled: zswap.enabled,
            compressor: zswap.compressor.map(|name| name.0),
            max_pool_percent: zswap.max_pool_percent.map(|percent| percent.0),
            shrinker: zswap.shrinker,
        },
        demotion: raw.demotion,
        promotion: raw.promotion.and_then(|promotion| Some(promotion.rate?.0)),
    }
}

/// `None` without a size, which was a problem when it was read.
fn zram(raw: raw::Zram) -> Option<ZramSetup> {
    Some(ZramSetup {
        size: raw.size?.0,
        memory: raw.memory.map(|memory| memory.0),
        algorithm: raw.algorithm.map(|name| name.0),
        backing: raw.backing.map(|device| device.value.0),
        priority: raw.priority.map_or(ZramSetup::PRIORITY, |priority| priority.0),
    })
}

fn swap(raw: raw::SwapDevice) -> Option<SwapSetup> {
    Some(SwapSetup { device: raw.device?.0, priority: raw.priority.map(|priority| priority.0) })
}

/// Errors of devices that shall be two things at once.
pub(crate) fn used_twice(source: &Source, host: &raw::Host) -> Vec<Problem> {
    let Some(tiers) = &host.tiers else { return Vec::new() };
    let backing = tiers.zram.as_ref().and_then(|zram| zram.backing.as_ref());
    let backing = backing.map(|at| (at.value.0.as_path(), &at.span));
    let swaps = tiers.swap.iter().flatten();
    let swaps = swaps.filter_map(|at| Some((at.value.device.as_ref()?.0.as_path(), &at.span)));
    let mut seen: HashMap<&Path, &Span> = HashMap::new();
    backing
        .into_iter()
        .chain(swaps)
        .filter_map(|(path, span)| {
            let first = *seen.entry(path).or_insert(span);
            (first != span).then(|| {
                let message = format!("{} is used twice under `tiers`", path.display());
                let problem = source.problem(
                    span.clone(),
                    message,
                    "a device is one thing only: remove one of the two",
                );
                problem.related(source.related(first.clone(), "it is here already"))
            })
        })
        .collect()
}
