//! What is expected of each package.

use super::{Broken, FILES, KNOB, Sandbox, Step, sandbox};
use crate::outcome::Outcome;
use crate::scenarios::verdict::Verdict;
use crate::size::{MIB, mib};
use anyhow::{Context, Result};

/// Enabled and started when it is installed; removed and purged.
pub(super) fn deb(outcome: &Outcome) -> Result<()> {
    let steps = Steps::of(outcome)?;
    let mut verdict = Verdict::default();
    let installed = steps.find("installed")?;
    verdict.expect(installed.active == "active" && installed.enabled == "enabled", "installed, it runs");
    verdict.expect(installed.tiers_enabled == "disabled", "and sets up no swap");
    steps.expect_life(&mut verdict)?;
    expect_sandbox(outcome, &mut verdict)?;
    expect_answers(outcome, &mut verdict)?;
    let (removed, purged) = (steps.find("removed")?, steps.find("purged")?);
    verdict.expect(removed.files == FILES[..3], "configuration and state are kept until the purge");
    verdict.expect(purged.files.is_empty() && purged.differences.is_empty(), "purged, nothing is left");
    verdict.expect(purged.left.is_empty(), format!("nor any file that is called lowtide: {:?}", purged.left));
    verdict.finish()
}

/// Started by whoever wants it; what was never changed goes with the package, and state stays.
pub(super) fn rpm(outcome: &Outcome) -> Result<()> {
    let steps = Steps::of(outcome)?;
    let mut verdict = Verdict::default();
    let installed = steps.find("installed")?;
    verdict.expect(installed.active != "active" && installed.enabled == "disabled", "installed, it waits");
    let enabled = steps.find("enabled")?;
    verdict.expect(enabled.enabled == "enabled" && enabled.tiers_enabled == "disabled", "enabled, it runs");
    steps.expect_life(&mut verdict)?;
    expect_sandbox(outcome, &mut verdict)?;
    expect_answers(outcome, &mut verdict)?;
    let removed = steps.find("removed")?;
    verdict.expect(removed.files == FILES[1..3], "a policy of one's own and state are kept");
    let is_kept = |path: &&String| !KEPT.iter().any(|kept| path.starts_with(kept));
    let others: Vec<_> = removed.left.iter().filter(is_kept).collect();
    verdict.expect(others.is_empty(), format!("nor any other file that is called lowtide: {others:?}"));
    verdict.finish()
}

/// What rpm leaves, having no purge.
const KEPT: [&str; 2] = ["/etc/lowtide", "/var/lib/lowtide"];

/// By the socket that is used unless a configuration says otherwise.
fn expect_answers(outcome: &Outcome, verdict: &mut Verdict) -> Result<()> {
    let Broken { statuses, check, said, .. } = outcome.result("broken")?;
    verdict.expect(
        statuses == [0, 0, 0] && check == 78,
        format!("`status`, `explain`, `report` while a file is wrong: {statuses:?}, `check` {check}: {said}"),
    );
    verdict.expect(said.contains("broken.yaml"), "and the file is named");
    Ok(())
}

/// The limits are the issue's: 2.4 for the daemon, 4 for what sets up tiers.
fn expect_sandbox(outcome: &Outcome, verdict: &mut Verdict) -> Result<()> {
    let Sandbox { refused, open, closed_outside, tried, exposure, .. } = outcome.result("sandbox")?;
    verdict.expect(
        tried == sandbox::WRITTEN.len() && refused.is_empty(),
        format!("of {tried} files that lowtide may have to write, the unit lets it: not {refused:?}"),
    );
    verdict.expect(
        closed_outside.is_empty(),
        format!("others could be written outside: not {closed_outside:?}"),
    );
    verdict.expect(open.is_empty(), format!("and not from inside: {open:?}"));
    let is_low = matches!(exposure[..], [daemon, tiers] if daemon <= 2.4 && tiers <= 4.0);
    verdict.expect(is_low, format!("systemd-analyze security says {exposure:?}"));
    Ok(())
}

/// In their order.
struct Steps(Vec<Step>);

impl Steps {
    /// Those of a run, printed.
    fn of(outcome: &Outcome) -> Result<Self> {
        let steps: Vec<Step> = outcome.all("step")?;
        steps.iter().for_each(Step::print);
        println!("kernel {}, {:.0} s wall", outcome.kernel, outcome.wall.as_secs_f64());
        Ok(Self(steps))
    }

    fn find(&self, name: &str) -> Result<&Step> {
        self.0.iter().find(|step| step.name == name).with_context(|| format!("no step {name}"))
    }

    /// What holds with both.
    fn expect_life(&self, verdict: &mut Verdict) -> Result<()> {
        let Self(steps) = self;
        let (observes, configured) = (self.find("observes")?, self.find("configured")?);
        let (upgraded, removed) = (self.find("upgraded")?, self.find("removed")?);
        verdict.expect(steps.iter().all(|step| step.status == 0), "the package manager ends well each time");
        let is_same = |step: &Step| step.tenant == observes.tenant;
        verdict.expect(steps.iter().all(is_same), "the tenant is the same process");
        verdict.expect(observes.targets.is_some_and(|targets| targets > 0), "it looks at services");
        verdict
            .expect(observes.swapped == 0 && observes.knob == "max", "and moves nothing, and holds nothing");
        verdict.expect(configured.swapped > 30 * MIB && configured.knob == "0", "configured, it offloads");
        let is_new = upgraded.active == "active" && upgraded.process != configured.process;
        verdict.expect(is_new, "the upgrade starts it anew");
        verdict.expect(upgraded.knob == "0", "it holds its limit again");
        verdict.expect(upgraded.swapped * 10 >= configured.swapped * 9, "nothing came back for the upgrade");
        verdict.expect(upgraded.files.len() == FILES.len(), "configuration and state are kept");
        let (before, after) = (configured.report, upgraded.report);
        let goes_on =
            before.zip(after).is_some_and(|(before, after)| before.0 == after.0 && after.1 >= before.1);
        verdict.expect(goes_on, format!("and what was added up goes on: {before:?}, {after:?}"));
        let treated = self.find("treated")?;
        verdict
            .expect(treated.active == "active" && treated.knob == "0", "settings of the host are set beside");
        verdict.expect(removed.active != "active" && removed.process.is_none(), "removed, it is gone");
        verdict.expect(removed.knob == "max", "and has put its limit back");
        verdict.expect(removed.differences.is_empty(), "the host is as before");
        Ok(())
    }
}

impl Step {
    fn print(&self) {
        println!(
            "{:<11} {}, program {}, {} and {}, {:?} targets, {:.1} MiB of the tenant in swap, {KNOB} {}, {} differences",
            self.name,
            self.status,
            self.program.as_deref().unwrap_or("gone"),
            self.active,
            self.enabled,
            self.targets,
            mib(self.swapped),
            self.knob,
            self.differences.len()
        );
        self.differences.iter().for_each(|difference| println!("            {difference}"));
    }
}
