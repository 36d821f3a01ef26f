//! What has to hold for a scenario to pass, said line by line.

use anyhow::{Result, bail};

/// Collects what held and what did not, so that one failure does not hide the next.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    failed: Vec<String>,
}

impl Verdict {
    /// Prints `what`, and whether it holds.
    pub(super) fn expect(&mut self, holds: bool, what: impl Into<String>) {
        let what = what.into();
        println!("{}  {what}", if holds { "   ok" } else { "FAILS" });
        if !holds {
            self.failed.push(what);
        }
    }

    /// An error that lists all that does not hold.
    pub(super) fn finish(self) -> Result<()> {
        if self.failed.is_empty() {
            return Ok(());
        }
        bail!("{} expectations do not hold: {}", self.failed.len(), self.failed.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_named() {
        let mut verdict = Verdict::default();
        verdict.expect(false, "one");
        verdict.expect(true, "two");
        verdict.expect(false, "three");
        let error = verdict.finish().unwrap_err().to_string();
        assert_eq!(error, "2 expectations do not hold: one; three");
        assert!(Verdict::default().finish().is_ok());
    }
}
