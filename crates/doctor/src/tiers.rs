use lowtide_core::LeftOut;
use lowtide_kernfs::parse::switch;
use lowtide_tiers::{SlowNode, SwapDevice, slow_nodes, swaps};

use crate::{
    finding::{Evidence, Feature, Finding, Group, Verdict},
    sight::{Look, Sight, answer},
};

pub(crate) const fn feature(name: &'static str, used_for: &'static str, without: &'static str) -> Feature {
    Feature { group: Group::Tiers, name, required: false, used_for, without }
}

const SWAP: Feature = feature("swap", "where anonymous memory goes", "only page cache can be offloaded");
const ZSWAP: Feature = feature(
    "zswap",
    "compressed DRAM in front of a swap disk; `tiers.zswap.enabled` switches it",
    "pages go to the swap devices directly",
);
const SLOW_MEMORY: Feature = feature(
    "slow_memory",
    "a slower NUMA node (CXL) that reclaim can demote to before it swaps",
    "reclaim swaps",
);
const DEMOTION: Feature = feature(
    "numa_demotion",
    "letting reclaim move pages to slower memory; `tiers.demotion` switches it",
    "slower memory is used as the kernel's allocator fills it, and reclaim swaps",
);

pub(crate) fn findings(sight: &Sight) -> Vec<Finding> {
    let devices = swaps(&sight.root, &mut LeftOut::default());
    let swap = swap(&devices);
    let devices = devices.unwrap_or_default();
    let mut findings = vec![swap];
    findings.extend(super::zram::findings(sight, &devices));
    findings.extend([zswap(sight), slow_memory(sight), demotion(sight)]);
    findings
}

fn swap(devices: &lowtide_kernfs::Result<Vec<SwapDevice>>) -> Finding {
    const FILE: &str = "proc/swaps";
    let enable =
        || "`lowtide tiers apply` sets zram up: see \"Swap, if there is none\" in the quick start".to_owned();
    match devices {
        Err(error) => SWAP.finding(Verdict::Unknown(enable()), vec![Evidence::new(FILE, answer(error))]),
        Ok(devices) if devices.is_empty() => {
            SWAP.finding(Verdict::No(enable()), vec![Evidence::new(FILE, "no device")])
        }
        Ok(devices) => {
            let said = devices.iter().map(|device| {
                let SwapDevice { size, priority, .. } = device;
                Evidence::new(FILE, format!("{}, {size}, priority {priority}", device.shown()))
            });
            SWAP.finding(Verdict::Yes, said.collect())
        }
    }
}

fn zswap(sight: &Sight) -> Finding {
    let enabled = sight.look("sys/module/zswap/parameters/enabled");
    let mut evidence = vec![enabled.evidence()];
    let Some(text) = enabled.text() else {
        evidence.extend(sight.build.option("ZSWAP").evidence());
        return ZSWAP.finding(Verdict::No("take a kernel with CONFIG_ZSWAP=y".to_owned()), evidence);
    };
    // zpool is gone from 6.18 on.
    for parameter in ["compressor", "zpool", "max_pool_percent"] {
        let look = sight.look(format!("sys/module/zswap/parameters/{parameter}"));
        evidence.extend((!look.is_missing()).then(|| look.evidence()));
    }
    if switch(text) == Ok(true) {
        return ZSWAP.finding(Verdict::Yes, evidence);
    }
    let enable = "`tiers: { zswap: { enabled: true } }` in the configuration, where swap is a disk";
    ZSWAP.finding(Verdict::Partly(enable.to_owned()), evidence)
}

const TIERS: &str = "sys/devices/virtual/memory_tiering";

/// A tier's name and nodes; faster ones have the smaller numbers (`memory_tier4` is DRAM, drivers/base and
/// mm/memory-tiers.c).
fn memory_tiers(sight: &Sight) -> Vec<Evidence> {
    let entries = sight.root.dir(TIERS).and_then(|dir| dir.entries());
    let names = entries.map(|entries| entries.directories).unwrap_or_default();
    let names = names.into_iter().filter(|name| name.starts_with("memory_tier"));
    let looks = names.map(|name| sight.look(format!("{TIERS}/{name}/nodelist")));
    looks
        .filter(|look| look.text().is_some_and(|text| !text.is_empty()))
        .map(|look| look.evidence())
        .collect()
}

fn slow_memory(sight: &Sight) -> Finding {
    let mut evidence = memory_tiers(sight);
    let slow = slow_nodes(&sight.root, &mut LeftOut::default()).unwrap_or_default();
    if !slow.is_empty() {
        evidence.extend(slow.iter().map(|SlowNode { node, tier, capacity, used, .. }| {
            let said = format!("in tier {tier}, {capacity}, {used} of it in use");
            Evidence::new(format!("sys/devices/system/node/node{node}"), said)
        }));
        return SLOW_MEMORY.finding(Verdict::Yes, evidence);
    }
    let nodes = ["has_memory", "has_cpu"].map(|list| sight.look(format!("sys/devices/system/node/{list}")));
    let same = nodes[0].text() == nodes[1].text();
    if evidence.is_empty() {
        evidence.push(Evidence::new(TIERS, "not there"));
    }
    evidence.extend(nodes.iter().map(Look::evidence));
    if same {
        let enable = "needs a CXL or other slow memory device, onlined as a node (daxctl)";
        return SLOW_MEMORY.finding(Verdict::No(enable.to_owned()), evidence);
    }
    // 6.1 puts it there even if the firmware describes it (HMAT).
    let enable = "a node has memory and no processor, but is no slower tier: take Linux 6.12 or later, and firmware \
                  with an HMAT";
    SLOW_MEMORY.finding(Verdict::Partly(enable.to_owned()), evidence)
}

fn demotion(sight: &Sight) -> Finding {
    let look = sight.look("sys/kernel/mm/numa/demotion_enabled");
    let verdict = match look.text().map(switch) {
        Some(Ok(true)) => Verdict::Yes,
        Some(_) => Verdict::Partly(
            "`tiers: { demotion: true }` in the configuration, where there is slower memory".to_owned(),
        ),
        None => Verdict::No("take a kernel with CONFIG_NUMA=y and CONFIG_MIGRATION=y".to_owned()),
    };
    DEMOTION.finding(verdict, vec![look.evidence()])
}
