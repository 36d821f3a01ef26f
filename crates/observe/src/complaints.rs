//! What was left out is said once each in the log, however often it comes and goes.

use std::collections::HashSet;

use lowtide_core::{
    LeftOut,
    left_out::{Kind, Omission},
};

/// So many of each kind are remembered. A tenant that has a new one in every turn is not to fill the memory with them; and it can make
/// cgroups and processes that cannot be read, but no devices and no lines of the host's lists: those are told all the same.
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
            let before = self.said.iter().filter(|one| one.kind == kind).count();
            let of_kind = left_out.named().iter().filter(|one| one.kind == kind && !self.said.contains(*one));
            let told: Vec<_> = of_kind.take(REMEMBERED - before).collect();
            if !told.is_empty() && before + told.len() == REMEMBERED {
                tracing::warn!(
                    what = kind.name(),
                    "{REMEMBERED} were left out so far: no more of them are named here, `lowtide status` has them"
                );
            }
            new.extend(told);
        }
        self.said.extend(new.iter().copied().cloned());
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
}
