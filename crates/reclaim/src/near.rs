//! Has a request run on the processors that are near the memory it is about.
//!
//! Up to 6.15 compressed pages are allocated where the thread runs that reclaims (`alloc_zspage`,
//! mm/zsmalloc.c: `alloc_page`, so its memory policy, so the node of its processor): a thread on node 1 that
//! reclaims from node 0 fills node 1. From 6.16 on zram and zswap name the node that the page was on. There
//! it is only about who compresses near its memory.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use lowtide_cgroup::Cgroup;
use lowtide_host::Processors;
use lowtide_kernfs::{Bound, Root, bind_thread};

use crate::error::Error;

/// Binds threads to the processors near a node.
#[derive(Debug, Clone)]
pub(crate) struct Near {
    root: Root,
    /// That a thread may not run there is said once.
    told: Arc<AtomicBool>,
}

impl Near {
    pub(crate) fn new(root: Root) -> Self {
        Self { root, told: Arc::default() }
    }

    /// Keeps the calling thread near `node` for as long as the result lives. `None` where that makes no
    /// difference, and where the thread may not: by its cpuset, or by its unit's `CPUAffinity=`.
    pub(crate) fn to(&self, node: u32) -> Option<Bound> {
        self.told_once(Processors::read(&self.root).map_err(Error::from).and_then(|processors| {
            let Some(processors) = processors else { return Ok(None) };
            self.bind(&processors, node)
        }))
    }

    /// The same for the node that has most of a cgroup's anonymous memory: `memory.reclaim` goes over all
    /// nodes in one write.
    pub(crate) fn to_most_of(&self, cgroup: &Cgroup) -> Option<Bound> {
        self.told_once(self.most_of(cgroup))
    }

    fn most_of(&self, cgroup: &Cgroup) -> Result<Option<Bound>, Error> {
        let Some(processors) = Processors::read(&self.root)? else { return Ok(None) };
        let nodes = cgroup.nodes()?;
        let most = nodes.iter().max_by_key(|(_, size)| size.anon);
        most.map_or(Ok(None), |(node, _)| self.bind(&processors, *node))
    }

    fn bind(&self, processors: &Processors, node: u32) -> Result<Option<Bound>, Error> {
        let bound = bind_thread(processors.near(node))?;
        if bound.is_none() && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                node,
                "lowtide may not run on the processors near this node: up to 6.15 what is compressed of its memory fills another one"
            );
        }
        Ok(bound)
    }

    /// A request is made all the same.
    fn told_once(&self, bound: Result<Option<Bound>, Error>) -> Option<Bound> {
        bound.unwrap_or_else(|error| {
            if !self.told.swap(true, Ordering::Relaxed) {
                tracing::warn!(%error, "requests run on any processor");
            }
            None
        })
    }
}
