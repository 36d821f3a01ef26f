use std::collections::BTreeMap;

use lowtide_kernfs::{
    Fault, Files, Result, Root,
    parse::{list, number},
};

const NODES: &str = "sys/devices/system/node";

/// Which processors are near the memory of each NUMA node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processors {
    by_node: BTreeMap<u32, Vec<u32>>,
}

impl Processors {
    /// By nodeN/cpulist; a node without processors, such as CXL memory, has those of the nearest node that
    /// has some, by nodeN/distance.
    ///
    /// `None` on a host where all memory is near the same processors: less than two nodes have any.
    pub fn read(root: &Root) -> Result<Option<Self>> {
        let nodes = |file| Ok(root.parse_optional(format!("{NODES}/{file}"), list)?.unwrap_or_default());
        let with_cpu: Vec<u32> = nodes("has_cpu")?;
        if with_cpu.len() < 2 {
            return Ok(None);
        }
        let mut by_node = BTreeMap::new();
        for node in &with_cpu {
            // Missing or empty: the last of them goes offline.
            if let Some(list) = root.parse_optional(format!("{NODES}/node{node}/cpulist"), list)? {
                by_node.insert(*node, list);
            }
        }
        let online = nodes("online")?;
        for node in online.iter().filter(|node| !with_cpu.contains(node)) {
            let distances = root.parse_optional(format!("{NODES}/node{node}/distance"), distances)?;
            // One figure for each node that is online, in their order (`node_read_distance`,
            // drivers/base/node.c).
            let distances = online.iter().zip(distances.unwrap_or_default());
            let nearest = distances.filter(|(other, _)| with_cpu.contains(other)).min_by_key(|(_, far)| *far);
            if let Some(list) = nearest.and_then(|(other, _)| by_node.get(other)) {
                by_node.insert(*node, list.clone());
            }
        }
        Ok(Some(Self { by_node }))
    }

    /// By number, those nearest to the memory of `node`; none for a node that is not there.
    #[must_use]
    pub fn near(&self, node: u32) -> &[u32] {
        self.by_node.get(&node).map_or(&[], Vec::as_slice)
    }
}

/// A line such as `10 21 17`: 10 is the node itself, greater is further.
fn distances(text: &str) -> Result<Vec<u64>, Fault> {
    text.split_ascii_whitespace().map(|word| number(1, word)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Option<Processors>> {
        let tree = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = tree.path().join(NODES).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Processors::read(&Root::open(tree.path()).unwrap())
    }

    #[test]
    fn each_node_has_its_own_or_those_of_the_nearest() {
        // Nodes 2 and 5 are memory alone; 3 and 4 are not there.
        let found = read(&[
            ("has_cpu", "0-1\n"),
            ("online", "0-2,5\n"),
            ("node0/cpulist", "0-1,4-5\n"),
            ("node1/cpulist", "2-3\n"),
            ("node2/distance", "24 17 10 20\n"),
            ("node5/distance", "17 24 14 10\n"),
        ]);
        let found = found.unwrap().unwrap();
        assert_eq!([0, 1, 2, 5].map(|node| found.near(node)[0]), [0, 2, 2, 0]);
        assert_eq!(found.near(5), [0, 1, 4, 5]);
        assert_eq!(found.near(4), []);
    }

    #[test]
    fn one_node_with_processors_is_no_choice() {
        let files = [("has_cpu", "0\n"), ("online", "0-1\n"), ("node0/cpulist", "0-3\n")];
        assert_eq!(read(&files).unwrap(), None);
        assert_eq!(read(&[]).unwrap(), None);
    }

    #[test]
    fn what_is_no_distance_is_told() {
        let files = [("has_cpu", "0-1\n"), ("online", "0-2\n"), ("node2/distance", "24 x 10\n")];
        assert!(read(&files).unwrap_err().to_string().contains("node2/distance:1: `x`"));
    }

    #[test]
    fn what_vanishes_meanwhile_is_nowhere() {
        let files = [("has_cpu", "0-1\n"), ("online", "0-2\n"), ("node1/cpulist", "\n")];
        let found = read(&files).unwrap().unwrap();
        assert_eq!([0, 1, 2].map(|node| found.near(node).len()), [0, 0, 0]);
    }
}
