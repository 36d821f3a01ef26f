//! KSM that costs more than it gives.

use lowtide_core::Bytes;
use lowtide_kernfs::parse::integer;

use super::Waste;
use crate::sight::{Look, Sight};

const FOLDER: &str = "sys/kernel/mm/ksm";
/// A page is merged when it is met a second time with the same content (`cmp_and_merge_page`, mm/ksm.c), so
/// one scan gives nothing.
const SCANS: u64 = 2;

/// ksmd runs and has gone over all memory that was offered to it, and what it merged is less than its records
/// take. Where nothing is offered it makes no scan (`ksmd_should_run`), has no records, and costs nothing:
/// the profit is 0 then, whatever it has scanned before.
pub(super) fn ksm_without_profit(sight: &Sight) -> Option<Waste> {
    let look = |file: &str| sight.look(format!("{FOLDER}/{file}"));
    let number = |look: &Look| integer(look.text()?).ok();
    let (run, full_scans, sharing) = (look("run"), look("full_scans"), look("pages_sharing"));
    // 1 is running; 0 is stopped, with what it merged kept.
    if number(&run)? != 1 || number(&full_scans)? < SCANS {
        return None;
    }
    // Bytes merged less those of its records (`general_profit_show`), from 6.4 on. Before, whether it merged
    // none of what it has.
    let general = look("general_profit");
    let profit: Option<i64> = general.text().and_then(|text| text.parse().ok());
    let is_offered =
        ["pages_unshared", "pages_volatile"].iter().any(|file| number(&look(file)).unwrap_or(0) > 0);
    let gives_nothing = profit.map_or(is_offered && number(&sharing)? == 0, |profit| profit < 0);
    gives_nothing.then(|| Waste {
        name: "ksm_without_profit",
        bytes: profit.map(|profit| Bytes::new(profit.unsigned_abs())),
        why: format!(
            "ksmd went {} times over all memory that was offered to it and found next to nothing that is equal; it reads on, {} pages \
             every {} ms",
            full_scans.text().unwrap_or_default(),
            look("pages_to_scan").text().unwrap_or("some"),
            look("sleep_millisecs").text().unwrap_or("some"),
        ),
        remedy: "echo 0 > /sys/kernel/mm/ksm/run stops it and keeps what is merged, echo 2 frees its records too; switch off whatever \
                 starts it (ksmtuned, ksm.service)",
        // advisor_mode is there from 6.8 on: `scan-time` sets pages_to_scan by itself.
        evidence: [run, full_scans, sharing, general, look("advisor_mode")]
            .iter()
            .filter(|look| look.text().is_some())
            .map(Look::evidence)
            .collect(),
    })
}
