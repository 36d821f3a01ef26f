//! Who is read first when one turn is too short for all.

use lowtide_core::{CgroupId, quota::chosen};

/// Where a turn ended that was too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Late {
    /// How many were read.
    read: usize,
    /// The first of those that follow one after the other.
    next: CgroupId,
}

/// The places of all, in the order in which they are read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) places: Vec<usize>,
    /// So many of them, the first ones, are read in every turn.
    pub(crate) shared: usize,
}

impl Late {
    /// After `read` of an order with so many `shared`, the one called `next` was not come to.
    pub(crate) fn after(read: usize, next: CgroupId, shared: usize, last: Option<Self>) -> Self {
        // Of those that follow one after the other none was read: they go on from where they were.
        let next = last.filter(|_| read < shared).map_or(next, |last| last.next);
        Self { read, next }
    }
}

/// The order in which `targets` are read.
///
/// After a turn that was late, half of what was read in it is for each subtree's share, so whoever has few is
/// read in every turn. The others follow one after the other from where it ended.
pub(crate) fn order(targets: &[(CgroupId, &str)], late: Option<Late>) -> Order {
    let Some(late) = late else { return Order { places: (0..targets.len()).collect(), shared: 0 } };
    let shared = chosen(late.read / 2, targets.iter().map(|(_, path)| *path));
    let (mut places, mut others): (Vec<_>, Vec<_>) =
        (0..targets.len()).partition(|place| shared.contains(targets[*place].1));
    // It is gone, or has its share this time: the one that came after it in the list is not known any more.
    let next = others.iter().position(|place| targets[*place].0 == late.next);
    others.rotate_left(next.unwrap_or_default());
    places.append(&mut others);
    Order { places, shared: shared.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind 1.
    #[test]
    fn whoever_has_few_is_read_in_every_turn_and_the_others_one_after_the_other() {
        let paths: Vec<_> = (0..6).map(|number| format!("/evil/{number}")).chain(["/good".into()]).collect();
        let targets: Vec<_> = (10..).map(CgroupId).zip(paths.iter().map(String::as_str)).collect();
        assert_eq!(order(&targets, None).places, [0, 1, 2, 3, 4, 5, 6]);
        let after = |read, next| order(&targets, Some(Late { read, next: CgroupId(next) })).places;
        assert_eq!(after(4, 14), [0, 6, 4, 5, 1, 2, 3]);
        assert_eq!(after(4, 11), [0, 6, 1, 2, 3, 4, 5]);
        // It is gone, or has its share this time.
        assert_eq!(after(4, 99), [0, 6, 1, 2, 3, 4, 5]);
        assert_eq!(after(1, 16), [6, 0, 1, 2, 3, 4, 5]);
    }

    /// A turn that is shorter than the one before came back to the first of them.
    #[test]
    fn nobody_is_passed_over_when_one_turn_is_shorter_than_another() {
        let paths: Vec<_> = (0..40).map(|number| format!("/evil/{number}")).collect();
        let targets: Vec<_> = (1..).map(CgroupId).zip(paths.iter().map(String::as_str)).collect();
        let (mut late, mut seen) = (None, std::collections::HashSet::<usize>::new());
        for read in [10, 4].into_iter().cycle().take(40) {
            let Order { places, shared } = order(&targets, late);
            seen.extend(&places[..read]);
            late = Some(Late::after(read, targets[places[read]].0, shared, late));
        }
        assert_eq!(seen.len(), targets.len());
    }
}
