//! Memory that this host loses to what no tenant owns, settings that lose it, and secrets that may be lost
//! with it.

mod compaction;
mod holders;
mod huge_pages;
mod ksm;
mod leftovers;
mod parts;
mod reserve;
mod secrets;
mod swap;

use std::fmt;

use lowtide_core::{Bytes, Ratio};
use lowtide_host::Zone;
use lowtide_kernfs::parse::{Keyed, keyed};

use crate::{
    finding::Evidence,
    sight::{Look, Sight},
};

/// Something that costs memory, time or secrecy, and that somebody can mend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Waste {
    /// Its name, which does not change from version to version.
    pub name: &'static str,
    /// What it takes; `None` where no file says it.
    pub bytes: Option<Bytes>,
    /// What it costs here.
    pub why: String,
    /// What to do.
    pub remedy: &'static str,
    /// By which files.
    pub evidence: Vec<Evidence>,
}

impl fmt::Display for Waste {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes.map_or_else(String::new, |bytes| format!(": {bytes}"));
        writeln!(f, "  {}{bytes}", self.name)?;
        self.evidence.iter().try_for_each(|evidence| writeln!(f, "    {evidence}"))?;
        writeln!(f, "    costs:    {}", self.why)?;
        writeln!(f, "    remedy:   {}", self.remedy)
    }
}

const MEMINFO: &str = "proc/meminfo";
/// Less is not worth anybody's time.
const LEAST: Ratio = Ratio::percent(1.0);

/// What is found here; nothing on a healthy host, and nothing of files that cannot be read.
pub(crate) fn wastes(sight: &Sight) -> Vec<Waste> {
    let looks = [
        leftovers::negative_dentries,
        leftovers::dying_cgroups,
        parts::unowned,
        swap::zswap_over_zram,
        swap::swap_priorities,
        swap::zram_without_limit,
        swap::tmpfs_without_swap,
        compaction::compaction_stalls,
        ksm::ksm_without_profit,
        huge_pages::unused_huge_pages,
        reserve::reserve,
        secrets::secrets_in_swap,
    ];
    let single = looks.into_iter().filter_map(|look| look(sight));
    single.chain(parts::parts(sight)).collect()
}

fn total(sight: &Sight) -> Option<Bytes> {
    of(&sight.look(MEMINFO), "MemTotal")
}

/// None where /proc/zoneinfo is not there, or not understood.
fn zones(sight: &Sight) -> Vec<Zone> {
    let look = sight.look("proc/zoneinfo");
    look.text().and_then(|text| lowtide_host::zones(text).ok()).unwrap_or_default()
}

/// The number of kB behind a key of /proc/meminfo, or of /proc/PID/status.
fn of(look: &Look, key: &str) -> Option<Bytes> {
    line(look, key)?.kib().ok()
}

fn count(look: &Look, key: &str) -> Option<u64> {
    line(look, key)?.number().ok()
}

fn line<'a>(look: &'a Look, key: &str) -> Option<Keyed<'a>> {
    keyed(look.text()?).find(|line| line.key == key)
}
