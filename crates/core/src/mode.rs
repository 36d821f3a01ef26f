//! How far a policy goes.

/// How far lowtide may go with a cgroup, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Measure and say what would be done; write nothing.
    Observe,
    /// Page cache only.
    File,
    /// Page cache and anonymous memory.
    Full,
}
