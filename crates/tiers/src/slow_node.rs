use std::{collections::BTreeMap, time::Duration};

use lowtide_core::{Bytes, LeftOut, NodeId, left_out::Kind};
use lowtide_kernfs::{
    Fault, Files, Result, Root,
    parse::{integer, keyed, list, switch},
};

const TIERS: &str = "sys/devices/virtual/memory_tiering";
const DEMOTION: &str = "sys/kernel/mm/numa/demotion_enabled";
const NODES: &str = "sys/devices/system/node";

/// A NUMA node of memory that is slower than DRAM, such as CXL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowNode {
    /// Its number.
    pub node: u32,
    /// Its memory tier: a higher number is slower.
    pub tier: u32,
    /// MemTotal of the node.
    pub capacity: Bytes,
    /// What of it is not free.
    pub used: Bytes,
    /// Anonymous memory and page cache on it.
    pub stored: Bytes,
}

/// Whether the kernel demotes to slower nodes what is reclaimed from faster ones; no where it does not know
/// how (before 5.15).
pub fn demotes(root: &Root) -> Result<bool> {
    Ok(root.parse_optional(DEMOTION, switch)?.unwrap_or(false))
}

/// The slower nodes that pages are demoted to: none with demotion off, where such a node is memory like any
/// other, used as the operator says.
pub fn demotion_nodes(root: &Root, left_out: &mut LeftOut) -> Result<Vec<SlowNode>> {
    if demotes(root)? { slow_nodes(root, left_out) } else { Ok(Vec::new()) }
}

/// The nodes without a processor in a slower memory tier than every node that has one; none where the kernel
/// knows no memory tiers (before 6.1).
///
/// By the kernel's own tiers, never by node numbers: a node without a processor can also be fast memory, and
/// 6.1 keeps a slow one in DRAM's tier whatever the firmware says (mm/memory-tiers.c). One whose sizes cannot
/// be read is among them, without any room.
pub fn slow_nodes(root: &Root, left_out: &mut LeftOut) -> Result<Vec<SlowNode>> {
    let tiers = tiers(root)?;
    let with_cpu = root.parse_optional(format!("{NODES}/has_cpu"), list)?.unwrap_or_default();
    let slowest_dram = with_cpu.iter().filter_map(|node| tiers.get(node)).max().copied();
    let Some(dram) = slowest_dram else { return Ok(Vec::new()) };
    let slow = tiers.into_iter().filter(|(node, tier)| *tier > dram && !with_cpu.contains(node));
    let mut read = |(node, tier)| {
        let zero = Bytes::ZERO;
        let unreadable = SlowNode { node, tier, capacity: zero, used: zero, stored: zero };
        left_out.unless(Kind::Device, SlowNode::read(root, node, tier)).unwrap_or(Some(unreadable))
    };
    Ok(slow.filter_map(&mut read).collect())
}

/// How much longer a read from `node` takes than one from the fastest node that has a processor, each as its
/// nearest processor sees it: access0|access1/initiators/read_latency, in ns
/// (Documentation/admin-guide/mm/numaperf.rst; from the firmware's HMAT, for CXL also from the device's
/// CDAT). Class 1 is about processors alone, class 0 about any initiator.
///
/// `None` where firmware does not tell, or says nothing of a difference.
pub fn added_latency(root: &Root, node: u32) -> Result<Option<Duration>> {
    let Some(slow) = read_latency(root, node)? else { return Ok(None) };
    let with_cpu = root.parse_optional(format!("{NODES}/has_cpu"), list)?.unwrap_or_default();
    let mut fastest = None;
    for dram in with_cpu {
        fastest = fastest.into_iter().chain(read_latency(root, dram)?).min();
    }
    Ok(fastest.and_then(|dram| slow.checked_sub(dram)).filter(|added| !added.is_zero()))
}

/// Zero is what a kernel shows whose firmware left it out.
fn read_latency(root: &Root, node: u32) -> Result<Option<Duration>> {
    for class in ["access1", "access0"] {
        let file = format!("{NODES}/node{node}/{class}/initiators/read_latency");
        if let Some(nanos) = root.parse_optional(file, integer)?.filter(|nanos| *nanos > 0) {
            return Ok(Some(Duration::from_nanos(nanos)));
        }
    }
    Ok(None)
}

/// The tier of each node.
fn tiers(root: &Root) -> Result<BTreeMap<u32, u32>> {
    let entries = match root.dir(TIERS).and_then(|dir| dir.entries()) {
        Err(error) if error.is_missing() => return Ok(BTreeMap::new()),
        other => other?,
    };
    let mut tiers = BTreeMap::new();
    for name in entries.directories {
        let Some(tier) = name.strip_prefix("memory_tier").and_then(|number| number.parse().ok()) else {
            continue;
        };
        let nodes = root.parse_optional(format!("{TIERS}/{name}/nodelist"), list)?.unwrap_or_default();
        tiers.extend(nodes.into_iter().map(|node| (node, tier)));
    }
    Ok(tiers)
}

impl SlowNode {
    /// `None` if the node goes away meanwhile.
    fn read(root: &Root, node: u32, tier: u32) -> Result<Option<Self>> {
        let sizes = root.parse_optional(format!("{NODES}/node{node}/meminfo"), sizes)?;
        let of = |Sizes { total, free, anon, file }| {
            let used = total - free;
            Self { node, tier, capacity: total, used, stored: used.min(anon + file) }
        };
        Ok(sizes.map(of))
    }

