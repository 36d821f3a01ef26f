//! Huge pages that were set aside (HugeTLB).

use lowtide_core::{Bytes, Ratio};
use lowtide_kernfs::parse::{integer, switch};

use super::{LEAST, Waste, total};
use crate::{finding::Evidence, sight::Sight};

const FOLDER: &str = "sys/kernel/mm/hugepages";
const OPTIMISED: &str = "proc/sys/vm/hugetlb_optimize_vmemmap";
/// What the kernel gives back of its own records is worth a word from here on.
const RECORDS: Ratio = Ratio::percent(0.1);
/// `struct page` on 64 bits (include/linux/mm_types.h): one for every 4 KiB.
const STRUCT_PAGE: u64 = 64;

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

/// The kernel's records of each small page in a huge one, which it can do without: all but one page of them a huge page
/// (`hugetlb_vmemmap_optimizable_size`, mm/hugetlb_vmemmap.h). The switch is there from 5.19 on, where it is built.
pub(super) fn huge_page_records(sight: &Sight) -> Option<Waste> {
    let look = sight.look(OPTIMISED);
    let is_on = switch(look.text()?).ok()?;
    let records = |pool: &Pool| {
        let whole = Bytes::new(pool.size.get() / Bytes::pages(1).get() * STRUCT_PAGE);
        Bytes::new((whole - Bytes::pages(1)).get().saturating_mul(pool.pages))
    };
    let pools = pools(sight)?;
    let bytes: Bytes = pools.iter().map(records).sum();
    let taken: Bytes = pools.iter().map(|pool| pool.bytes(pool.pages)).sum();
    (!is_on && bytes >= total(sight)?.scale(RECORDS)).then(|| Waste {
        name: "huge_page_records",
        bytes: Some(bytes),
        why: format!(
            "the kernel keeps a record of each 4 KiB in {taken} of huge pages, which are only ever used as a whole"
        ),
        remedy: "sysctl -w vm.hugetlb_optimize_vmemmap=1, or hugetlb_free_vmemmap=on on the kernel's command line: for huge pages that are \
                 set aside afterwards. To set aside and to give back takes longer then",
        evidence: vec![look.evidence(), Evidence::new(FOLDER, format!("{taken} in all sizes"))],
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
