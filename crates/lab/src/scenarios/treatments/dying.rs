//! Removed cgroups that own a page of a file each.

use super::{number, wait_for};
use crate::guest::cgroup::ROOT;
use crate::guest::{Cgroup, Daemon, cgroup, knobs};
use crate::process::output;
use crate::scenarios::verdict::Verdict;
use crate::spec::STAGE;
use anyhow::{Context, Result};
use nix::unistd::sync;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

const REMOVED: u64 = 1100;
/// The treatment goes on down to this.
const FEW: u64 = 500;
/// For so long they have to stay by themselves.
const ALONE: Duration = Duration::from_secs(20);

/// They are there.
pub(super) struct Dying {
    made: u64,
    alone: u64,
    is_found: bool,
}

/// What became of them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Released {
    /// Right after they were made, and after a while without lowtide.
    made: u64,
    alone: u64,
    /// `lowtide doctor` finds them, before and afterwards.
    is_found: bool,
    is_found_after: bool,
    after: u64,
    requested: u64,
    freed: u64,
    subtrees: Vec<String>,
}

impl Dying {
    /// Page cache belongs to whoever reads it first. What else is needed for that (names, inodes and their
    /// blocks) is `home`'s already.
    pub(super) fn make(directory: &Path, home: &Cgroup) -> Result<Self> {
        cgroup::enter(home.path())?;
        let file = |number: u64| directory.join(number.to_string());
        for number in 0..REMOVED {
            let path = file(number);
            fs::write(&path, [1; 4096]).with_context(|| format!("cannot write {}", path.display()))?;
        }
        sync();
        knobs::write("/proc/sys/vm/drop_caches", "3")?;
        for number in 0..REMOVED {
            fs::metadata(file(number)).context("a file that was just written is gone")?;
        }
        for number in 0..REMOVED {
            read_in(&format!("tenants/{number}"), &file(number), home)?;
        }
        let made = dying()?;
        sleep(ALONE);
        Ok(Self { made, alone: dying()?, is_found: is_found()? })
    }

    /// Until the daemon has released most of them.
    pub(super) fn wait(self, daemon: &Daemon) -> Result<Released> {
        let met = |view: &Value| {
            let is_done = view["last_step"].is_object() && dying().is_ok_and(|left| left < FEW);
            is_done.then(|| view.clone())
        };
        let view = wait_for(daemon, "dying_cgroups", met)?;
        let subtrees = view["last_step"]["subtrees"].as_array().context("no subtrees in the last step")?;
        let subtrees = subtrees.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
        let Self { made, alone, is_found: found_before } = self;
        Ok(Released {
            made,
            alone,
            is_found: found_before,
            is_found_after: is_found()?,
            after: dying()?,
            requested: number(&view, "/requested")?,
            freed: number(&view, "/freed")?,
            subtrees,
        })
    }
}

impl Released {
    pub(super) fn judge(&self, verdict: &mut Verdict) {
        let Self { made, alone, after, requested, freed, subtrees, .. } = self;
        verdict.expect(
            *made >= REMOVED && *alone >= 1000,
            format!("{made} dying cgroups, {alone} after {} s without lowtide", ALONE.as_secs()),
        );
        verdict
            .expect(self.is_found && !self.is_found_after, "found by the doctor before, and not afterwards");
        verdict.expect(
            *after < FEW,
            format!("{after} are left; {requested} bytes of page cache asked for, {freed} freed"),
        );
        verdict.expect(subtrees == &["/tenants"], format!("asked where they are: {subtrees:?}"));
    }
}

fn read_in(name: &str, file: &PathBuf, home: &Cgroup) -> Result<()> {
    let reader = Cgroup::create(name)?;
    cgroup::enter(reader.path())?;
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    cgroup::enter(home.path())?;
    reader.remove()
}

/// All of the host.
fn dying() -> Result<u64> {
    let root = Cgroup::at(Path::new(ROOT));
    root.stat("cgroup.stat", "nr_dying_subsys_memory")
        .or_else(|_| root.stat("cgroup.stat", "nr_dying_descendants"))
}

fn is_found() -> Result<bool> {
    let text = output(&format!("{STAGE}/lowtide"), &["doctor", "--json"])?;
    let told: Value = serde_json::from_str(&text).context("the doctor's answer")?;
    let wastes = told["hygiene"].as_array().context("there is no `hygiene`")?;
    Ok(wastes.iter().any(|waste| waste["name"] == "dying_cgroups"))
}
