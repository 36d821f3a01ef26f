use std::fmt;

use super::Bytes;

/// A limit as cgroup v2 writes it: a number of bytes, or the word `max`. In JSON a number, or null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Limit {
    /// No limit.
    Max,
    /// At most so much.
    At(Bytes),
}

impl Limit {
    /// What is left below the limit when `used` is taken; [`Bytes::MAX`] without a limit.
    #[must_use]
    pub fn room(self, used: Bytes) -> Bytes {
        match self {
            Self::Max => Bytes::MAX,
            Self::At(limit) => limit - used,
        }
    }

    /// The number; [`Bytes::MAX`] without a limit, for `memory.min = max`.
    #[must_use]
    pub fn bytes(self) -> Bytes {
        match self {
            Self::Max => Bytes::MAX,
            Self::At(limit) => limit,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.pad("max"),
            Self::At(bytes) => bytes.fmt(f),
        }
    }
}
