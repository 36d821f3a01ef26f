use lowtide_core::{
    Bytes,
    treatments::{CompactionSeen, Node, Pieces},
};
use lowtide_kernfs::{
    Fault, Files, Result, Root,
    parse::{Keyed, keyed, number},
};

use crate::{Counter, Counters};

/// Pieces of 2^9 pages and more are huge: 2 MiB with pages of 4 KiB.
const HUGE: usize = 9;

/// Free memory by the size of its pieces, and how often tasks had to compact memory; `None` where the kernel
/// does not tell of one of them, as without CONFIG_COMPACTION.
pub fn fragmentation(root: &Root) -> Result<Option<CompactionSeen>> {
    let Some(nodes) = root.parse_optional("proc/buddyinfo", free_pieces)? else { return Ok(None) };
    let stalls = compact_stalls(root)?;
    Ok(stalls.map(|stalls| CompactionSeen { stalls, nodes }))
}

/// `compact_stall`: how often a task compacted memory itself before it got its pages
/// (`__alloc_pages_direct_compact`, mm/page_alloc.c, 6.1 to 7.3); `None` without CONFIG_COMPACTION.
pub fn compact_stalls(root: &Root) -> Result<Option<u64>> {
    let counters = root.parse_optional("proc/vmstat", Counters::parse)?;
    Ok(counters.and_then(|counters| counters.get(Counter::CompactStall)))
}

/// Understands /proc/buddyinfo: for each zone of a node how many free pieces of one page there are, of two,
/// of four and so on (`frag_show_print`, mm/vmstat.c, 6.1 to 7.3). Zones of one node are added up.
pub fn free_pieces(text: &str) -> Result<Vec<Node>, Fault> {
    let mut nodes: Vec<Node> = Vec::new();
    for line in keyed(text) {
        let (node, pieces) = zone(&line)?;
        match nodes.last_mut().filter(|last| last.number == node) {
            Some(last) => {
                last.pieces.free += pieces.free;
                last.pieces.huge += pieces.huge;
            }
            None => nodes.push(Node { number: node, pieces }),
        }
    }
    Ok(nodes)
}

/// `Node 0, zone   Normal    216    55 …`.
fn zone(line: &Keyed<'_>) -> Result<(u32, Pieces), Fault> {
    let fault = || Fault::new(line.line, line.value, "`Node N, zone NAME COUNT…`");
    let (node, zone) = line.value.split_once(", zone").filter(|_| line.key == "Node").ok_or_else(fault)?;
    let node = node.parse().map_err(|_| fault())?;
    let counts = zone.split_ascii_whitespace().skip(1);
    // Of orders beyond 2^63 pages there is none.
    let sizes = std::iter::successors(Some(1_u64), |pages| pages.checked_mul(2));
    let mut pieces = Pieces::default();
    for (order, (count, size)) in counts.zip(sizes).enumerate() {
        let bytes = Bytes::pages(number(line.line, count)?.saturating_mul(size));
        pieces.free += bytes;
        if order >= HUGE {
            pieces.huge += bytes;
        }
    }
    Ok((node, pieces))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TEXT: &str = "Node 0, zone      DMA      0      0      0      0      0      0      0      0      0      1      3 \n\
                        Node 0, zone   Normal      5      2      0      0      0      0      0      0      1      1      0 \n\
                        Node 1, zone   Normal      1      0      0      0      0      0      0      0      0      0      2 \n";

    #[test]
    fn pieces_add_up_node_by_node() {
        let nodes = free_pieces(TEXT).unwrap();
        let node = |number, free, huge| Node {
            number,
            pieces: Pieces { free: Bytes::pages(free), huge: Bytes::pages(huge) },
        };
        let huge = 512 + 3 * 1024 + 512;
        assert_eq!(nodes, [node(0, huge + 5 + 4 + 256, huge), node(1, 1 + 2048, 2048)]);
    }

    #[rstest]
    #[case::empty("", Some(0))]
    #[case::without_counts("Node 0, zone DMA\n", Some(1))]
    #[case::truncated("Node 0, zo\n", None)]
    #[case::without_a_number("Node x, zone DMA 1 2\n", None)]
    #[case::garbage("\u{1}\u{2}\n", None)]
    #[case::no_count("Node 0, zone DMA 1 max\n", None)]
    #[case::negative("Node 0, zone DMA 1 -1\n", None)]
    #[case::huge("Node 0, zone DMA 18446744073709551615 18446744073709551615\n", Some(1))]
    fn other_texts(#[case] text: &str, #[case] nodes: Option<usize>) {
        assert_eq!(free_pieces(text).ok().map(|nodes| nodes.len()), nodes);
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_none() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("proc")).unwrap();
        let put = |name: &str, text: &str| std::fs::write(tree.path().join("proc").join(name), text).unwrap();
        let root = Root::open(tree.path()).unwrap();
        assert_eq!(fragmentation(&root).unwrap(), None);
        put("buddyinfo", TEXT);
        put("vmstat", "pgfree 1\n");
        assert_eq!(fragmentation(&root).unwrap(), None, "without CONFIG_COMPACTION");
        put("vmstat", "compact_stall 7\ncompact_fail 3\n");
        let seen = fragmentation(&root).unwrap().unwrap();
        assert_eq!((seen.stalls, seen.nodes.len()), (7, 2));
    }
}
