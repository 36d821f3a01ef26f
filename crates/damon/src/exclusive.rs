use std::{fmt, path::Path};

use lowtide_kernfs::{Files, Root, parse::switch};

use crate::Result;

/// A user of DAMON inside the kernel that tolerates no other: while it runs, starting a kdamond is EBUSY, and
/// it does not start while one runs (`damon_start`, mm/damon/core.c).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExclusiveUser {
    /// `DAMON_STAT` (6.17 and later): on by default where `CONFIG_DAMON_STAT_ENABLED_DEFAULT` is set, as in
    /// Debian's 7.3.
    Stat,
    /// `DAMON_RECLAIM`.
    Reclaim,
    /// `DAMON_LRU_SORT`.
    LruSort,
}

impl ExclusiveUser {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stat, Self::Reclaim, Self::LruSort];

    /// Its switch, from the root directory: `N` makes room for others.
    #[must_use]
    pub fn parameter(self) -> &'static Path {
        Path::new(match self {
            Self::Stat => "sys/module/damon_stat/parameters/enabled",
            Self::Reclaim => "sys/module/damon_reclaim/parameters/enabled",
            Self::LruSort => "sys/module/damon_lru_sort/parameters/enabled",
        })
    }

    /// Those that are switched on.
    pub fn enabled(root: &Root) -> Result<Vec<Self>> {
        let mut enabled = Vec::new();
        for user in Self::ALL {
            if root.parse_optional(user.parameter(), switch)? == Some(true) {
                enabled.push(user);
            }
        }
        Ok(enabled)
    }
}

impl fmt::Display for ExclusiveUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Stat => "DAMON_STAT",
            Self::Reclaim => "DAMON_RECLAIM",
            Self::LruSort => "DAMON_LRU_SORT",
        };
        write!(f, "{name} (/{} is Y)", self.parameter().display())
    }
}
