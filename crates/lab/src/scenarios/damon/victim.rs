//! A process that starts a kdamond as the daemon would, and is killed.

use crate::guest::knobs;
use anyhow::{Context, Result};
use lowtide_damon::{Admin, Context as Description, Record, Space, system_ram};
use lowtide_kernfs::Root;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Tells a second process of this program that it is the victim, and where its records go.
const ROLE: &str = "LOWTIDE_DAMON_VICTIM";

pub(super) fn role() -> Option<PathBuf> {
    std::env::var_os(ROLE).map(PathBuf::from)
}

/// Starts it.
pub(super) fn start(records: &Path) -> Result<Child> {
    let mut command = Command::new("lab-guest");
    command.args(["scenario", super::SCENARIO.name]).env(ROLE, records).stdin(Stdio::null());
    command.spawn().context("cannot start the victim")
}

/// Starts, retunes, stops and begins again, until it is killed.
pub(super) fn live(records: &Path) -> Result<()> {
    let root = Root::open("/")?;
    let admin = Admin::open(&root)?;
    loop {
        let reservation = admin.reserve(NonZeroU32::MIN)?;
        save(records, &reservation.record().into_iter().collect::<Vec<_>>())?;
        let claimed = reservation.claim()?.pop().context("nothing was claimed")?;
        save(records, &[claimed.record()])?;
        let mut owned = claimed.probe()?;
        save(records, &[owned.record()])?;
        let mut description = Description::new(Space::Physical(system_ram(&root)?));
        owned.start(&description)?;
        save(records, &[owned.record()])?;
        description.monitoring.regions.max = 500;
        owned.commit(&description)?;
        sleep(Duration::from_millis(50));
        owned.teardown()?;
    }
}

/// As a whole: the old ones or the new ones.
fn save(path: &Path, records: &[Record]) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, serde_json::to_vec(records)?)?;
    fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
}

/// What the victim left.
pub(super) fn records(path: &Path) -> Result<Vec<Record>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    serde_json::from_str(&knobs::read(path)?).context("the victim's records")
}
