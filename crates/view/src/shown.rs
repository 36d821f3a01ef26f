//! Which of the targets `status` shows, and in which order.

use std::cmp::Ordering;

use globset::{GlobBuilder, GlobSet};

use crate::view::{CgroupView, View};

/// What is wanted of the targets.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// A glob over the path, or over its last names where it does not begin with `/`. The path of a container
    /// of a pod is also `/namespace/pod/container`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroups: Option<String>,
    /// By what they are sorted; as the loop goes through them without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    /// No more than so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
    /// How many characters fit a line; text only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
}

impl Shown {
    /// Everything, as wide as it is.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

/// By what targets are sorted: the most first, paths from A to Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Sort {
    /// The path.
    Cgroup,
    /// Memory in DRAM.
    Dram,
    /// Offloaded bytes.
    Offloaded,
    /// Net savings.
    Saved,
    /// Memory pressure of the last 10 s.
    Pressure,
    /// Faulted back in the last minute.
    Back,
    /// The price.
    Price,
}

/// The view with nothing but the targets that are wanted; and how many there were.
pub fn select(view: &View, shown: &Shown) -> Result<(View, usize), String> {
    let matcher = shown.cgroups.as_deref().map(matcher).transpose()?;
    let is_wanted = |cgroup: &&CgroupView| {
        matcher.as_ref().is_none_or(|glob| {
            glob.is_match(&*cgroup.path)
                || (cgroup.pod.is_some() && glob.is_match(format!("/{}", cgroup.name())))
        })
    };
    let mut cgroups: Vec<CgroupView> = view.cgroups.iter().filter(is_wanted).cloned().collect();
    if let Some(sort) = shown.sort {
        cgroups.sort_by(|a, b| order(sort, a, b));
    }
    cgroups.truncate(shown.top.unwrap_or(usize::MAX));
    Ok((View { cgroups, ..view.clone() }, view.cgroups.len()))
}

/// No pattern needs more.
const LONGEST_PATTERN: usize = 4096;

fn matcher(glob: &str) -> Result<GlobSet, String> {
    if glob.len() > LONGEST_PATTERN {
        return Err(format!("a pattern of {} bytes is longer than {LONGEST_PATTERN}", glob.len()));
    }
    let whole = if glob.starts_with('/') { glob.to_owned() } else { format!("/**/{glob}") };
    let built = GlobBuilder::new(&whole).literal_separator(true).backslash_escape(false).build();
    // A set says so where the pattern nests too deep for its regular expression; a single matcher panics.
    let set = built.and_then(|built| GlobSet::builder().add(built).build());
    set.map_err(|error| format!("`{glob}` is no pattern: {}", error.kind()))
}

fn order(sort: Sort, a: &CgroupView, b: &CgroupView) -> Ordering {
    let figures = |cgroup: &CgroupView| cgroup.decision.figures;
    let share = |share: Option<lowtide_core::Ratio>| share.map_or(-1.0, lowtide_core::Ratio::get);
    match sort {
        Sort::Cgroup => a.path.cmp(&b.path),
        Sort::Dram => b.dram().cmp(&a.dram()),
        Sort::Offloaded => figures(b).offloaded.cmp(&figures(a).offloaded),
        Sort::Saved => b.net_saved.cmp(&a.net_saved),
        Sort::Pressure => share(figures(b).memory_pressure).total_cmp(&share(figures(a).memory_pressure)),
        Sort::Back => figures(b).promotion_rate.get().total_cmp(&figures(a).promotion_rate.get()),
        Sort::Price => figures(b).price.get().total_cmp(&figures(a).price.get()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_nests_too_deep_is_an_answer_and_no_panic() {
        let nested = format!("{}a{}", "{".repeat(300), "}".repeat(300));
        // Either the pattern or its regular expression is refused; none panics.
        assert!(matcher(&nested).is_err(), "too deep");
        assert!(matcher(&"a".repeat(LONGEST_PATTERN + 1)).is_err(), "too long");
        assert!(matcher("web-*").unwrap().is_match("/a/web-1"));
    }
}
