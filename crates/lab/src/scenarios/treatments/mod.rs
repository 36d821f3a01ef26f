//! Treatments of what a host loses to itself: dying cgroups, fragmented memory and page faults that compact
//! are made to happen, treated one after the other, and every setting is back at the end.

mod dying;
mod pieces;
mod settings;

use self::{
    dying::{Dying, Released},
    pieces::{Compacted, Faults},
    settings::Settings,
};
use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::{NullBlock, SSD_NANOSECONDS, mount_ext4};
use crate::guest::{Cgroup, Daemon, Tenant, knobs, mounts, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "treatments",
    about: "dying cgroups, free memory in small pieces, faults that compact, KSM: found, treated, and every setting back (6.12 and later)",
    machine: || Machine::deterministic().with_memory(704 * MIB).with_limit(Duration::from_mins(30)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// A treatment has so long: a calm minute, and what it does then.
const PATIENCE: Duration = Duration::from_mins(4);
const TURN: Duration = Duration::from_secs(2);

/// All that is left of the run.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    kind: String,
    before: Settings,
    /// While all treatments are on.
    during: Settings,
    after: Settings,
    /// The journal of knobs is there after the daemon's end.
    has_journal: bool,
    released: Released,
    faults: Faults,
    compacted: Compacted,
}

/// `file` has page cache alone taken; nothing of the tenant is cold within the run.
fn configuration(treatments: &str) -> String {
    format!(
        "
interval: 2s
hotness: {{ source: none }}
treatments: {{ {treatments} }}
policies:
  - name: app
    match: [\"/tenants/app\"]
    mode: file
    cold_after: 1h
    slo: {{ memory_pressure: 1%, io_pressure: 5% }}
"
    )
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    // Its own compaction in the background is not what is looked at.
    knobs::write("/proc/sys/vm/compaction_proactiveness", "0")?;
    settings::make_odd()?;
    let before = Settings::read()?;
    let disk = NullBlock::create(0, 32 * MIB, SSD_NANOSECONDS)?;
    let directory = Path::new("/mnt/shared");
    mount_ext4(disk.device(), directory)?;
    // An inode whose access time is written is attached to the writeback of the cgroup that read it, and holds
    // that cgroup after its pages are gone (mm/backing-dev.c, cleanup_offline_cgwbs_workfn; seen on 6.12).
    mounts::forget_access_times(directory)?;
    let home = Cgroup::create("home")?;
    let app = Cgroup::create("tenants/app")?;
    // Whose subtree is asked has to be able to spare what is asked for in a minute, which is 128 MiB.
    let tenant =
        Tenant::start("app", &app, &["--hot", "4M", "--warm", "0", "--cold", "140M", "--duration", "1h"])?;
    let dying = Dying::make(directory, &home)?;

    let daemon = Daemon::start("treatments", &configuration("dying_cgroups: true, ksm: advisor"))?;
    let released = dying.wait(&daemon)?;
    let fragments = pieces::Fragments::make()?;
    reconfigure(&daemon, "dying_cgroups: true, ksm: advisor, thp_defrag: defer+madvise")?;
    let faults = pieces::fault(&daemon)?;
    let all = "compaction: true, dying_cgroups: true, ksm: advisor, thp_defrag: defer+madvise";
    reconfigure(&daemon, all)?;
    let compacted = pieces::compact(&daemon)?;
    drop(fragments);
    let during = Settings::read()?;
    println!("{}", daemon.log()?);
    let journal = daemon.state_dir().join("journal");
    daemon.stop()?;
    tenant.stop()?;
    let (after, has_journal) = (Settings::read()?, journal.exists());
    report::emit(&Seen {
        kind: "seen".into(),
        before,
        during,
        after,
        has_journal,
        released,
        faults,
        compacted,
    })
}

fn reconfigure(daemon: &Daemon, treatments: &str) -> Result<()> {
    daemon.configure(&configuration(treatments))?;
    daemon.signal(Signal::SIGHUP)
}

/// Asks the daemon once a turn, until what it says of a treatment is what is waited for.
fn wait_for<T>(daemon: &Daemon, treatment: &str, mut met: impl FnMut(&Value) -> Option<T>) -> Result<T> {
    let mut last = Value::Null;
    for _ in 0..PATIENCE.as_secs() / TURN.as_secs() {
        last = daemon.status()?["treatments"][treatment].take();
        if let Some(met) = met(&last) {
            return Ok(met);
        }
        sleep(TURN);
    }
    println!("{}", daemon.log()?);
    bail!("{treatment} did not do its work within {} s: {last}", PATIENCE.as_secs())
}

/// A number below a JSON value.
fn number(of: &Value, place: &str) -> Result<u64> {
    of.pointer(place).and_then(Value::as_u64).with_context(|| format!("no {place} in {of}"))
}

fn judge(outcome: &Outcome) -> Result<()> {
    let Seen { before, during, after, has_journal, released, faults, compacted, .. } =
        outcome.result("seen")?;
    let mut verdict = Verdict::default();
    released.judge(&mut verdict);
    faults.judge(&mut verdict);
    compacted.judge(&mut verdict);
    verdict.expect(
        (during.run.as_str(), during.advisor_mode.as_str()) == ("1", "none [scan-time]"),
        format!("KSM runs with its advisor: {during:?}"),
    );
    verdict.expect(before == after, format!("every setting is back: {before:?} before, {after:?} after"));
    verdict.expect(!has_journal, "nothing is left to put back");
    println!(
        "{:.1} MiB in huge pieces before compaction, {:.1} after; {:.0} s wall on {}",
        mib(compacted.huge_before),
        mib(compacted.huge_after),
        outcome.wall.as_secs_f64(),
        outcome.kernel
    );
    verdict.finish()
}
