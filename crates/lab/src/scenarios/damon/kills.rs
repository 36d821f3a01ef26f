//! `kill -9` at many moments of a kdamond's life, and recovery from what was recorded.

use super::foreign::{Foreign, kdamonds};
use super::victim;
use crate::random::Random;
use anyhow::{Result, ensure};
use lowtide_damon::{Admin, KdamondState, Recovered, teardown_recorded};
use lowtide_kernfs::Root;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

const RECORDS: &str = "/run/victim.records";
const KILLS: usize = 24;

/// One kill and what came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kill {
    kind: String,
    /// From the start of the victim.
    delay: Duration,
    records: usize,
    /// Kdamonds that ran after the kill beside the foreign one.
    left: usize,
    /// What recovery said of each record.
    recovered: Vec<String>,
    /// Kdamonds that ran after recovery beside the foreign one.
    after: usize,
    /// Whether the directory is vacant again.
    vacant: bool,
    /// The time that recovery took.
    took: Duration,
}

pub(super) fn kills(root: &Root, foreign: &Foreign) -> Result<Vec<Kill>> {
    // The first one also reads its program from the disk, and kills that go by it would all come too late.
    time_to_run(foreign)?;
    let life = time_to_run(foreign)?;
    println!("a victim's kdamond runs {:.1} ms after its start", life.as_secs_f64() * 1e3);
    let mut random = Random::new(1);
    let half = |round| if round % 2 == 0 { life } else { life * 4 };
    let mut delay = |round| Ok::<_, anyhow::Error>(random.below(u64::try_from(half(round).as_micros())?));
    (0..KILLS).map(|round| kill(root, foreign, Duration::from_micros(delay(round)?))).collect()
}

/// How long a victim takes until its kdamond runs.
fn time_to_run(foreign: &Foreign) -> Result<Duration> {
    let begin = Instant::now();
    let mut child = victim::start(Path::new(RECORDS))?;
    while others(foreign)? == 0 {
        ensure!(begin.elapsed() < Duration::from_secs(20), "the victim starts no kdamond");
        sleep(Duration::from_micros(200));
    }
    let life = begin.elapsed();
    child.kill()?;
    child.wait()?;
    let root = Root::open("/")?;
    for recovered in teardown_recorded(&root, &victim::records(Path::new(RECORDS))?)? {
        recovered?;
    }
    Ok(life)
}

fn kill(root: &Root, foreign: &Foreign, delay: Duration) -> Result<Kill> {
    let _ = std::fs::remove_file(RECORDS);
    let mut child = victim::start(Path::new(RECORDS))?;
    sleep(delay);
    child.kill()?;
    child.wait()?;
    let records = victim::records(Path::new(RECORDS))?;
    let left = others(foreign)?;
    let begin = Instant::now();
    let recovered: Vec<Recovered> =
        teardown_recorded(root, &records)?.into_iter().collect::<Result<_, _>>()?;
    let took = begin.elapsed();
    let states = Admin::open(root)?.kdamonds()?;
    foreign.is_untouched()?;
    Ok(Kill {
        kind: "kill".into(),
        delay,
        records: records.len(),
        left,
        recovered: recovered.iter().map(|recovered| format!("{recovered:?}")).collect(),
        after: others(foreign)?,
        vacant: states.len() == 2 && states[1].state == KdamondState::Vacant,
        took,
    })
}

fn others(foreign: &Foreign) -> Result<usize> {
    Ok(kdamonds()?.iter().filter(|pid| *pid != foreign.pid()).count())
}

pub(super) fn judge(kills: &[Kill]) -> Result<()> {
    println!("killed after  records  left running  recovered             after  took");
    for kill in kills {
        println!(
            "{:>9.1} ms {:>8} {:>13}  {:<20} {:>6} {:>6.1} ms",
            kill.delay.as_secs_f64() * 1e3,
            kill.records,
            kill.left,
            kill.recovered.join(","),
            kill.after,
            kill.took.as_secs_f64() * 1e3
        );
    }
    ensure!(kills.len() == KILLS, "only {} of {KILLS} kills", kills.len());
    ensure!(kills.iter().all(|kill| kill.after == 0), "a kdamond of ours still runs");
    ensure!(kills.iter().all(|kill| kill.vacant), "a directory was not emptied");
    ensure!(kills.iter().any(|kill| kill.left > 0), "no kill met a running kdamond");
    ensure!(kills.iter().any(|kill| kill.left == 0), "no kill came before the kdamond ran");
    Ok(())
}
