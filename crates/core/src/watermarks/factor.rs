use std::fmt;

/// A value of `vm.watermark_scale_factor`: ten-thousandths of a zone between two of its watermarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Factor(u16);

impl Factor {
    /// The least that lowtide raises it from and a configuration may allow, and what a kernel begins with
    /// (`watermark_scale_factor`, mm/page_alloc.c).
    pub const LEAST: Self = Self(10);
    /// The kernel takes 1 to this in 6.1 and later (SYSCTL_THREE_THOUSAND; kernel/sysctl.c, in later kernels
    /// mm/page_alloc.c): 30 % of a zone. Up to 5.16 it was 1000.
    pub const MOST: Self = Self(3000);
    /// All of a zone.
    pub(super) const WHOLE: u64 = 10_000;

    /// `None` for what the kernel does not take.
    #[must_use]
    pub const fn new(factor: u16) -> Option<Self> {
        if factor >= 1 && factor <= Self::MOST.0 { Some(Self(factor)) } else { None }
    }

    /// As the kernel shows it; `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok().and_then(Self::new)
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// So many more, at most the kernel's most.
    #[must_use]
    pub(super) fn plus(self, more: u64) -> Self {
        let sum = u64::from(self.0).saturating_add(more);
        u16::try_from(sum).map_or(Self::MOST, Self).min(Self::MOST)
    }

    /// So many less, at least one.
    #[must_use]
    pub(super) fn minus(self, less: u64) -> Self {
        let rest = u64::from(self.0).saturating_sub(less);
        Self(u16::try_from(rest).unwrap_or(u16::MAX).max(1))
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
