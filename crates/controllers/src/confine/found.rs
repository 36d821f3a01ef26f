//! What the knobs of one cgroup hold.

use std::path::{Path, PathBuf};

use lowtide_cgroup::{Cgroup, Descend};
use lowtide_core::{Bytes, Confinement, Limit, confine::Own};
use lowtide_journal::{Record, knobs};
use lowtide_kernfs::Files;

use super::{
    above::Bounds,
    knob::{self, Knob, Step},
};

/// What a cgroup's knobs hold, and what the journal has of them.
pub(super) struct Found<'a> {
    values: Vec<Value<'a>>,
}

struct Value<'a> {
    knob: Knob,
    /// From the root directory.
    path: PathBuf,
    text: String,
    record: Option<&'a Record>,
}

impl<'a> Found<'a> {
    /// Reads those that this kernel has; none of a cgroup that is gone.
    pub(super) fn read(root: &Path, handle: &Cgroup, records: &[&'a Record]) -> Result<Self, String> {
        let directory = handle.dir().path();
        let directory = directory.strip_prefix(root).unwrap_or(directory);
        let read = |knob: Knob| {
            let path = directory.join(knob.file());
            let record = records.iter().copied().find(|record| record.path == path);
            let text = knobs::read(handle.dir(), knob.file()).transpose()?;
            Some(text.map(|text| Value { knob, path, text, record }))
        };
        Ok(Self { values: Knob::ALL.into_iter().filter_map(read).collect::<Result<_, _>>()? })
    }

    /// Whether this kernel has such a knob.
    pub(super) fn has(&self, knob: Knob) -> bool {
        self.values.iter().any(|value| value.knob == knob)
    }

    /// What the operator has set for the cgroup and above it.
    pub(super) fn own(&self, above: Bounds, footprint: Bytes) -> Own {
        let original = |knob| {
            let value = self.values.iter().find(|value| value.knob == knob)?;
            Some(knob::original(&value.text, value.record).to_owned())
        };
        let own = original(Knob::ZswapMax).map_or(Bytes::MAX, |text| knob::parsed(&text));
        let zswap_max = own.min(above.zswap_max);
        let writeback = original(Knob::Writeback).map(|text| !knobs::same(&text, "0"));
        Own {
            footprint,
            zswap_max: if zswap_max == Bytes::MAX { Limit::Max } else { Limit::At(zswap_max) },
            writeback: writeback.map(|own| own && above.writeback),
        }
    }

    /// What is to be done so that the cgroup is told this.
    pub(super) fn steps(self, told: &Confinement) -> impl Iterator<Item = (Knob, PathBuf, Step)> {
        self.values.into_iter().map(|Value { knob, path, text, record }| {
            let step = knob::step(knob, &text, record, knob.wanted(told));
            (knob, path, step)
        })
    }
}

/// So many cgroups are asked whether pages below a target may go on from zswap.
const ASKED_BELOW: usize = 1024;

/// Whether pages of some cgroup below may not go on from zswap: with zswap closed to them too, the kernel
/// would try each in vain and put it back. One that cannot be read counts as if, and so do those beyond
/// [`ASKED_BELOW`].
pub(super) fn stays_below(handle: &Cgroup) -> bool {
    let mut stays = false;
    let walked = handle.walk_within(ASKED_BELOW, |cgroup| {
        if cgroup.path() != handle.path() {
            let writeback = cgroup.dir().read_optional(Knob::Writeback.file());
            stays |= match writeback {
                Ok(text) => text.is_some_and(|text| knobs::same(&text, "0")),
                Err(error) => !error.is_gone(),
            };
        }
        Descend::Yes
    });
    stays || walked.map_or(true, |walked| !walked.failed.is_empty() || walked.beyond > 0)
}
