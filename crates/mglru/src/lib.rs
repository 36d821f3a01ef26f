//! Idle ages from the multi-generational LRU (MGLRU), through its file in debugfs.
//!
//! The kernel keeps the pages of each memory cgroup (a "memcg") and NUMA node in up to four generations. A
//! *walk* looks through the page tables of the memcg's processes, moves every page that was touched since the
//! last one to the youngest generation, and then begins a new, empty one. So between two walks a page was
//! touched, or it was not: the birth of each generation says when, and its size says how much.
//!
//! ```text
//! Support::probe ──► LruGen ─┬─ read ───► Reading ── identify ──► memcgs of each cgroup ── cohorts ──► idle ages
//!                            ├─ age ────► Walk ── confirm, with the next reading
//!                            └─ evict ──► Eviction
//! ```
//!
//! Nothing here is a setting: a walk and an eviction leave no state behind that anybody would have to
//! restore.
//!
//! # What the ages are worth
//!
//! Tried on 6.1, 6.12, 6.18 and 7.3 with a tenant whose touches are known (`tests/kernel.rs`):
//!
//! - Mapped memory, anonymous and file, on 6.1 and 6.12: exact to the page.
//! - On 7.3 anonymous memory to about 1 %: a walk clears accessed bits without flushing TLBs, and a
//!   translation that is still cached does not set them again. Mapped page cache, which comes in folios of up
//!   to 2 MiB there, is worse off: of 70 MiB that were touched again and again a walk missed up to 17 MiB,
//!   some of them each time. That was in an emulated machine, whose TLB forgets less than a processor's.
//! - **On 6.18 what was idle for three walks is never noticed again when it is touched**:
//!   [`LruGen::notices_first_touch`] tries it.
//! - **Page cache that is read and written through descriptors has no age.** Its pages enter in one of the
//!   two oldest generations and stay there however often they are read (`lru_gen_add_folio`,
//!   include/linux/mm_inline.h); only eviction looks at their counted accesses. 20 MiB read twice a second
//!   show as idle as 40 MiB read once.
//! - Nor have mappings that the walk leaves out: locked ones, those with `MADV_RANDOM` or `MADV_SEQUENTIAL`,
//!   huge pages of hugetlbfs (`should_skip_vma`, mm/vmscan.c), and memory that only processes of other
//!   cgroups touch.
//! - With four generations, what has been idle for three walks or longer is one lump without an upper bound.
//! - The kernel walks too when it has to reclaim, and then the four generations span seconds. Those walks
//!   skip page tables that had few touches the last time, so pages can look idle that are not; the next
//!   [`LruGen::age`] finds them.

mod cohorts;
mod command;
mod error;
mod identify;
mod lru_gen;
mod memcg;
mod records;
mod stream;
mod support;
mod trial;

pub use cohorts::{cohorts, cohorts_on, demoted_to};
pub use command::{Eviction, Target, Walk};
pub use error::{Error, Result};
pub use identify::{Place, identify};
pub use lru_gen::{LruGen, Reading};
pub use memcg::{Generation, Memcg, MemcgId, Node};
pub use records::parse;
pub use support::{Support, Switches};
