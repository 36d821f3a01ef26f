use lowtide_core::Bytes;

use super::{AddressRange, Keyword, Span};

/// Which part of the memory a scheme applies to. The first filter that matches decides; what none matches is
/// allowed unless the last filter is one that allows.
///
/// Filters of the layer [`Layer::Core`] come first, whatever their place in the list; what one of them
/// allows, no filter of the other layer looks at (`core_filters_allowed`, mm/damon/core.c).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Of which memory it speaks.
    pub kind: FilterKind,
    /// Whether it matches memory of the kind, or all other.
    pub matching: bool,
    /// What happens to memory that matches.
    pub verdict: Verdict,
}

impl Filter {
    /// Keeps nothing but memory of this kind. Works since filters are there.
    #[must_use]
    pub const fn only(kind: FilterKind) -> Self {
        Self { kind, matching: false, verdict: Verdict::Reject }
    }

    /// Leaves out memory of this kind. Works since filters are there.
    #[must_use]
    pub const fn except(kind: FilterKind) -> Self {
        Self { kind, matching: true, verdict: Verdict::Reject }
    }
}

/// What a filter says of memory that matches: the file `allow`, which is there from 6.14 on. Before, all
/// reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// The scheme is not applied to it.
    #[default]
    Reject,
    /// The scheme is applied to it, and no later filter is asked.
    Allow,
}

/// Memory that a filter speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterKind {
    /// `anon`: anonymous pages.
    Anonymous,
    /// `active` (6.15 and later): pages on the active list.
    Active,
    /// `memcg`: pages charged to this memory cgroup, not to those below it. A path from the root of the
    /// hierarchy with a leading slash; it has to exist when the kdamond starts and at each commit.
    Memcg(String),
    /// `young` (6.10 and later): pages accessed since the last look. The look resets it.
    Young,
    /// `hugepage_size` (6.15 and later): pages in folios of these sizes.
    HugepageSize(Span<Bytes>),
    /// `unmapped` (6.15 and later): pages that no process maps.
    Unmapped,
    /// `addr` (6.6 and later): addresses. A region across a border is split there.
    Address(AddressRange),
    /// `target` (6.6 and later): the target with this place in the description.
    Target(u32),
}

impl FilterKind {
    pub(crate) const KEYWORDS: [&'static str; 8] =
        ["anon", "active", "memcg", "young", "hugepage_size", "unmapped", "addr", "target"];

    /// Who applies it.
    #[must_use]
    pub const fn layer(&self) -> Layer {
        match self {
            Self::Address(_) | Self::Target(_) => Layer::Core,
            _ => Layer::Operations,
        }
    }

    pub(crate) fn memcg(&self) -> Option<&str> {
        match self {
            Self::Memcg(path) => Some(path),
            _ => None,
        }
    }
}

impl Keyword for FilterKind {
    fn keyword(&self) -> &'static str {
        match self {
            Self::Anonymous => "anon",
            Self::Active => "active",
            Self::Memcg(_) => "memcg",
            Self::Young => "young",
            Self::HugepageSize(_) => "hugepage_size",
            Self::Unmapped => "unmapped",
            Self::Address(_) => "addr",
            Self::Target(_) => "target",
        }
    }
}

/// Who applies a filter. From 6.15 on each layer has a directory of its own, where this crate puts its
/// filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// DAMON itself, by region: what is left out is not even tried.
    Core,
    /// The set of operations, page by page. Up to 6.13 the action `stat` does not ask them.
    Operations,
}

impl Layer {
    pub(crate) const ALL: [Self; 2] = [Self::Core, Self::Operations];

    pub(crate) const fn directory(self) -> &'static str {
        match self {
            Self::Core => "core_filters",
            Self::Operations => "ops_filters",
        }
    }
}
