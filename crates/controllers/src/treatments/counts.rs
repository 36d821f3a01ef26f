use std::collections::BTreeMap;

use lowtide_core::treatments::{Reason, Treatment};

/// Decisions so far, by treatment, action and reason.
#[derive(Debug, Clone, Default)]
pub struct Counts(BTreeMap<(Treatment, &'static str, &'static str), u64>);

impl Counts {
    pub(super) fn add(&mut self, treatment: Treatment, action: Action, reason: Reason) {
        *self.0.entry((treatment, action.name(), reason.name())).or_default() += 1;
    }

    /// Each with how often it was decided: treatment, action, reason.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str, u64)> {
        self.0.iter().map(|((treatment, action, reason), count)| (treatment.name(), *action, *reason, *count))
    }
}

/// What was decided, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    Hold,
    /// Memory is compacted.
    Compact,
    /// Page cache is reclaimed.
    Reclaim,
    /// A setting is made.
    Set,
    /// It is put back.
    PutBack,
}

impl Action {
    /// What became of a setting from one turn to the next.
    pub(super) const fn between(was_held: bool, is_held: bool) -> Self {
        match (was_held, is_held) {
            (false, true) => Self::Set,
            (true, false) => Self::PutBack,
            (false, false) | (true, true) => Self::Hold,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Compact => "compact",
            Self::Reclaim => "reclaim",
            Self::Set => "set",
            Self::PutBack => "put_back",
        }
    }
}
