//! Turns in which the host cannot be observed. Each would log the same line: a log is not to fill while
//! somebody mends it.

/// What is the same again is said again after so many turns.
const REMINDED: u32 = 100;

/// The turns since the host was last observed.
#[derive(Debug, Default)]
pub(crate) struct Blind {
    turns: u32,
    said: String,
}

impl Blind {
    /// One more turn failed with this error. Whether that is to be said.
    pub(crate) fn failed(&mut self, error: &str) -> bool {
        let is_due = self.turns.is_multiple_of(REMINDED) || self.said != error;
        self.turns = self.turns.saturating_add(1);
        error.clone_into(&mut self.said);
        is_due
    }

    /// The host was observed. How many turns failed before, if any did.
    pub(crate) fn ended(&mut self) -> Option<u32> {
        let turns = std::mem::take(self).turns;
        (turns > 0).then_some(turns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_error_is_said_seldom_and_another_one_at_once() {
        let mut blind = Blind::default();
        let said = (0..250).filter(|_| blind.failed("meminfo")).count();
        assert_eq!(said, 3);
        assert!(blind.failed("vmstat") && !blind.failed("vmstat"));
        assert_eq!((blind.ended(), blind.ended()), (Some(252), None));
        assert!(blind.failed("vmstat"));
    }
}
