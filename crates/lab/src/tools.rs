//! The programs the lab needs on this machine, installed when they are missing.

use crate::apt::PrivateApt;
use crate::dirs::LabDirs;
use crate::process::{find_program, output_of, say};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Program, Debian package that has it, and why the lab needs it.
const NEEDED: [(&str, &str, &str); 4] = [
    ("qemu-system-x86_64", "qemu-system-x86", "runs the virtual machines"),
    ("depmod", "kmod", "indexes the modules of the kernels under test"),
    ("xz", "xz-utils", "unpacks the modules of the first boot stage"),
    ("mkfs.ext4", "e2fsprogs", "makes file systems inside the virtual machines"),
];

/// Installs what is missing, saying what and why.
pub fn ensure() -> Result<()> {
    let missing: Vec<_> = NEEDED.iter().filter(|(program, ..)| find_program(program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for (program, package, why) in &missing {
        say(&format!("{program} is missing: installing Debian's {package} ({why})"));
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("installing packages needs root: run this as root, or install the packages above yourself");
    }
    let packages: Vec<&str> = missing.iter().map(|(_, package, _)| *package).collect();
    apt_get(&["update"])?;
    apt_get(&[&["install", "--no-install-recommends", "--yes"], packages.as_slice()].concat())
}

fn apt_get(args: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.arg("-qq").args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    output_of(&mut command).map(drop)
}

/// A static busybox, the only program of the first boot stage. It is unpacked, not installed: Debian's package
/// conflicts with the dynamic busybox that a machine may need for its own boot.
pub fn busybox(dirs: &LabDirs) -> Result<PathBuf> {
    let busybox = dirs.tools().join("busybox");
    if busybox.is_file() {
        return Ok(busybox);
    }
    let _lock = dirs.lock("tools")?;
    if busybox.is_file() {
        return Ok(busybox);
    }
    let codename = crate::apt::codename()?;
    let apt = PrivateApt::update(&dirs.apt().join("tools"), &[&codename])?;
    let unpacked = dirs.tools().join("unpacked");
    apt.unpack(&["busybox-static".to_owned()], &unpacked)?;
    let found =
        ["bin/busybox", "usr/bin/busybox"].iter().map(|path| unpacked.join(path)).find(|path| path.is_file());
    fs::rename(found.context("Debian's busybox-static has no busybox")?, &busybox)?;
    fs::remove_dir_all(&unpacked)?;
    Ok(busybox)
}
