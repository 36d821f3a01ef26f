//! The daemon with DAMON as its source of idle ages: stopped, reloaded, and killed with `kill -9` at many
//! moments. Whatever comes next, no kdamond of its runs.

use super::foreign::kdamonds;
use crate::guest::{Cgroup, Daemon, Tenant, knobs};
use crate::random::Random;
use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

const NAME: &str = "damon";
const KILLS: usize = 16;
/// Some looks, each of which waits for the kdamond.
const LIFE: Duration = Duration::from_secs(20);

fn config(source: &str) -> String {
    format!(
        "
interval: 1s
hotness: {{ source: {source}, interval: 2s }}
policies:
  - name: watched
    match: [/watched/*]
    mode: full
    cold_after: 10s
    limits: {{ floor: 1GiB }}
"
    )
}

/// How a daemon's DAMON came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    /// SIGTERM.
    Stop,
    /// Another source in the configuration.
    Reload,
    /// `kill -9`, then a daemon without DAMON.
    KillAndStart,
    /// `kill -9`, then `lowtide restore`.
    KillAndRestore,
}

/// One end and what came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Life {
    kind: String,
    end: End,
    /// From the start of the daemon.
    delay: Duration,
    /// Kdamonds that ran after the kill.
    left: usize,
    /// What is there afterwards: kdamonds that run, directories, and the record.
    running: usize,
    directories: String,
    recorded: bool,
    said: String,
}

pub(super) fn lives() -> Result<Vec<Life>> {
    let cgroup = Cgroup::create("watched/a")?;
    let tenant = Tenant::start("watched", &cgroup, &["--hot", "4M", "--warm", "0", "--cold", "20M"])?;
    let mut lives = vec![stop()?, reload()?];
    let setup = time_to_run()?;
    let mut random = Random::new(3);
    for round in 0..KILLS {
        let span = if round % 4 < 2 { setup * 3 / 2 } else { LIFE };
        let delay = Duration::from_micros(random.below(u64::try_from(span.as_micros())?));
        let end = if round % 2 == 0 { End::KillAndStart } else { End::KillAndRestore };
        lives.push(kill(end, delay)?);
    }
    tenant.stop()?;
    Ok(lives)
}

fn stop() -> Result<Life> {
    let daemon = running()?;
    sleep(LIFE);
    daemon.stop()?;
    life(End::Stop, LIFE, 0, String::new())
}

fn reload() -> Result<Life> {
    let daemon = running()?;
    sleep(LIFE);
    let text = fs::read_to_string(daemon.config())?;
    fs::write(daemon.config(), text.replace("source: damon", "source: none"))?;
    wait_for(0)?;
    let life = life(End::Reload, LIFE, 0, String::new())?;
    daemon.stop()?;
    Ok(life)
}

/// How long a daemon takes until its kdamond runs.
fn time_to_run() -> Result<Duration> {
    let begin = Instant::now();
    let daemon = running()?;
    let setup = begin.elapsed();
    daemon.stop()?;
    Ok(setup)
}

fn kill(end: End, delay: Duration) -> Result<Life> {
    let mut daemon = Daemon::launch(NAME, &config("damon"))?;
    sleep(delay);
    daemon.kill()?;
    let left = kdamonds()?.len();
    if end == End::KillAndRestore {
        let output = daemon.command(&["restore"])?;
        ensure!(output.status.success(), "restore: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout).trim().replace('\n', "; ");
        return life(end, delay, left, said);
    }
    let other = Daemon::start(NAME, &config("none"))?;
    let life = life(end, delay, left, String::new())?;
    other.stop()?;
    Ok(life)
}

/// A daemon whose kdamond runs.
fn running() -> Result<Daemon> {
    let daemon = Daemon::start(NAME, &config("damon"))?;
    wait_for(1)?;
    Ok(daemon)
}

fn wait_for(count: usize) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_mins(1) {
        if kdamonds()?.len() == count {
            return Ok(());
        }
        sleep(Duration::from_millis(5));
    }
    bail!("{} kdamonds run, not {count}", kdamonds()?.len())
}

fn life(end: End, delay: Duration, left: usize, said: String) -> Result<Life> {
    Ok(Life {
        kind: "life".into(),
        end,
        delay,
        left,
        running: kdamonds()?.len(),
        directories: knobs::read("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds")?,
        recorded: Daemon::state_dir_of(NAME).join("damon").exists(),
        said,
    })
}

pub(super) fn judge(lives: &[Life]) -> Result<()> {
    println!("the daemon's end    after     left running  after it  directories  recorded  said");
    for life in lives {
        println!(
            "{:<15} {:>9.2} s {:>14} {:>9} {:>12} {:>9}  {}",
            format!("{:?}", life.end),
            life.delay.as_secs_f64(),
            life.left,
            life.running,
            life.directories,
            life.recorded,
            life.said
        );
    }
    ensure!(lives.len() == KILLS + 2, "only {} of {} lives", lives.len(), KILLS + 2);
    ensure!(lives.iter().all(|life| life.running == 0), "a kdamond of the daemon still runs");
    ensure!(lives.iter().all(|life| life.directories == "0"), "nr_kdamonds is not as it was found");
    ensure!(lives.iter().all(|life| !life.recorded), "a record is left");
    for end in [End::KillAndStart, End::KillAndRestore] {
        let killed = |left| lives.iter().any(|life| life.end == end && life.left == left);
        ensure!(killed(1), "{end:?}: no kill met a running kdamond");
    }
    ensure!(lives.iter().any(|life| life.said.contains("was ended")), "restore does not say what it did");
    Ok(())
}
