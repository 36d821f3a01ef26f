//! The three knobs of a cgroup, and what is to be done with one.

use std::path::Path;

use lowtide_core::{Bytes, Confinement, Limit, ZswapBound};
use lowtide_journal::{Record, knobs::same};
use lowtide_kernfs::{page_size, parse::limit};

/// One of a cgroup's files that bound its swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knob {
    SwapMax,
    ZswapMax,
    Writeback,
}

impl Knob {
    /// In the order in which they are written: the one that holds for all swap first.
    pub(super) const ALL: [Self; 3] = [Self::SwapMax, Self::ZswapMax, Self::Writeback];

    pub(super) fn file(self) -> &'static Path {
        Path::new(match self {
            Self::SwapMax => "memory.swap.max",
            Self::ZswapMax => "memory.zswap.max",
            // From 6.8 on.
            Self::Writeback => "memory.zswap.writeback",
        })
    }

    /// What it has to hold; `None` if it is left alone.
    pub(super) fn wanted(self, told: &Confinement) -> Option<String> {
        // The kernel counts in pages and rounds down (`page_counter_memparse`, mm/page_counter.c).
        let pages = |limit: Bytes| limit.whole(Bytes::new(page_size() as u64)).get().to_string();
        match (self, told.zswap) {
            (Self::SwapMax, _) => told.swap.map(|bound| pages(bound.limit)),
            (Self::ZswapMax, ZswapBound::AtMost(limit)) => Some(pages(limit)),
            (Self::Writeback, ZswapBound::Stays) => Some("0".to_owned()),
            _ => None,
        }
    }

    /// Whether the operator's own value allows no more than `wanted`.
    fn is_as_strict(self, original: &str, wanted: &str) -> bool {
        match self {
            Self::SwapMax | Self::ZswapMax => parsed(original) <= parsed(wanted),
            Self::Writeback => same(original, wanted),
        }
    }
}

/// A limit that cannot be read counts as none.
pub(super) fn parsed(text: &str) -> Bytes {
    limit(text).map_or(Bytes::MAX, Limit::bytes)
}

/// What is to be done with a knob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Leave,
    /// Journal the original, and what lowtide had written before, then write.
    Set { original: String, before: Option<String>, value: String },
    /// Write the original, then forget it.
    PutBack { original: String },
    /// It is somebody else's again.
    Forget,
}

/// What the operator has it hold: what was found first, or what somebody else wrote since.
pub(super) fn original<'a>(found: &'a str, record: Option<&'a Record>) -> &'a str {
    ours(found, record).map_or(found, |record| &record.original)
}

fn ours<'a>(found: &str, record: Option<&'a Record>) -> Option<&'a Record> {
    record.filter(|record| record.is_ours(found))
}

/// The step from what a knob holds to what is wanted. The smaller of the operator's limit and lowtide's
/// stands.
pub(super) fn step(knob: Knob, found: &str, record: Option<&Record>, wanted: Option<String>) -> Step {
    let original = original(found, record).to_owned();
    let wanted = wanted.filter(|wanted| !knob.is_as_strict(&original, wanted));
    match (ours(found, record), wanted) {
        (Some(_), Some(value)) if same(found, &value) => Step::Leave,
        (ours, Some(value)) => Step::Set { original, before: ours.map(|_| found.to_owned()), value },
        (Some(_), None) => Step::PutBack { original },
        (None, None) if record.is_some() => Step::Forget,
        (None, None) => Step::Leave,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `lowtide restore` puts nothing else back.
    #[test]
    fn all_of_them_can_be_restored() {
        for knob in Knob::ALL {
            let path = Path::new("sys/fs/cgroup/a").join(knob.file());
            assert!(lowtide_journal::restorable::is_of_a_cgroup(&path), "{knob:?}");
        }
    }

    fn record(original: &str, written: &str) -> Record {
        Record {
            boot_id: String::new(),
            path: "any".into(),
            original: original.into(),
            written: written.into(),
            before: None,
            cgroup: None,
        }
    }

    fn set(original: &str, value: &str) -> Step {
        Step::Set { original: original.into(), before: None, value: value.into() }
    }

    #[test]
    fn steps_of_a_limit() {
        let back = Step::PutBack { original: "max".into() };
        let replaced = Step::Set { original: "max".into(), before: Some("0".into()), value: "4096".into() };
        for (what, found, record, wanted, expected) in [
            ("first", "max", None, Some("0"), set("max", "0")),
            ("the operator's own is smaller", "4096", None, Some("8192"), Step::Leave),
            ("the operator's own is larger", "8192", None, Some("4096"), set("8192", "4096")),
            ("in force", "0", Some(record("max", "0")), Some("0"), Step::Leave),
            ("another limit", "0", Some(record("max", "0")), Some("4096"), replaced),
            ("not wanted any more", "0", Some(record("max", "0")), None, back),
            ("killed before the write", "max", Some(record("max", "0")), Some("0"), set("max", "0")),
            ("killed, and not wanted", "max", Some(record("max", "0")), None, Step::Forget),
            ("raised by somebody else", "8192", Some(record("max", "0")), Some("0"), set("8192", "0")),
            ("lowered by somebody else", "4096", Some(record("max", "8192")), Some("8192"), Step::Forget),
            ("somebody else's, and not wanted", "8192", Some(record("max", "0")), None, Step::Forget),
            ("untouched", "max", None, None, Step::Leave),
        ] {
            let wanted = wanted.map(str::to_owned);
            assert_eq!(step(Knob::SwapMax, found, record.as_ref(), wanted), expected, "{what}");
        }
    }

    /// The journal has the new limit, the knob still the one before.
    #[test]
    fn ended_while_one_limit_replaces_another() {
        let between =
            |before: &str, written: &str| Record { before: Some(before.into()), ..record("max", written) };
        let again = |record: &Record, found: &str, wanted: Option<&str>| {
            step(Knob::SwapMax, found, Some(record), wanted.map(str::to_owned))
        };
        let replaced = Step::Set { original: "max".into(), before: Some("0".into()), value: "4096".into() };
        assert_eq!(again(&between("0", "4096"), "0", Some("4096")), replaced);
        assert_eq!(again(&between("0", "4096"), "0", None), Step::PutBack { original: "max".into() });
        assert_eq!(again(&between("4096", "0"), "4096", None), Step::PutBack { original: "max".into() });
    }

    #[test]
    fn a_switch_that_is_off_already_is_the_operators() {
        assert_eq!(step(Knob::Writeback, "0", None, Some("0".into())), Step::Leave);
        assert_eq!(step(Knob::Writeback, "1", None, Some("0".into())), set("1", "0"));
    }
}
