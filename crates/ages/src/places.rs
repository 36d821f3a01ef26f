//! Who is looked at where there is not room for all, and how much of each.
//!
//! A tenant chooses how many cgroups and processes it has, and how deep. What it has more than its share of
//! is left out, counted and told; its neighbours have theirs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lowtide_cgroup::{Cgroup, Descend, Error, Walked};
use lowtide_core::{
    LeftOut,
    left_out::Kind,
    share::{LEVELS, interleaved, names, shares},
};
use lowtide_kernfs::{Fault, Files, parse::number};

use crate::Target;

/// So many cgroups at or below a target are visited, of three system calls each: a sixth of a second.
pub(crate) const CGROUPS: usize = 4096;
/// So many processes of a target are looked at, of which each costs an open and a read.
pub(crate) const PROCESSES: usize = 4096;

/// A look goes on finding out who has what for so long; whom it has not come to by then has no place. Targets
/// come [in turns](in_turns), so these are of those who have many.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The targets in an order in which one of each subtree comes after the other, at each level. It stays the
/// same from look to look: who has been watched for a while goes on being watched.
pub(crate) fn in_turns(targets: Vec<Target>) -> Vec<Target> {
    let paths: Vec<&str> = targets.iter().map(|target| &*target.path).collect();
    let order = interleaved(&paths, 0);
    let mut targets: Vec<_> = targets.into_iter().map(Some).collect();
    order.into_iter().filter_map(|place| targets[place].take()).collect()
}

/// Which of those at `paths`, that need `sizes`, have a place among `most`: at each level of the hierarchy
/// the subtrees have as much each, and what one does not need goes to the others.
pub(crate) fn places(paths: &[&str], sizes: &[usize], most: usize) -> Vec<bool> {
    let mut taken = vec![false; paths.len()];
    place(paths, sizes, (0..paths.len()).collect(), 0, most, &mut taken);
    // What is left where nothing fits into a share.
    let used: usize = sizes.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(size, _)| size).sum();
    fill(sizes, 0..paths.len(), most.saturating_sub(used), &mut taken);
    taken
}

fn place(paths: &[&str], sizes: &[usize], here: Vec<usize>, level: usize, most: usize, taken: &mut [bool]) {
    if here.len() <= 1 || level == LEVELS {
        return fill(sizes, here, most, taken);
    }
    let mut groups: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for one in here {
        groups.entry(names(paths[one]).nth(level)).or_default().push(one);
    }
    let want = |group: &Vec<usize>| group.iter().fold(0_usize, |sum, one| sum.saturating_add(sizes[*one]));
    let wants: Vec<_> = groups.values().map(want).collect();
    for (group, share) in groups.into_values().zip(shares(most, &wants)) {
        place(paths, sizes, group, level + 1, share, taken);
    }
}

fn fill(sizes: &[usize], here: impl IntoIterator<Item = usize>, mut most: usize, taken: &mut [bool]) {
    for one in here {
        if !taken[one] && sizes[one] <= most {
            most -= sizes[one];
            taken[one] = true;
        }
    }
}

/// Every cgroup at or below `target`, up to [`CGROUPS`], with what it reads as `visit` says; those that
/// vanish are left out.
pub(crate) fn subtree<T>(
    target: &Cgroup,
    left_out: &mut LeftOut,
    mut visit: impl FnMut(&Cgroup) -> Option<T>,
) -> Result<Vec<(Arc<str>, T)>, Error> {
    let mut found = Vec::new();
    // With whole paths: what is left out counts for the target's own subtree.
    let walked = target.walk_within(CGROUPS, |cgroup| {
        if let Some(read) = visit(cgroup) {
            found.push((Arc::clone(cgroup.path()), read));
        }
        Descend::Yes
    })?;
    let Walked { left_out: odd, beyond, .. } = walked;
    left_out.join(odd);
    if beyond > 0 {
        left_out.add_of(
            target.path(),
            Kind::Cgroup,
            &format!(
                "{}: has more than the {CGROUPS} cgroups that its idle ages are looked for in",
                target.path()
            ),
        );
        left_out.add_unnamed(Kind::Cgroup, beyond as u64 - 1);
    }
    Ok(found)
}

/// The processes at or below `target`, up to [`PROCESSES`], of which each of its cgroups has as many.
pub(crate) fn pids(target: &Cgroup, left_out: &mut LeftOut) -> Result<Vec<u32>, Error> {
    // In a threaded cgroup the file cannot be read; its processes are listed in the one above.
    let listed = |cgroup: &Cgroup| cgroup.dir().parse_optional("cgroup.procs", parse_pids).ok().flatten();
    let all = subtree(target, left_out, listed)?;
    let wants: Vec<_> = all.iter().map(|(_, pids)| pids.len()).collect();
    let given = shares(PROCESSES, &wants);
    let missed = wants.iter().sum::<usize>() - given.iter().sum::<usize>();
    if missed > 0 {
        left_out.add_of(
            target.path(),
            Kind::Process,
            &format!(
                "{}: has {missed} processes more than the {PROCESSES} that are looked at",
                target.path()
            ),
        );
        left_out.add_unnamed(Kind::Process, missed as u64 - 1);
    }
    Ok(all.into_iter().zip(given).flat_map(|((_, pids), given)| pids.into_iter().take(given)).collect())
}

/// Understands cgroup.procs.
pub fn parse_pids(text: &str) -> Result<Vec<u32>, Fault> {
    let lines = text.lines().enumerate();
    let pid = |(index, line): (usize, &str)| {
        let pid = number(index + 1, line)?;
        u32::try_from(pid).map_err(|_| Fault::new(index + 1, line, "a process id"))
    };
    lines.map(pid).collect()
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
