//! `kill -9` at random points: whatever comes next, a start or `lowtide restore`, the host is as it was
//! found.

use super::Scenario;
use crate::guest::{Cgroup, Daemon, NullBlock, Snapshot, Tenant, block, knobs, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::random::Random;
use crate::size::MIB;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "kill",
    about: "kill -9 at 50 points of start, run and shutdown, then a start or a restore: every knob as before",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest: || guest(ROUNDS, 0),
    judge: |outcome| judge(outcome, ROUNDS),
};

/// Another seed is another 250 points. A machine of more does not last: after 951 the emulator failed.
pub(super) const MANY: Scenario = Scenario {
    name: "kill_many",
    about: "kill -9 at 250 points, on a disk that fills and empties, and in reloads: every knob as before, each time",
    machine: || Machine::deterministic().with_limit(Duration::from_hours(1)),
    programs: &["lowtide"],
    guest: || guest(OF_MANY, 1),
    judge: |outcome| {
        judge(outcome, OF_MANY)?;
        let rounds = outcome.all("round")?;
        troubles_were_met(&rounds)?;
        starts_on_full_disks(&rounds)
    },
};

const ROUNDS: usize = 50;
const OF_MANY: usize = 250;
const INTERVAL: Duration = Duration::from_secs(1);

const TENANT: [&str; 8] = ["--hot", "4M", "--warm", "4M", "--cold", "60M", "--pause", "20ms"];

const CONFIG: &str = "
interval: 1s
hotness: { interval: 1s }
tiers: { zswap: { enabled: true }, demotion: true }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 2s
    slo: { memory_pressure: 100%, promotion_rate: 5%/min }
    limits: { per_minute: 100%, floor: 8MiB }
    tiers: [{ use: disk }]
";

