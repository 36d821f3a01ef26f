use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{Operations, describe::Keyword};

/// What the running kernel's DAMON has: the files below `kdamonds/N`, and the words that those with keywords
/// take. Indices are written as `N`.
///
/// Probed on a claimed, empty kdamond, by making one of everything and trying the words.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Capabilities {
    pub(crate) files: BTreeSet<String>,
    pub(crate) keywords: BTreeMap<String, BTreeSet<String>>,
}

/// A part of DAMON that a kernel has or has not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// The file, below `kdamonds/N`, with `N` for indices.
    pub file: String,
    /// The word in that file.
    pub keyword: Option<String>,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.keyword {
            Some(keyword) => write!(f, "`{keyword}` in {}", self.file),
            None => f.pad(&self.file),
        }
    }
}

pub(crate) const AVAIL_OPERATIONS: &str = "contexts/N/avail_operations";

/// The regions' `sz_filter_passed` exists only once there are regions; it came with this one.
pub(crate) const PASSED: &str = "contexts/N/schemes/N/stats/sz_ops_filter_passed";

impl Capabilities {
    /// Whether this kernel has it.
    #[must_use]
    pub fn has(&self, part: &Part) -> bool {
        match &part.keyword {
            Some(keyword) => self.takes(&part.file, keyword),
            None => self.has_file(&part.file),
        }
    }

    /// Whether there is such a file; a path below `kdamonds/N` with `N` for indices.
    #[must_use]
    pub fn has_file(&self, file: &str) -> bool {
        self.files.contains(file)
    }

    /// Whether the file takes this word.
    #[must_use]
    pub fn takes(&self, file: &str, keyword: &str) -> bool {
        self.keywords.get(file).is_some_and(|keywords| keywords.contains(keyword))
    }

    /// The words that a file takes.
    pub fn keywords(&self, file: &str) -> impl Iterator<Item = &str> {
        self.keywords.get(file).into_iter().flatten().map(String::as_str)
    }

    /// Every file, and every directory with a slash behind it.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Whether this set of operations is there: a kernel may be built without one.
    #[must_use]
    pub fn operations(&self, operations: Operations) -> bool {
        self.takes(AVAIL_OPERATIONS, operations.keyword())
    }

    /// Whether a snapshot says how many bytes of a region passed the filters (6.14 and later). On earlier
    /// kernels `stat` asks no filters: a scheme with a memcg filter reports everybody's memory.
    #[must_use]
    pub fn counts_passed_bytes(&self) -> bool {
        self.has_file(PASSED)
    }

    /// Whether each layer has its own directory of filters (6.15 and later).
    #[must_use]
    pub(crate) fn layered(&self) -> bool {
        self.has_file("contexts/N/schemes/N/ops_filters/nr_filters")
    }
}

/// The path with `N` for its indices.
pub(crate) fn template(path: &str) -> String {
    let is_index = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = path.split('/').map(|part| if is_index(part) { "N" } else { part }).collect();
    parts.join("/")
}
