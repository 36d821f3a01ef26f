use std::hint::black_box;

use lowtide_core::Bytes;

use crate::{LruGen, Memcg, Node, Place, Reading, Result, identify};

/// What the trial allocates: more than a process touches between two walks that follow each other.
const TRIAL: Bytes = Bytes::mib(8);

impl LruGen {
    /// Whether a walk moves pages that it finds touched for the first time since their fault, tried out on
    /// memory of this process; `None` if nothing can be told, because that memory is locked, or `own`, the
    /// cgroup of this process, has no memcg. Takes two walks of it and 8 MiB for a moment. Where the kernel
    /// walks at the same time it is an error that passes: try again.
    ///
    /// Where it is `false`, **ages are not to be relied on.** A page that is found touched then is only
    /// marked (PG_referenced), and moved if the next walk finds it touched again (`folio_update_gen`,
    /// mm/vmscan.c); but merging the two oldest generations takes the mark away (`folio_inc_gen`), and with
    /// four generations each walk merges. So what was idle for three walks once, or is touched in no two
    /// walks in a row, looks idle for ever, until it was reclaimed and came back. Seen on 6.18. 6.1 and 6.12
    /// need no mark, 7.3 sets it with the fault (`folio_add_lru`, mm/folio.c).
    pub fn notices_first_touch(&self, own: &Place) -> Result<Option<bool>> {
        let Some(before) = self.walked(own)? else { return Ok(None) };
        let memory = black_box(vec![1_u8; usize::try_from(TRIAL.get()).unwrap_or_default()]);
        let after = self.walked(own)?;
        drop(memory);
        Ok(after.and_then(|after| judge(&before, &after)))
    }

    /// Its own nodes, after a walk of each.
    fn walked(&self, own: &Place) -> Result<Option<Vec<Node>>> {
        let place = std::slice::from_ref(own);
        let find = |reading: Reading| -> Option<Memcg> {
            identify(&reading.memcgs, place, place).remove(&own.1)?.first().cloned()
        };
        let Some(memcg) = find(self.read()?) else { return Ok(None) };
        let walks: Vec<_> = memcg.walks().map(|target| self.age(target)).collect::<Result<_>>()?;
        let reading = self.read()?;
        let at = reading.at;
        let Some(memcg) = find(reading) else { return Ok(None) };
        for walk in walks {
            // One that the kernel ignored would look as if nothing had been touched.
            walk.confirm(memcg.nodes.iter().find(|node| node.id == walk.target.node), at)?;
        }
        Ok(Some(memcg.nodes))
    }
}

/// What was touched since the walk before is in the generation that the last walk closed.
fn judge(before: &[Node], after: &[Node]) -> Option<bool> {
    let all = |nodes: &[Node]| -> Bytes { nodes.iter().map(|node| node.size().anon).sum() };
    let closed = |node: &Node| {
        let index = node.generations.len().checked_sub(2)?;
        Some(node.generations[index].size.anon)
    };
    let half = TRIAL.get() / 2;
    let allocated = all(after) - all(before);
    let moved: Bytes = after.iter().filter_map(closed).sum();
    (allocated.get() > half).then(|| moved.get() > half)
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
