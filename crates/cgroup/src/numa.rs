use std::collections::BTreeMap;

use lowtide_core::{ByType, Bytes};
use lowtide_kernfs::{Fault, Files, parse};

use crate::{Cgroup, Result};

impl Cgroup {
    /// Where its memory is: anonymous memory and page cache by NUMA node, with all that is below it
    /// (memory.numa_stat).
    ///
    /// Empty where the file is not there, and if the cgroup vanished meanwhile.
    pub fn nodes(&self) -> Result<BTreeMap<u32, ByType>> {
        Ok(self.dir().parse_record("memory.numa_stat", parse_numa_stat)?.unwrap_or_default())
    }
}

/// Understands memory.numa_stat: lines `inactive_anon N0=4096 N1=0`, in bytes (`memory_numa_stat_show`,
/// mm/memcontrol.c).
///
/// By the lists that pages are reclaimed from: `anon` itself leaves out tmpfs, which is reclaimed like it.
pub fn parse_numa_stat(text: &str) -> Result<BTreeMap<u32, ByType>, Fault> {
    let mut nodes: BTreeMap<u32, ByType> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_ascii_whitespace();
        let set: fn(&mut ByType) -> &mut Bytes = match words.next() {
            Some("inactive_anon" | "active_anon") => |sizes| &mut sizes.anon,
            Some("inactive_file" | "active_file") => |sizes| &mut sizes.file,
            _ => continue,
        };
        for word in words {
            let (node, size) = split(word).ok_or_else(|| Fault::whole(line, "sizes like N0=4096"))?;
            let node = u32::try_from(parse::number(index + 1, node)?).unwrap_or(u32::MAX);
            *set(nodes.entry(node).or_default()) += Bytes::new(parse::number(index + 1, size)?);
        }
    }
    Ok(nodes)
}

fn split(word: &str) -> Option<(&str, &str)> {
    word.strip_prefix('N')?.split_once('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_memory_and_page_cache_of_each_node() {
        let text = "anon N0=1 N1=1\ninactive_anon N0=4096 N1=4096\nactive_anon N0=4096 N1=0\ninactive_file N0=0 N1=12288\n";
        let sizes = |anon, file| ByType { anon: Bytes::new(anon), file: Bytes::new(file) };
        let nodes = parse_numa_stat(text).unwrap();
        assert_eq!(nodes, BTreeMap::from([(0, sizes(8192, 0)), (1, sizes(4096, 12288))]));
        assert_eq!(parse_numa_stat("").unwrap(), BTreeMap::new());
    }

    #[test]
    fn what_is_no_size_is_told() {
        assert!(parse_numa_stat("inactive_anon 0=8192\n").is_err());
        assert!(parse_numa_stat("inactive_anon N0=x\n").is_err());
        assert!(parse_numa_stat("active_file Nx=1\n").is_err());
    }
}
