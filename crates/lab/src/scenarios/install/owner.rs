//! A service whose owner wants no offload, and says so by the drop-in of docs/systemd.md.

use crate::process::output;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../../../../docs/systemd.md");
const UNIT: &str = "/run/systemd/system/owner.service";
const SERVICE: &str = "[Unit]\nDefaultDependencies=no\n\n[Service]\nExecStart=sleep infinity\n";

/// Starts it, with the block of the page as it stands.
pub(super) fn start() -> Result<()> {
    fs::write(UNIT, SERVICE).context("cannot write a unit")?;
    let directory = Path::new(UNIT).with_extension("service.d");
    fs::create_dir_all(&directory).context("cannot make the directory of drop-ins")?;
    fs::write(directory.join("lowtide.conf"), drop_in()?).context("cannot write the drop-in")?;
    output("systemctl", &["daemon-reload"])?;
    output("systemctl", &["start", "owner.service"]).map(drop)
}

/// It goes, with its cgroup and its unit.
pub(super) fn stop() -> Result<()> {
    output("systemctl", &["stop", "owner.service"])?;
    fs::remove_dir_all(Path::new(UNIT).with_extension("service.d")).context("cannot remove the drop-in")?;
    fs::remove_file(UNIT).context("cannot remove the unit")?;
    output("systemctl", &["daemon-reload"]).map(drop)
}

/// `explain` names the attribute, and the mode is what it says.
pub(super) fn is_heard() -> bool {
    let said = output("lowtide", &["explain", "/system.slice/owner.service"]).unwrap_or_default();
    let is_heard = said.contains("user.lowtide_policy") && said.contains("`off`");
    if is_heard {
        println!("{said}");
    }
    is_heard
}

fn drop_in() -> Result<&'static str> {
    let block = PAGE.split_once("```ini\n").and_then(|(_, rest)| rest.split_once("```"));
    block.map(|(block, _)| block).context("docs/systemd.md has no drop-in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_drop_in() {
        assert_eq!(PAGE.matches("```ini").count(), 1);
        assert!(drop_in().unwrap().contains("ExecStartPre=+"));
    }
}
