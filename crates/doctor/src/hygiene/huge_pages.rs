//! Huge pages that were set aside (HugeTLB).

use lowtide_core::Bytes;
use lowtide_kernfs::parse::integer;

use super::{LEAST, Waste, total};
use crate::{finding::Evidence, sight::Sight};

const FOLDER: &str = "sys/kernel/mm/hugepages";

/// The pool of one size: `hugepages-2048kB` (`HSTATE_ATTR`, mm/hugetlb.c; later in mm/hugetlb_sysfs.c).
struct Pool {
    folder: String,
    size: Bytes,
    /// Pages in it.
    pages: u64,
    /// Pages that nobody has.
    free: u64,
    /// Free pages that are promised to whoever mapped them.
    reserved: u64,
}

/// Huge pages that are neither used nor promised: the kernel gives them to nobody else.
pub(super) fn unused_huge_pages(sight: &Sight) -> Option<Waste> {
    let mut pools = pools(sight)?;
    pools.retain(|pool| pool.unused() > 0);
    let bytes: Bytes = pools.iter().map(|pool| pool.bytes(pool.unused())).sum();
    let evidence = |pool: &Pool| {
        let Pool { folder, pages, free, reserved, .. } = pool;
        let said = format!("nr_hugepages {pages}, free_hugepages {free}, resv_hugepages {reserved}");
        Evidence::new(format!("{FOLDER}/{folder}"), said)
    };
    (bytes >= total(sight)?.scale(LEAST)).then(|| Waste {
        name: "unused_huge_pages",
        bytes: Some(bytes),
        why: "huge pages that were set aside and that no program maps: they hold no page cache, are not reclaimed, and are free for \
              nothing else"
            .to_owned(),
        remedy: "write what is used and promised to nr_hugepages of that folder, and what is needed now and then to \
                 nr_overcommit_hugepages; the same in /etc/sysctl.d (vm.nr_hugepages) or hugepages= of the kernel's command line",
        evidence: pools.iter().map(evidence).collect(),
    })
}

impl Pool {
    fn read(sight: &Sight, folder: String) -> Option<Self> {
        let size = folder.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let number = |file| integer(sight.look(format!("{FOLDER}/{folder}/{file}")).text()?).ok();
        let (pages, free) = (number("nr_hugepages")?, number("free_hugepages")?);
        let reserved = number("resv_hugepages")?;
        Some(Self { folder, size: Bytes::kib(size), pages, free, reserved })
    }

    const fn unused(&self) -> u64 {
        self.free.saturating_sub(self.reserved)
    }

    const fn bytes(&self, pages: u64) -> Bytes {
        Bytes::new(self.size.get().saturating_mul(pages))
    }
}

fn pools(sight: &Sight) -> Option<Vec<Pool>> {
    let entries = sight.root.dir(FOLDER).and_then(|dir| dir.entries()).ok()?;
    Some(entries.directories.into_iter().filter_map(|folder| Pool::read(sight, folder)).collect())
}
