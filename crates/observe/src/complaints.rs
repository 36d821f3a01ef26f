//! What was left out is said once each in the log, however often it comes and goes.

use std::collections::HashSet;

use lowtide_core::{
    LeftOut,
    crowded::who_goes,
    left_out::{Kind, Omission},
};

/// So many of each kind are remembered, shared among the subtrees at each level of the hierarchy: one who has
/// thousands silences no neighbour. A tenant that has a new one in every turn is not to fill the memory with
/// them; and it can make cgroups and processes that cannot be read, but no devices and no lines of the host's
/// lists: those are told all the same.
const REMEMBERED: usize = 256;

/// What was said already.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    said: HashSet<Omission>,
}

impl Complaints {
    /// Logs what is new.
    pub(crate) fn say(&mut self, left_out: &LeftOut) {
        for omission in self.take(left_out) {
            tracing::warn!(what = omission.kind.name(), "{}: it is left out", omission.why);
        }
    }

    fn take<'a>(&mut self, left_out: &'a LeftOut) -> Vec<&'a Omission> {
        let mut new = Vec::new();
        for kind in Kind::ALL {
            for omission in left_out.in_turns(kind) {
                if self.said.contains(omission) {
                    continue;
                }
                let of_kind: Vec<_> = self.said.iter().filter(|one| one.kind == kind).collect();
                let is_last = of_kind.len() + 1 == REMEMBERED;
                if of_kind.len() >= REMEMBERED {
                    let paths: Vec<_> = of_kind.iter().map(|one| &*one.of).collect();
                    let Some(goes) = who_goes(&paths, &omission.of) else { continue };
                    let goes = of_kind[goes].clone();
                    self.said.remove(&goes);
                }
                self.said.insert(omission.clone());
                new.push(omission);
                if is_last {
                    tracing::warn!(
                        what = kind.name(),
                        "{REMEMBERED} were left out so far: no more are named here of who has had a share of them, `lowtide status` has them"
                    );
                }
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_said_once_and_no_tenant_fills_the_log() {
        let mut complaints = Complaints::default();
        let mut left_out = LeftOut::default();
        left_out.add(Kind::Device, "zram0");
        assert_eq!(complaints.take(&left_out).len(), 1);
        assert_eq!(complaints.take(&LeftOut::default()).len(), 0);
        assert_eq!(complaints.take(&left_out).len(), 0);
        let said: usize = (0..10_000)
            .map(|turn| {
                let mut left_out = LeftOut::default();
                left_out.add(Kind::Cgroup, &format!("/a{turn}"));
                complaints.take(&left_out).len()
            })
            .sum();
        assert_eq!(said, REMEMBERED);
        // Nor does it silence what the host has to say.
        left_out.add(Kind::Device, "zram1");
        assert_eq!(complaints.take(&left_out).len(), 1);
    }

    /// Kind 2: a tenant's odd names, new ones in each turn, and what is wrong at another one.
    #[test]
    fn one_who_has_said_too_much_silences_nobody_else() {
        let mut complaints = Complaints::default();
        let mut say = |path: &str| {
            let mut left_out = LeftOut::default();
            left_out.add_of(path, Kind::Cgroup, &format!("{path}: odd"));
            complaints.take(&left_out).len()
        };
        let said: usize = (0..2000).map(|turn| say(&format!("/tenants/many/{turn}"))).sum();
        assert_eq!(said, REMEMBERED);
        assert_eq!((say("/tenants/few/1"), say("/tenants/few/1"), say("/tenants/few/2")), (1, 0, 1));
        assert_eq!(say("/tenants/many/new"), 0);
        // Nor does a third one, that has as many, go on for ever.
        let said: usize = (0..2000).map(|turn| say(&format!("/tenants/third/{turn}"))).sum();
        assert!(said <= REMEMBERED, "{said}");
    }
}
