//! What the daemon keeps of what it saw.

use std::time::Duration;

use lowtide_core::Bytes;

use crate::raw;

/// What the daemon keeps of what it saw and decided, in the state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Whether it keeps any.
    pub enabled: bool,
    /// For how long; 1 h to 90 days.
    pub keep: Duration,
    /// All of it takes no more on the disk; 1 MiB to 4 GiB.
    pub max_size: Bytes,
}

impl Default for History {
    fn default() -> Self {
        Self { enabled: true, keep: Duration::from_hours(7 * 24), max_size: Bytes::mib(64) }
    }
}

/// The host's settings, with defaults for what is not given.
pub(crate) fn history(raw: &raw::HostHistory) -> History {
    let default = History::default();
    History {
        enabled: raw.enabled.unwrap_or(default.enabled),
        keep: raw.keep.as_ref().map_or(default.keep, |time| time.0),
        max_size: raw.max_size.as_ref().map_or(default.max_size, |size| size.0),
    }
}
