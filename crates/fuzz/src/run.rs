use std::{
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use lowtide_lab::random::scramble;

use crate::{
    Corpus, Parser,
    corpus::top,
    mutator::Mutator,
    panics::{self, caught},
    watchdog,
};

/// What takes longer is a finding: a tenant who fills such a file would hold everybody up.
const SLOW: Duration = Duration::from_secs(1);

/// When a run ends.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// After so many inputs.
    Inputs(u64),
    /// After so much time.
    Time(Duration),
}

/// What came of one parser's run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Inputs given.
    pub inputs: u64,
    /// Those that were accepted; all others were refused.
    pub accepted: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// What ended it early.
    pub finding: Option<Finding>,
}

/// An input that is not answered as it should.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which file it is.
    pub slot: String,
    /// The panic, or how long it took.
    pub what: String,
    /// Where the input was written.
    pub kept: PathBuf,
}

/// Gives one parser inputs up to a bound, or to the first finding.
pub fn run(parser: &Parser, corpus: &Corpus, seed: u64, bound: Bound) -> Result<Outcome> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    // What panics on any thread is taken for the parser's.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    panics::keep();
    let mut driver = parser.start(corpus).with_context(|| format!("cannot make {} ready", parser.name))?;
    watchdog::begin_parser(parser.name, seed);
    let mut mutator = Mutator::new(seed_of(parser.name, seed), &corpus.foreign);
    let (mut input, started) = (Vec::new(), Instant::now());
    let mut outcome = Outcome { inputs: 0, accepted: 0, elapsed: Duration::ZERO, finding: None };
    let mut now = started;
    while !is_over(bound, outcome.inputs, now - started) {
        let slot = mutator.below(driver.slots.len());
        mutator.next(&driver.slots[slot].seeds, &mut input);
        watchdog::begin_input();
        let mut answer = caught(|| (driver.read)(slot, &input));
        let begun = std::mem::replace(&mut now, Instant::now());
        let mut took = now - begun;
        if took > SLOW {
            // A machine that is busy with something else is no finding.
            let again = Instant::now();
            answer = answer.and(caught(|| (driver.read)(slot, &input)));
            now = Instant::now();
            took = took.min(now - again);
        }
        outcome.inputs += 1;
        outcome.accepted += u64::from(answer == Ok(true));
        let long = (took > SLOW).then(|| format!("it took {} ms", took.as_millis()));
        if let Some(what) = answer.err().or(long) {
            let kept = keep(parser.name, seed, outcome.inputs, &input)?;
            outcome.finding = Some(Finding { slot: driver.slots[slot].name.clone(), what, kept });
            break;
        }
    }
    outcome.elapsed = now - started;
    Ok(outcome)
}

fn is_over(bound: Bound, inputs: u64, elapsed: Duration) -> bool {
    match bound {
        Bound::Inputs(most) => inputs >= most,
        Bound::Time(longest) => elapsed >= longest,
    }
}

/// So that no two parsers are given the same sequence.
fn seed_of(name: &str, seed: u64) -> u64 {
    name.bytes().fold(seed, |seed, byte| scramble(seed ^ u64::from(byte)))
}

/// In target/, which is nobody's but cargo's and ours.
fn keep(name: &str, seed: u64, number: u64, input: &[u8]) -> Result<PathBuf> {
    let directory = top().join("target/fuzz");
    let path = directory.join(format!("{}-{seed}-{number}", name.replace('/', "-")));
    fs::create_dir_all(&directory)
        .and_then(|()| fs::write(&path, input))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.canonicalize().unwrap_or(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;
    use crate::{Driver, driver::bytes};

    fn broken() -> Driver {
        bytes("counter", vec![b"total 7\n".to_vec()], |input| {
            assert!(!input.starts_with(b"total -1"), "a negative total");
            true
        })
    }

    #[test]
    fn a_panic_is_found_kept_and_found_again() {
        let (parser, corpus) = (Parser { name: "test", start: |_| Ok(broken()) }, Corpus::read().unwrap());
        let first = run(&parser, &corpus, 3, Bound::Inputs(100_000)).unwrap();
        let finding = first.finding.unwrap();
        assert!(finding.what.contains("a negative total"), "{finding:?}");
        assert!(fs::read(&finding.kept).unwrap().starts_with(b"total -1"));
        let again = run(&parser, &corpus, 3, Bound::Time(Duration::from_mins(1))).unwrap();
        assert_eq!(again.inputs, first.inputs);
        fs::remove_file(finding.kept).unwrap();
    }
}