/// What is reloaded: nothing of it is held any more.
const RELOADED: &str = "
interval: 1s
policies: [{ name: tenant, match: [/tenants/*], mode: observe }]
";

/// The knobs of [`CONFIG`], what they read before and with lowtide.
const KNOBS: [(&str, &str, &str); 3] = [
    ("/sys/module/zswap/parameters/enabled", "N", "Y"),
    ("/sys/kernel/mm/numa/demotion_enabled", "false", "true"),
    ("/sys/fs/cgroup/tenants/a/memory.zswap.max", "max", "0"),
];

/// The part of the daemon's life in which it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Moment {
    Start,
    Run,
    Shutdown,
}

/// In turn.
const MOMENTS: [Moment; 5] = [Moment::Start, Moment::Start, Moment::Run, Moment::Shutdown, Moment::Shutdown];

/// What else is wrong when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Trouble {
    Nothing,
    /// The disk of the state directory has no block left, from before the start or from the middle of the run
    /// on.
    FullDisk,
    /// It was told to take over another configuration.
    Reload,
}

/// In turn, where there is any. With five moments and two remedies, each meets each.
const TROUBLES: [Trouble; 7] = [
    Trouble::Nothing,
    Trouble::FullDisk,
    Trouble::Nothing,
    Trouble::Reload,
    Trouble::Nothing,
    Trouble::FullDisk,
    Trouble::Nothing,
];

/// What comes after the kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Remedy {
    Start,
    Restore,
}

/// One kill and what came of it.
#[derive(Debug, Serialize, Deserialize)]
struct Round {
    kind: String,
    moment: Moment,
    remedy: Remedy,
    trouble: Trouble,
    /// From the start (or from SIGTERM, in shutdown) to the kill.
    delay: Duration,
    /// Knobs that the killed daemon left changed.
    changed: usize,
    journal: bool,
    differences: Vec<String>,
    /// What a daemon did that was started on the disk that was still full.
    on_full: Option<OnFull>,
}

/// A start on a disk that is still full. It is to run, to change nothing that it cannot record, to say so,
/// and to put everything back.
#[derive(Debug, Serialize, Deserialize)]
struct OnFull {
    /// Knobs that it runs with changed.
    changed: usize,
    /// Those of them that the journal does not name.
    unrecorded: Vec<String>,
    /// Whether `status` says that something could not be recorded.
    is_told: bool,
    /// From SIGTERM to the end.
    end: Duration,
    /// What was not as before after its end.
    differences: Vec<String>,
}

/// What is looked at once.
#[derive(Debug, Serialize, Deserialize)]
struct Summary {
    kind: String,
    settings: usize,
    /// From the start of the daemon until its knobs are set.
    setup: Duration,
    /// From SIGTERM to the end.
    shutdown: Duration,
    offloaded: u64,
    /// What `lowtide restore` says while the daemon runs.
    refusal: String,
    /// What it says of a knob that somebody put back meanwhile.
    put_back_by_another: String,
    left_in_state_dir: Vec<String>,
}

/// With other `troubles` than none, they come in turn.
fn guest(rounds: usize, troubles: usize) -> Result<()> {
    knobs::set_huge_pages("never")?;
    swap::on(NullBlock::create(0, 256 * MIB, block::SSD_NANOSECONDS)?.device(), 100)?;
    let cgroup = Cgroup::create("tenants/a")?;
    // Values that are nobody's default: a lost one would show.
    for (file, value) in [("memory.min", "1M"), ("memory.low", "2M"), ("memory.high", "900M")] {
        cgroup.write(file, value)?;
    }
    let tenant = Tenant::start("a", &cgroup, &TENANT)?;
    for (path, before, _) in KNOBS {
        ensure!(knobs::read(path)? == before, "{path} is not {before:?} to begin with");
    }
    disk_for_state()?;
    let before = Snapshot::take()?;
    let mut daemon = Daemon::launch("kill", CONFIG)?;
    let setup = time_until(knobs_are_set)?;
    sleep(10 * INTERVAL);
    let refusal = refusal(&daemon)?;
    let stopping = Instant::now();
    daemon.terminate()?;
    let shutdown = stopping.elapsed();

    let mut random = Random::of_this_run()?;
    for round in 0..rounds {
        let trouble = TROUBLES[round * troubles % TROUBLES.len()];
        let mut victim = Victim { daemon: &mut daemon, before: &before, setup, shutdown };
        report::emit(&victim.round(round, trouble, &mut random)?)?;
    }
    let put_back_by_another = put_back_by_another(&mut daemon, &before)?;
    report::emit(&Summary {
        kind: "summary".into(),
        settings: before.len(),
        setup,
        shutdown,
        offloaded: cgroup.read_number("memory.swap.current")?,
        refusal,
        put_back_by_another,
        left_in_state_dir: names(&daemon.state_dir())?,
    })?;
    println!("{}", tail(&daemon.log()?));
    tenant.stop().map(drop)
}

/// What takes all the room on the disk.
const FILLER: &str = "filler";

/// The journal is kept on a disk that takes its time, so that many kills meet it half written.
fn disk_for_state() -> Result<()> {
    let disk = NullBlock::create(1, 64 * MIB, block::DISK_NANOSECONDS)?;
    block::mount_ext4(disk.device(), &Daemon::state_dir_of("kill"))
}

/// The daemon, and how long its start and shutdown take.
struct Victim<'a> {
    daemon: &'a mut Daemon,
    before: &'a Snapshot,
    setup: Duration,
    shutdown: Duration,
}

impl Victim<'_> {
    fn round(&mut self, round: usize, trouble: Trouble, random: &mut Random) -> Result<Round> {
        let moment = MOMENTS[round % MOMENTS.len()];
        let remedy = if round.is_multiple_of(2) { Remedy::Start } else { Remedy::Restore };
        let delay = self.kill_at(moment, trouble, random)?;
        let changed =
            KNOBS.iter().filter(|(path, before, _)| knobs::read(path).is_ok_and(|now| now != *before));
        let changed = changed.count();
        let journal = self.daemon.state_dir().join("journal").exists();
        let (mut differences, mut on_full) = (Vec::new(), None);
        if trouble == Trouble::FullDisk {
            // What it says of the disk does not matter, what it does to the knobs does.
            if remedy == Remedy::Restore {
                self.daemon.command(&["restore"])?;
                differences = Snapshot::take()?.differences(self.before);
            } else {
                on_full = Some(self.start_on_full()?);
            }
            self.empty_disk()?;
        }
        self.daemon.configure(CONFIG)?;
        self.recover(remedy)?;
        differences.extend(Snapshot::take()?.differences(self.before));
        Ok(Round {
            kind: "round".into(),
            moment,
            remedy,
            trouble,
            delay,
            changed,
            journal,
            differences,
            on_full,
        })
    }

    /// Starts it where the one before was killed, and stops it again, with no block left all the time.
    fn start_on_full(&mut self) -> Result<OnFull> {
        self.fill_up()?;
        self.daemon.configure(CONFIG)?;
        self.daemon.start_again()?;
        sleep(3 * INTERVAL);
        let status = self.daemon.status()?;
        let is_told = status["problems"].as_array().is_some_and(|problems| {
            problems.iter().any(|problem| problem.as_str().is_some_and(|text| text.contains("recorded")))
        });
        let journal = fs::read_to_string(self.daemon.state_dir().join("journal")).unwrap_or_default();
        let is_changed =
            |(path, before, _): &&(&str, &str, &str)| knobs::read(path).is_ok_and(|now| now != *before);
        let changed: Vec<_> = KNOBS.iter().filter(is_changed).map(|(path, ..)| *path).collect();
        let unrecorded = changed.iter().filter(|path| !journal.contains(path.trim_start_matches('/')));
        let unrecorded = unrecorded.map(|path| (*path).to_owned()).collect();
        let stopping = Instant::now();
        self.daemon.signal(Signal::SIGTERM)?;
        // That it could not record what it put back is a failure that it may end with.
        self.daemon.wait()?;
        let end = stopping.elapsed();
        let differences = Snapshot::take()?.differences(self.before);
        Ok(OnFull { changed: changed.len(), unrecorded, is_told, end, differences })
    }

    /// What was freed since the disk was filled is taken too: a file that was replaced, a directory's block.
    fn fill_up(&self) -> Result<()> {
        let mut filler = File::options().append(true).open(self.daemon.state_dir().join(FILLER))?;
        while filler.write_all(&[0; 4096]).is_ok() || filler.write_all(&[0]).is_ok() {}
        Ok(())
    }

    /// Writes until nothing goes on the disk any more.
    fn fill_disk(&self) -> Result<()> {
        let mut filler = File::create(self.daemon.state_dir().join(FILLER))?;
        for block in [MIB, 4096, 1] {
            let block = vec![0; usize::try_from(block)?];
            while filler.write_all(&block).is_ok() {}
        }
        Ok(())
    }

    fn empty_disk(&self) -> Result<()> {
        Ok(fs::remove_file(self.daemon.state_dir().join(FILLER))?)
    }

    /// Makes the trouble that a run is to meet.
    fn trouble(&self, trouble: Trouble) -> Result<()> {
        match trouble {
            Trouble::Nothing => Ok(()),
            Trouble::FullDisk => self.fill_disk(),
            Trouble::Reload => {
                self.daemon.configure(RELOADED)?;
                self.daemon.signal(Signal::SIGHUP)
            }
        }
    }

    /// A third of the delays lies beyond the part that is meant, so that its last step is met as well.
    fn kill_at(&mut self, moment: Moment, trouble: Trouble, random: &mut Random) -> Result<Duration> {
        let mut within = |span: Duration| {
            Duration::from_micros(random.below(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
        };
        let delay = match moment {
            Moment::Start => within(self.setup * 3 / 2),
            Moment::Run => self.setup + within(12 * INTERVAL),
            Moment::Shutdown => within(self.shutdown * 3 / 2),
        };
        let life = within(6 * INTERVAL);
        let early = within(delay);
        if trouble == Trouble::FullDisk && moment == Moment::Start {
            self.fill_disk()?;
        }
        self.daemon.launch_again()?;
        let waited = match moment {
            Moment::Start if trouble != Trouble::Reload => Duration::ZERO,
            Moment::Start | Moment::Run => {
                sleep(early);
                self.trouble(trouble)?;
                early
            }
            Moment::Shutdown => {
                sleep(2 * self.setup + life);
                self.trouble(trouble)?;
                self.daemon.signal(Signal::SIGTERM)?;
                Duration::ZERO
            }
        };
        sleep(delay.saturating_sub(waited));
        self.daemon.kill()?;
        Ok(delay)
    }

    fn recover(&mut self, remedy: Remedy) -> Result<()> {
        match remedy {
            Remedy::Start => {
                self.daemon.start_again()?;
                ensure!(knobs_are_set()?, "a daemon that runs has not set its knobs");
                self.daemon.terminate()
            }
            Remedy::Restore => {
                restore(self.daemon)?;
                let again = restore(self.daemon)?;
                ensure!(again.starts_with("nothing to put back"), "a second restore did something: {again}");
                Ok(())
            }
        }
    }
}

fn restore(daemon: &Daemon) -> Result<String> {
    let output = daemon.command(&["restore"])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "restore: {text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

fn refusal(daemon: &Daemon) -> Result<String> {
    let output = daemon.command(&["restore"])?;
    ensure!(!output.status.success(), "restore went ahead while the daemon runs");
    ensure!(knobs_are_set()?, "restore put knobs back while the daemon runs");
    Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// Somebody turns one knob back after the kill: that one is left alone, the other one put back.
fn put_back_by_another(daemon: &mut Daemon, before: &Snapshot) -> Result<String> {
    daemon.start_again()?;
    daemon.kill()?;
    knobs::write(KNOBS[0].0, KNOBS[0].1)?;
    let said = restore(daemon)?;
    let differences = Snapshot::take()?.differences(before);
    ensure!(differences.is_empty(), "after a restore: {differences:?}");
    Ok(said.trim().to_owned())
}

fn knobs_are_set() -> Result<bool> {
    for (path, _, with) in KNOBS {
        if knobs::read(path)? != with {
            return Ok(false);
        }
    }
    Ok(true)
}

fn time_until(condition: impl Fn() -> Result<bool>) -> Result<Duration> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        if condition()? {
            return Ok(started.elapsed());
        }
        sleep(Duration::from_micros(100));
    }
    bail!("the daemon has set no knobs in ten seconds")
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut names: Vec<_> =
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// A disk that was full and a reload, each with each remedy, and not only before a knob was set.
fn troubles_were_met(rounds: &[Round]) -> Result<()> {
    for trouble in [Trouble::FullDisk, Trouble::Reload] {
        for remedy in [Remedy::Start, Remedy::Restore] {
            let met = rounds.iter().filter(|round| (round.trouble, round.remedy) == (trouble, remedy));
            let (all, changed) =
                met.fold((0, 0), |(all, changed), round| (all + 1, changed + usize::from(round.changed > 0)));
            println!("{trouble:?}, then {remedy:?}: {all} rounds, {changed} of them with a knob changed");
            ensure!(changed > 0, "{trouble:?} never met a knob that was changed");
        }
    }
    Ok(())
}

/// Each ran, in every moment of a life, some of them beside knobs that the one before had left changed.
fn starts_on_full_disks(rounds: &[Round]) -> Result<()> {
    let started: Vec<_> = rounds.iter().filter_map(|round| Some((round, round.on_full.as_ref()?))).collect();
    let wanted =
        rounds.iter().filter(|round| (round.trouble, round.remedy) == (Trouble::FullDisk, Remedy::Start));
    ensure!(started.len() == wanted.count(), "not every daemon was started on the disk that was still full");
    let longest = started.iter().map(|(_, on_full)| on_full.end).max().unwrap_or_default();
    let held = started.iter().filter(|(round, on_full)| round.changed > 0 && on_full.changed > 0).count();
    let told = started.iter().filter(|(_, on_full)| on_full.is_told).count();
    println!(
        "{} starts on a disk that was still full: {held} held what the one before had set, {told} said what they could not record, \
         the longest took {:.2} s to end",
        started.len(),
        longest.as_secs_f64()
    );
    for (round, on_full) in &started {
        ensure!(on_full.unrecorded.is_empty(), "set and not recorded: {on_full:?} after {round:?}");
        ensure!(on_full.differences.is_empty(), "not as before after its end: {on_full:?} after {round:?}");
        // With every knob set already there is nothing that it would have to record.
        ensure!(
            on_full.is_told || on_full.changed == KNOBS.len(),
            "nothing is said of the disk: {on_full:?} after {round:?}"
        );
        ensure!(on_full.end < Duration::from_secs(15), "SIGTERM took too long: {on_full:?}");
    }
    for moment in [Moment::Start, Moment::Run, Moment::Shutdown] {
        let met = started.iter().any(|(round, _)| round.moment == moment);
        ensure!(met, "no start on a full disk came after a kill in {moment:?}");
    }
    ensure!(started.iter().any(|(round, _)| round.changed > 0), "no start on a full disk met a changed knob");
    Ok(())
}

fn judge(outcome: &Outcome, wanted: usize) -> Result<()> {
    let rounds: Vec<Round> = outcome.all("round")?;
    let summary: Summary = outcome.result("summary")?;
    println!("killed in  then     times  knobs changed (0/1/2/3)  journal  not as before");
    for moment in [Moment::Start, Moment::Run, Moment::Shutdown] {
        for remedy in [Remedy::Start, Remedy::Restore] {
            print_row(&rounds, moment, remedy);
        }
    }
    println!(
        "{} settings compared; set up in {:.1} ms, shut down in {:.1} ms; {} MiB offloaded at the end",
        summary.settings,
        summary.setup.as_secs_f64() * 1e3,
        summary.shutdown.as_secs_f64() * 1e3,
        summary.offloaded / MIB
    );
    println!("restore beside a running daemon: {}", summary.refusal);
    println!("restore of what somebody put back: {}", summary.put_back_by_another.replace('\n', "; "));
    println!(
        "left in the state directory: {:?}; {:.0} s wall",
        summary.left_in_state_dir,
        outcome.wall.as_secs_f64()
    );
    for difference in rounds.iter().flat_map(|round| &round.differences) {
        println!("NOT AS BEFORE: {difference}");
    }
    ensure!(rounds.len() == wanted, "only {} of {wanted} rounds", rounds.len());
    ensure!(rounds.iter().all(|round| round.differences.is_empty()), "the host is not as it was found");
    ensure!(
        rounds.iter().all(|round| round.journal || round.changed == 0),
        "a knob was changed without a journal"
    );
    ensure!(summary.refusal.contains("daemon is running"), "the refusal does not say why");
    ensure!(summary.put_back_by_another.contains("has its original value already"), "nothing is said of it");
    ensure!(summary.offloaded > 10 * MIB, "the tenant was not offloaded: the kills met an idle daemon");
    let met =
        |moment, state: fn(&Round) -> bool| rounds.iter().any(|round| round.moment == moment && state(round));
    ensure!(met(Moment::Start, |round| round.changed == 0), "no kill came before the knobs were set");
    ensure!(met(Moment::Start, |round| round.changed > 0), "no kill in the start came after a knob was set");
    // The host's knobs are put back at once, and the cgroup's when the last request has ended; in between the
    // journal is written, which takes the disk its time.
    ensure!(met(Moment::Shutdown, |round| round.journal), "no kill in the shutdown came before it was done");
    ensure!(
        summary
            .left_in_state_dir
            .iter()
            .all(|name| ["history", "lost+found", "savings", "savings.new"].contains(&&**name)),
        "something is left behind"
    );
    Ok(())
}

fn print_row(rounds: &[Round], moment: Moment, remedy: Remedy) {
    let rounds = || rounds.iter().filter(move |round| (round.moment, round.remedy) == (moment, remedy));
    let changed = |count| rounds().filter(|round| round.changed == count).count();
    println!(
        "{:<10} {:<8} {:>5} {:>24} {:>8} {:>14}",
        format!("{moment:?}").to_lowercase(),
        format!("{remedy:?}").to_lowercase(),
        rounds().count(),
        format!("{}/{}/{}/{}", changed(0), changed(1), changed(2), changed(3)),
        rounds().filter(|round| round.journal).count(),
        rounds().filter(|round| !round.differences.is_empty()).count()
    );
}
