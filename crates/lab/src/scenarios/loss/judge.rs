//! What has to have happened at each step.

use super::super::verdict::Verdict;
use super::{
    BACKING_FAILS, BACKING_FAILS_AGAIN, BACKING_FULL, BACKING_STAYS_FULL, BELOW, DISK, DISK_FAILS, DISK_OFF,
    DISK_ON, NOTHING_LEFT, Step, Verified, ZRAM, ZRAM_OFF,
};
use crate::outcome::Outcome;
use crate::size::mib;
use anyhow::{Context, Result};

pub(super) fn judge(outcome: &Outcome) -> Result<()> {
    let steps: Vec<Step> = outcome.all("step")?;
    for step in &steps {
        let Step { name, done, seconds, tiers, offloaded, reasons, balancer, sunk, problems, .. } = step;
        let tiers: Vec<_> = tiers
            .iter()
            .map(|(name, bytes, measured)| format!("{name} {:.1} {measured}", mib(*bytes)))
            .collect();
        let offloaded: Vec<_> = offloaded.iter().map(|bytes| format!("{:.1}", mib(*bytes))).collect();
        println!(
            "{name} ({}, {seconds:.0} s): {}; offloaded {} MiB ({}); balancer {}, {:.1} MiB sunk",
            if *done { "done" } else { "NOT DONE" },
            tiers.join(", "),
            offloaded.join(" and "),
            reasons.join(", "),
            balancer.as_deref().unwrap_or("none"),
            mib(*sunk)
        );
        for line in problems.iter().map(|problem| format!("problem: {problem}")).chain(step.log.clone()) {
            println!("    {line}");
        }
    }
    let mut verdict = Verdict::default();
    for Verified { name, wrong_pages, .. } in outcome.all("verified")? {
        verdict.expect(
            wrong_pages == Some(0),
            format!("tenant {name}: {} pages are not what was written", wrong_pages.unwrap_or(usize::MAX)),
        );
    }
    for step in &steps {
        verdict.expect(step.done, format!("{} ({:.0} s)", step.name, step.seconds));
    }
    judge_words(&mut verdict, &steps)?;
    judge_log(&mut verdict, &steps);
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

/// What the daemon says, and that it goes on meanwhile.
fn judge_words(verdict: &mut Verdict, steps: &[Step]) -> Result<()> {
    let step = |name: &str| {
        steps.iter().find(|step| step.name == name).with_context(|| format!("there was no step {name:?}"))
    };
    let named = |step: &Step, device: &str| step.problems.iter().any(|problem| problem.contains(device));
    let (failing, again) = (step(BACKING_FAILS)?, step(BACKING_FAILS_AGAIN)?);
    verdict.expect(
        named(failing, BELOW) && again.offloaded[0] > failing.offloaded[0],
        format!(
            "a backing device that fails is named; zram goes on from {:.1} to {:.1} MiB meanwhile",
            mib(failing.offloaded[0]),
            mib(again.offloaded[0])
        ),
    );
    let (full, still) = (step(BACKING_FULL)?, step(BACKING_STAYS_FULL)?);
    let says = full.log.iter().filter(|line| line.contains("(backing_full)") && line.contains(BELOW)).count();
    verdict.expect(
        says == 1 && still.offloaded[0] > full.offloaded[0],
        format!("one that is full is named in {says} line, and zram goes on"),
    );
    let plugged = step(DISK_ON)?;
    let measured = plugged.tiers.iter().find(|tier| tier.0 == DISK).map(|tier| tier.2);
    verdict.expect(
        measured == Some(false) && plugged.seconds < 3.0,
        format!("a disk that is switched on is seen after {:.0} s, its cost assumed", plugged.seconds),
    );
    for (name, device) in [(DISK_OFF, DISK), (ZRAM_OFF, ZRAM)] {
        let log = &step(name)?.log;
        let says =
            log.iter().filter(|line| line.contains(&format!("{device}: swap was switched off"))).count();
        verdict.expect(says == 1, format!("{name}: {says} line says so"));
    }
    // Only right after: what a tenant wants back later, when nearly all of it had to go, is its own.
    let after =
        [DISK_OFF, ZRAM_OFF, NOTHING_LEFT].iter().map(|name| step(name)).collect::<Result<Vec<_>>>()?;
    let reasons: Vec<_> = after.iter().flat_map(|step| &step.reasons).map(|reason| reason.trim()).collect();
    verdict.expect(
        !reasons.iter().any(|reason| reason.contains("promotion_rate")),
        format!("what swapoff brings back is held against nobody: {}", reasons.join(", ")),
    );
    verdict.expect(named(step(DISK_FAILS)?, DISK), "a disk that fails to write is named");
    let last = steps.last().context("there was no step")?;
    verdict.expect(last.problems.is_empty(), format!("in the end nothing is wrong: {:?}", last.problems));
    Ok(())
}

/// One line for each change, however long it lasts.
fn judge_log(verdict: &mut Verdict, steps: &[Step]) {
    let lines: Vec<_> = steps.iter().flat_map(|step| &step.log).collect();
    let warnings = lines.iter().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).count();
    verdict.expect(
        lines.len() <= 30 && warnings <= 8,
        format!("{} lines were logged, {warnings} of them warnings", lines.len()),
    );
    let quiet: usize =
        steps.iter().filter(|step| step.name == BACKING_STAYS_FULL).map(|step| step.log.len()).sum();
    verdict.expect(quiet == 0, format!("{quiet} lines while nothing changes"));
}
