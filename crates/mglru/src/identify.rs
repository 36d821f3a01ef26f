use std::{collections::HashMap, sync::Arc};

use lowtide_core::CgroupId;

use crate::{Memcg, MemcgId};

/// A cgroup as it was seen in the hierarchy: its path from the root, `/web/api`, and its inode.
pub type Place = (Arc<str>, CgroupId);

/// Finds the memcgs of cgroups: for each inode its own memcg first, then those of all cgroups below it,
/// removed ones that still have pages included, as memory.current has them. A cgroup that has no memcg, or
/// that cannot be told for sure, is not there.
///
/// The file knows paths and no inodes, so the caller looks at the hierarchy `before` and `after` the reading:
/// a path counts only if the same cgroup was there both times.
///
/// Then of several memcgs with that path the last one is it: a cgroup gets its path only after the one before
/// it was removed, and siblings stand in the order of their births (`css_create` in kernel/cgroup/cgroup.c
/// appends). What follows it in the reading and has a longer path is below it, and not below its predecessor.
#[must_use]
pub fn identify<'a>(
    memcgs: &'a [Memcg],
    before: &[Place],
    after: &[Place],
) -> HashMap<CgroupId, &'a [Memcg]> {
    let before: HashMap<&str, CgroupId> = before.iter().map(|(path, id)| (&**path, *id)).collect();
    let stayed = after.iter().filter(|(path, id)| before.get(&**path) == Some(id));
    let stayed: HashMap<&str, CgroupId> = stayed.map(|(path, id)| (&**path, *id)).collect();
    let mut last: HashMap<CgroupId, usize> = HashMap::new();
    for (index, memcg) in memcgs.iter().enumerate() {
        if let Some(id) = stayed.get(&*memcg.path) {
            last.insert(*id, index);
        }
    }
    // The last one without a number is a removed one: the cgroup of today has no memory controller.
    last.retain(|_, index| memcgs[*index].id != MemcgId::NONE);
    last.into_iter().map(|(id, index)| (id, subtree(&memcgs[index..]))).collect()
}

/// The first one and all that stand below it.
fn subtree(memcgs: &[Memcg]) -> &[Memcg] {
    let Some((top, rest)) = memcgs.split_first() else { return memcgs };
    let below = rest.iter().take_while(|memcg| is_below(&memcg.path, &top.path)).count();
    &memcgs[..=below]
}

fn is_below(path: &str, top: &str) -> bool {
    let inner = path.strip_prefix(top.strip_suffix('/').unwrap_or(top));
    inner.is_some_and(|inner| inner.starts_with('/') && inner.len() > 1)
}

#[cfg(test)]
#[path = "identify_tests.rs"]
mod tests;
