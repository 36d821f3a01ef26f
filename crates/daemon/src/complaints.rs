//! What was left out is said once each in the log, however often it comes and goes.

use std::collections::HashSet;

use lowtide_core::{LeftOut, left_out::Omission};

/// So many are remembered. A tenant that has a new one in every turn is not to fill the memory with them.
const REMEMBERED: usize = 1024;

/// What was said already.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    said: HashSet<Omission>,
    is_full: bool,
}

impl Complaints {
    /// Logs what is new.
    pub(crate) fn say(&mut self, left_out: &LeftOut) {
        for omission in self.take(left_out) {
            tracing::warn!(what = omission.kind.name(), "{}: it is left out", omission.why);
        }
    }

    fn take<'a>(&mut self, left_out: &'a LeftOut) -> Vec<&'a Omission> {
        let mut new: Vec<_> = left_out.named().iter().filter(|one| !self.said.contains(*one)).collect();
        new.truncate(REMEMBERED.saturating_sub(self.said.len()));
        self.said.extend(new.iter().copied().cloned());
        if self.said.len() >= REMEMBERED && !std::mem::replace(&mut self.is_full, true) {
            tracing::warn!(
                "{REMEMBERED} things were left out so far: no more are named here, `lowtide status` has them"
            );
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_core::left_out::Kind;

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
        assert_eq!(said, REMEMBERED - 1);
    }
}
