//! What the units give away, by systemd's own measure.

use anyhow::{Context, Result};
use lowtide_lab::process::{output_of, say};
use std::path::Path;
use std::process::Command;

/// Each unit, and ten times the most that `systemd-analyze security` may say of it.
const EXPOSURE: [(&str, &str); 2] = [("lowtide.service", "24"), ("lowtide-tiers.service", "40")];

/// Of the files in `systemd/`, without systemd's running.
pub(crate) fn check() -> Result<()> {
    for (unit, most) in EXPOSURE {
        say(&format!("units: systemd-analyze security {unit}"));
        exposure(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systemd").join(unit), most)?;
    }
    Ok(())
}

fn exposure(unit: &Path, most: &str) -> Result<()> {
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=true", "--no-pager", &format!("--threshold={most}")]).arg(unit);
    output_of(&mut command).map(drop).with_context(|| {
        format!(
            "{} gives away more than {most} tenths of what a unit can, or is wrong: see `systemd-analyze \
             security --offline=true {}`",
            unit.display(),
            unit.display()
        )
    })
}
