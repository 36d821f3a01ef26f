//! A policy as it stands in a file, for checks that need its place.

use std::time::Duration;

use lowtide_core::Policy;

use crate::{raw, read::At, source::Source};

/// A policy, and the file it stands in.
pub(crate) struct Found<'s> {
    pub source: &'s Source,
    pub policy: At<raw::Policy>,
}

/// From which age on memory may go under a policy.
pub(crate) fn cold_after(raw: &raw::Policy) -> Duration {
    raw.cold_after.as_ref().map_or_else(|| Policy::observe("").cold_after, |time| time.value.0)
}
