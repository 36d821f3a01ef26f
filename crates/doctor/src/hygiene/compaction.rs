//! Tasks that stop to move pages, because free memory is in small pieces.

use lowtide_core::Bytes;

use super::{MEMINFO, Waste, count, of};
use crate::{
    finding::Evidence,
    sight::{Look, Sight},
};

/// On the average since boot. A judgement: each moves pages for up to some milliseconds.
const STALLS_PER_SECOND: f64 = 1.0;
/// Fewer say nothing: a host that has just booted.
const STALLS: u64 = 100;
const SETTINGS: &str = "sys/kernel/mm/transparent_hugepage";

/// `compact_stall` counts each allocation that compacted memory itself, `compact_fail` those that did so in
/// vain (`__alloc_pages_direct_compact`, mm/page_alloc.c, 6.1 to 7.3).
pub(super) fn compaction_stalls(sight: &Sight) -> Option<Waste> {
    let vmstat = sight.look("proc/vmstat");
    let (stalls, fails) = (count(&vmstat, "compact_stall")?, count(&vmstat, "compact_fail")?);
    let uptime = sight.look("proc/uptime");
    let seconds: f64 = uptime.text()?.split_ascii_whitespace().next()?.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
    let per_second = stalls as f64 / seconds.max(1.0);
    let [enabled, defrag] = ["enabled", "defrag"].map(|file| sight.look(format!("{SETTINGS}/{file}")));
    let faults_compact = is_chosen(&enabled, "always") && is_chosen(&defrag, "always");
    (stalls >= STALLS && per_second >= STALLS_PER_SECOND).then(|| Waste {
        name: "compaction_stalls",
        bytes: None,
        why: format!(
            "{stalls} times in {seconds:.0} s, {per_second:.1} times a second, a task stopped and moved pages to get a larger piece of \
             memory, {fails} times in vain; PSI counts that as stall on memory"
        ),
        remedy: if faults_compact {
            "echo defer+madvise > /sys/kernel/mm/transparent_hugepage/defrag: a page fault takes a huge page only where one is free, \
             kcompactd and khugepaged make the others"
        } else {
            "sysctl -w vm.compaction_proactiveness=60 (20 unless somebody changed it): kcompactd does more of it beforehand. Fewer programs \
             that ask for huge pages (`enabled` at madvise), and shorter buffers of a network driver, need less of it"
        },
        evidence: [vmstat.says(format!("compact_stall {stalls}, compact_fail {fails}")), uptime.evidence()]
            .into_iter()
            .chain([enabled, defrag].iter().filter(|look| look.text().is_some()).map(Look::evidence))
            .chain(free_pieces(sight))
            .collect(),
    })
}

/// The word in brackets is the one that holds: `always [madvise] never`.
fn is_chosen(look: &Look, word: &str) -> bool {
    look.text().is_some_and(|text| text.split_ascii_whitespace().any(|one| one == format!("[{word}]")))
}

/// Free memory, and how much of it is in pieces of a huge page and more: /proc/buddyinfo counts, zone by
/// zone, the free pieces of one page, two, four and so on (`frag_show_print`, mm/vmstat.c).
fn free_pieces(sight: &Sight) -> Option<Evidence> {
    let huge = of(&sight.look(MEMINFO), "Hugepagesize")?;
    let look = sight.look("proc/buddyinfo");
    let (mut free, mut in_huge) = (Bytes::ZERO, Bytes::ZERO);
    for zone in look.text()?.lines() {
        // `Node 0, zone Normal`
        let counts = zone.split_ascii_whitespace().skip(4).map_while(|word| word.parse::<u64>().ok());
        for (piece, count) in std::iter::successors(Some(1_u64), |pages| pages.checked_mul(2)).zip(counts) {
            let bytes = Bytes::pages(count.saturating_mul(piece));
            free += bytes;
            if Bytes::pages(piece) >= huge {
                in_huge += bytes;
            }
        }
    }
    Some(look.says(format!("{free} free, {in_huge} of it in pieces of {huge} and more")))
}
