//! The one file that is written.

use std::path::Path;

use lowtide_core::watermarks::{Decision, Factor};
use lowtide_journal::{Journal, JournalError, knobs};
use lowtide_kernfs::Root;

use crate::settings;

/// From the root directory.
pub(super) const PATH: &str = "proc/sys/vm/watermark_scale_factor";

/// Why the watermarks are not adapted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(transparent)]
    Kernel(#[from] lowtide_kernfs::Error),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Knob(String),
    #[error("/{PATH}: this kernel has no such file")]
    Missing,
    #[error("/{PATH} holds `{0}`: a number from 1 to 3000 was expected")]
    NoFactor(String),
    #[error(
        "the kernel does not tell of zones, page cache or what kswapd does (/proc/zoneinfo, meminfo, vmstat)"
    )]
    Unseen,
}

/// The factor, and what the host was found with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub factor: Factor,
    pub original: Factor,
}

/// What the kernel holds.
pub(super) fn read(root: &Root) -> Result<Factor, Problem> {
    let text = knobs::read(root, Path::new(PATH)).map_err(Problem::Knob)?.ok_or(Problem::Missing)?;
    parse(&text)
}

fn parse(text: &str) -> Result<Factor, Problem> {
    Factor::parse(text).ok_or_else(|| Problem::NoFactor(text.to_owned()))
}

/// `None` if somebody else has set it since lowtide did: the record is to be [forgotten](forget), and what
/// they set is what the host is found with. `written` is what this daemon wrote last: the record alone has
/// two values that may be its own, since it is made before the write.
pub(super) fn look(
    root: &Root,
    journal: &Journal,
    written: Option<Factor>,
) -> Result<Option<Found>, Problem> {
    let factor = read(root)?;
    let Some(record) = journal.record(Path::new(PATH)) else {
        return Ok(Some(Found { factor, original: factor }));
    };
    let original = parse(&record.original)?;
    // A record that came too late for its write is of a knob that still holds what it was found with.
    let may_be_ours = || record.is_ours(&factor.to_string()) || factor == original;
    if written.map_or_else(may_be_ours, |written| written == factor) {
        return Ok(Some(Found { factor, original }));
    }
    Ok(None)
}

/// Sets it as decided, journalled first. At what the host was found with nothing is left to put back.
pub(super) fn set(root: &Root, journal: &mut Journal, decision: &Decision) -> Result<(), Problem> {
    let (path, from, to) = (Path::new(PATH), decision.from.to_string(), decision.to.to_string());
    let is_held = journal.record(path).is_some();
    journal.note(path, &from, &to)?;
    if let Err(why) = knobs::write(root, path, &to) {
        // Else what it still holds would be taken for somebody else's.
        if is_held {
            journal.note(path, &from, &from)?;
        } else {
            forget(journal)?;
        }
        return Err(Problem::Knob(why));
    }
    if decision.to == decision.figures.original { forget(journal) } else { Ok(()) }
}

/// Puts back what the host was found with, unless somebody else has set it.
pub(super) fn put_back(root: &Root, journal: &mut Journal) -> Result<(), Problem> {
    settings::put_back(root, journal, |record| record.path == Path::new(PATH))?;
    Ok(())
}

/// What the host was found with is not to be put back any more.
pub(super) fn forget(journal: &mut Journal) -> Result<(), Problem> {
    Ok(journal.forget(&[PATH.into()].into())?)
}