    /// Its number, which sysfs writes as `node1`.
    #[must_use]
    pub fn id(&self) -> NodeId {
        NodeId(self.node)
    }
}

/// What nodeN/meminfo says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sizes {
    total: Bytes,
    free: Bytes,
    anon: Bytes,
    file: Bytes,
}

/// Lines `Node 1 MemTotal:  1048576 kB`.
fn sizes(text: &str) -> Result<Sizes, Fault> {
    let (mut total, mut free) = (None, None);
    let (mut anon, mut file) = (Bytes::ZERO, Bytes::ZERO);
    let lines = text.lines().filter_map(|line| line.trim_start().splitn(3, ' ').nth(2));
    for line in lines.flat_map(keyed) {
        match line.key {
            "MemTotal" => total = Some(line.kib()?),
            "MemFree" => free = Some(line.kib()?),
            "AnonPages" => anon = line.kib()?,
            "FilePages" => file = line.kib()?,
            _ => {}
        }
    }
    let (total, free) =
        total.zip(free).ok_or_else(|| Fault::whole(text, "lines with MemTotal and MemFree"))?;
    Ok(Sizes { total, free, anon, file })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn put(tree: &Path, name: &str, text: &str) {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn host(tiers: &[(&str, &str)], has_cpu: &str) -> Vec<SlowNode> {
        let tree = tempfile::tempdir().unwrap();
        for (tier, nodes) in tiers {
            put(tree.path(), &format!("{TIERS}/{tier}/nodelist"), nodes);
        }
        put(tree.path(), &format!("{NODES}/has_cpu"), has_cpu);
        for node in 0..3 {
            let text = format!(
                "\nNode {node} MemTotal:        1000 kB\nNode {node} MemFree:          {node}00 kB\n\
                 Node {node} FilePages:        200 kB\nNode {node} AnonPages:        300 kB\n"
            );
            put(tree.path(), &format!("{NODES}/node{node}/meminfo"), &text);
        }
        slow_nodes(&Root::open(tree.path()).unwrap(), &mut LeftOut::default()).unwrap()
    }

    #[test]
    fn a_node_in_a_lower_tier() {
        let slow = SlowNode {
            node: 1,
            tier: 54,
            capacity: Bytes::kib(1000),
            used: Bytes::kib(900),
            stored: Bytes::kib(500),
        };
        assert_eq!(host(&[("memory_tier4", "0\n"), ("memory_tier54", "1\n")], "0\n"), [slow]);
    }

    #[test]
    fn not_by_its_number_or_by_having_no_processor() {
        assert_eq!(host(&[("memory_tier4", "0-1\n")], "0\n"), [], "6.1 keeps it in DRAM's tier");
        assert_eq!(host(&[("memory_tier3", "1\n"), ("memory_tier4", "0\n")], "0\n"), [], "faster");
        let found = host(&[("memory_tier4", "1-2\n"), ("memory_tier20", "0\n")], "1\n");
        assert_eq!(found.iter().map(|slow| slow.node).collect::<Vec<_>>(), [0]);
        assert_eq!(
            host(&[("memory_tier4", "0\n"), ("memory_tier54", "1\n")], "0-1\n"),
            [],
            "it has processors"
        );
        assert_eq!(host(&[], "0\n"), []);
    }

    fn latency(files: &[(&str, &str)]) -> Option<u128> {
        let tree = tempfile::tempdir().unwrap();
        put(tree.path(), &format!("{NODES}/has_cpu"), "0-1\n");
        for (node, text) in files {
            put(tree.path(), &format!("{NODES}/{node}/initiators/read_latency"), text);
        }
        let added = added_latency(&Root::open(tree.path()).unwrap(), 2).unwrap();
        added.map(|added| added.as_nanos())
    }

    #[test]
    fn what_firmware_says_of_processors_goes_first() {
        // As 6.12 and 7.3 have it in the lab.
        let told = [("node0/access1", "10\n"), ("node1/access1", "10\n"), ("node2/access1", "60\n")];
        assert_eq!(latency(&told), Some(50));
        let two = [("node0/access1", "90\n"), ("node2/access0", "50\n"), ("node2/access1", "250\n")];
        assert_eq!(latency(&two), Some(160));
        assert_eq!(latency(&[("node1/access0", "90\n"), ("node2/access0", "250\n")]), Some(160));
    }

    #[test]
    fn what_firmware_leaves_out_is_not_made_up() {
        assert_eq!(latency(&[]), None);
        assert_eq!(latency(&[("node2/access1", "250\n")]), None);
        assert_eq!(latency(&[("node0/access1", "0\n"), ("node2/access1", "250\n")]), None);
        assert_eq!(latency(&[("node0/access1", "90\n"), ("node2/access1", "90\n")]), None, "no slower");
    }

    #[test]
    fn no_kernel_files() {
        let tree = tempfile::tempdir().unwrap();
        assert_eq!(slow_nodes(&Root::open(tree.path()).unwrap(), &mut LeftOut::default()).unwrap(), []);
        assert!(sizes("Node 1 MemTotal: 1 kB").is_err());
        assert!(sizes("Node 1 MemTotal: x kB").is_err());
    }
}
