//! Choosing between KVM and emulation.

use crate::dirs::LabDirs;
use crate::machine::{Clock, Machine};
use crate::process::say;
use crate::qemu::Accel;
use crate::run::{Job, run_with};
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A boot under KVM takes two or three seconds where it works at all.
const PROBE_LIMIT: Duration = Duration::from_secs(30);

/// Emulation for deterministic machines and where KVM cannot boot a stock kernel; else KVM. Says which and
/// why.
pub fn choose(dirs: &LabDirs, machine: &Machine) -> Result<Accel> {
    if machine.clock == Clock::Deterministic {
        return Ok(Accel::Tcg);
    }
    if !Path::new("/dev/kvm").exists() {
        say("no /dev/kvm: using QEMU's emulation");
        return Ok(Accel::Tcg);
    }
    let works = probed(dirs, &machine.kernel)?;
    say(if works { "using KVM" } else { "KVM cannot boot this kernel here: using QEMU's emulation" });
    Ok(if works { Accel::Kvm } else { Accel::Tcg })
}

/// The answer is kept until this machine boots again.
fn probed(dirs: &LabDirs, kernel: &str) -> Result<bool> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let path = dirs.file(&format!("kvm-{kernel}"));
    let known = fs::read_to_string(&path).unwrap_or_default();
    if let Some(answer) = known.strip_prefix(boot.trim()).filter(|_| !boot.trim().is_empty()) {
        return Ok(answer.trim() == "works");
    }
    say("probing whether KVM boots a stock kernel here");
    let machine = Machine::default().with_kernel(kernel).with_limit(PROBE_LIMIT);
    let works = run_with(dirs, &machine, &Job::command(["true"]), Accel::Kvm)?.check().is_ok();
    fs::write(&path, format!("{} {}", boot.trim(), if works { "works" } else { "fails" }))?;
    Ok(works)
}
