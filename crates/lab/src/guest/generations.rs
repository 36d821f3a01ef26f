//! MGLRU's generations of one cgroup, walked by hand.

use super::{Cgroup, knobs};
use anyhow::{Context, Result};
use lowtide_kernfs::Root;
use lowtide_mglru::{LruGen, Memcg};
use std::path::Path;

/// The generations of a cgroup without any below it.
#[derive(Debug)]
pub struct Generations {
    lru_gen: LruGen,
    path: String,
}

impl Generations {
    /// Switches MGLRU on where it is off (Debian's 6.1); `None` if the kernel has none. Swap has to be on, or
    /// anonymous memory is not aged.
    pub fn of(root: &Root, cgroup: &Cgroup) -> Result<Option<Self>> {
        let there = switch_on()?;
        Ok(there.then(|| Self { lru_gen: LruGen::new(root.clone()), path: cgroup.name() }))
    }

    /// As they are now.
    pub fn read(&self) -> Result<Memcg> {
        let memcgs = self.lru_gen.read()?.memcgs;
        let found = memcgs.into_iter().find(|memcg| memcg.path == self.path);
        found.with_context(|| format!("{} has no generations", self.path))
    }

    /// Begins a new one on each node, and returns them all.
    pub fn walk(&self) -> Result<Memcg> {
        for target in self.read()?.walks() {
            self.lru_gen.age(target)?;
        }
        self.read()
    }
}

/// Whether the kernel has MGLRU, which is on afterwards.
pub fn switch_on() -> Result<bool> {
    switch("y")
}

/// Whether the kernel has MGLRU, which is off afterwards.
pub fn switch_off() -> Result<bool> {
    switch("n")
}

fn switch(on: &str) -> Result<bool> {
    let switch = Path::new("/sys/kernel/mm/lru_gen/enabled");
    let there = switch.exists();
    if there {
        knobs::write(switch, on)?;
    }
    Ok(there)
}
