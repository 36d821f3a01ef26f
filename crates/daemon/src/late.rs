//! Who is read first when one turn is too short for all.

use lowtide_core::CgroupId;

use crate::share::chosen;

/// Where a turn ended that was too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Late {
    /// How many were read.
    pub(crate) read: usize,
    /// The first that was not.
    pub(crate) next: CgroupId,
}

/// The places of `targets` in the order in which they are read.
///
/// After a turn that was late, half of what was read in it is for each subtree's share, so whoever has few is read in every turn. The
/// others follow one after the other from where it ended.
pub(crate) fn order(targets: &[(CgroupId, &str)], late: Option<Late>) -> Vec<usize> {
    let Some(late) = late else { return (0..targets.len()).collect() };
    let shared = chosen(late.read / 2, targets.iter().map(|(_, path)| *path));
    let (mut first, mut others): (Vec<_>, Vec<_>) =
        (0..targets.len()).partition(|place| shared.contains(targets[*place].1));
    let next = others.iter().position(|place| targets[*place].0 == late.next);
    others.rotate_left(next.unwrap_or_default());
    first.append(&mut others);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind 1.
    #[test]
    fn whoever_has_few_is_read_in_every_turn_and_the_others_one_after_the_other() {
        let paths: Vec<_> = (0..6).map(|number| format!("/evil/{number}")).chain(["/good".into()]).collect();
        let targets: Vec<_> = (10..).map(CgroupId).zip(paths.iter().map(String::as_str)).collect();
        assert_eq!(order(&targets, None), [0, 1, 2, 3, 4, 5, 6]);
        let after = |read, next| order(&targets, Some(Late { read, next: CgroupId(next) }));
        assert_eq!(after(4, 14), [5, 6, 4, 0, 1, 2, 3]);
        assert_eq!(after(4, 11), [5, 6, 1, 2, 3, 4, 0]);
        // It is gone, or has its share this time.
        assert_eq!(after(4, 99), [5, 6, 0, 1, 2, 3, 4]);
        assert_eq!(after(1, 16), [6, 0, 1, 2, 3, 4, 5]);
    }
}
