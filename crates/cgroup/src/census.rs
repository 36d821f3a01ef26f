use lowtide_kernfs::{Fault, Files, parse::keyed};

use crate::{Cgroup, Result};

/// How many cgroups there are below one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Those that can be seen.
    pub living: u64,
    /// Removed ones that the kernel still keeps, because something is charged to them.
    pub dying: u64,
}

impl Cgroup {
    /// How many cgroups there are below it (`cgroup.stat`); `None` if it is gone.
    pub fn census(&self) -> Result<Option<Census>> {
        match self.dir().parse_record("cgroup.stat", parse_census) {
            Err(error) if error.is_gone() => Ok(None),
            other => Ok(other?),
        }
    }
}

/// Understands cgroup.stat. Where the dying ones are counted by controller (`nr_dying_subsys_memory`, since
/// 6.12: `cgroup_stat_show`, kernel/cgroup/cgroup.c) those of the memory controller count: another one may
/// keep a cgroup that owns no page.
pub fn parse_census(text: &str) -> Result<Census, Fault> {
    let (mut living, mut dying, mut dying_memory) = (None, None, None);
    for line in keyed(text) {
        match line.key {
            "nr_descendants" => living = Some(line.number()?),
            "nr_dying_descendants" => dying = Some(line.number()?),
            "nr_dying_subsys_memory" => dying_memory = Some(line.number()?),
            _ => {}
        }
    }
    let missing = || Fault::whole(text, "lines `nr_descendants 4` and `nr_dying_descendants 0`");
    let (living, dying) = living.zip(dying_memory.or(dying)).ok_or_else(missing)?;
    Ok(Census { living, dying })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::up_to_6_11("nr_descendants 4\nnr_dying_descendants 7\n", Some((4, 7)))]
    #[case::since_6_12("nr_descendants 4\nnr_dying_descendants 7\nnr_dying_subsys_memory 5\n", Some((4, 5)))]
    #[case::truncated("nr_descendants 4\nnr_dying_desc", None)]
    #[case::no_number("nr_descendants 4\nnr_dying_descendants max\n", None)]
    #[case::huge("nr_descendants 99999999999999999999\nnr_dying_descendants 1\n", None)]
    #[case::garbage("\u{1}\u{2}\n", None)]
    #[case::empty("", None)]
    fn cgroup_stat(#[case] text: &str, #[case] expected: Option<(u64, u64)>) {
        let found = parse_census(text).ok().map(|census| (census.living, census.dying));
        assert_eq!(found, expected);
    }
}
