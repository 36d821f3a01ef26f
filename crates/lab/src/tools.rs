//! The programs the lab needs on this machine, installed when they are missing.

use crate::apt::PrivateApt;
use crate::dirs::LabDirs;
use crate::process::{find_program, output_of, say};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Program (a name or a path), Debian package that has it, and why it is needed.
pub type Needed = (&'static str, &'static str, &'static str);

/// What the lab needs.
const NEEDED: [Needed; 7] = [
    ("qemu-system-x86_64", "qemu-system-x86", "runs the virtual machines"),
    ("depmod", "kmod", "indexes the modules of the kernels under test"),
    ("xz", "xz-utils", "unpacks the modules of the first boot stage"),
    ("mkfs.ext4", "e2fsprogs", "makes file systems inside the virtual machines"),
    ("fincore", "util-linux-extra", "counts the pages of files that are in the page cache"),
    ("redis-check-rdb", "redis-tools", "is redis-server too, and no service starts it"),
    ("dmsetup", "dmsetup", "makes disks inside the virtual machines that get slower or fail"),
];

/// What a machine with systemd needs besides.
pub const SYSTEMD: Needed =
    ("/lib/systemd/systemd", "systemd-sysv", "is process 1 of the machine that packages are installed in");

/// What the drop-in of docs/systemd.md calls.
pub const ATTR: Needed = ("/usr/bin/setfattr", "attr", "is how a unit says what its owner chooses");

/// What the lab's kubelet needs.
pub const KUBELET: [Needed; 3] = [
    ("/usr/bin/python3", "python3", "stands for kubelet in machines with containerd"),
    ("/usr/lib/python3/dist-packages/grpc/__init__.py", "python3-grpcio", "asks containerd there"),
    ("/usr/lib/python3/dist-packages/yaml/__init__.py", "python3-yaml", "reads the chart there"),
];

/// What tests need that run on this machine.
pub const TMUX: Needed = ("tmux", "tmux", "is the terminal that `lowtide top` is driven in");

/// Apt's own words where another apt has its lock.
const LOCKED: &str = "Could not get lock";
/// How long another apt may take.
const PATIENCE: Duration = Duration::from_mins(20);

/// Installs what the lab needs and is missing, saying what and why.
pub fn ensure() -> Result<()> {
    install(&NEEDED)
}

/// Installs what is missing of these, saying what and why.
pub fn install(needed: &[Needed]) -> Result<()> {
    let missing: Vec<_> = needed.iter().filter(|(program, ..)| find_program(program).is_none()).collect();
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

/// Waits while another apt runs, and says so.
fn apt_get(args: &[&str]) -> Result<()> {
    let started = Instant::now();
    loop {
        let mut command = Command::new("apt-get");
        command.arg("-qq").args(args).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C");
        let done = output_of(command.stdin(Stdio::null())).map(drop);
        match done {
            Err(error) if format!("{error:#}").contains(LOCKED) && started.elapsed() < PATIENCE => {
                say("another apt has the lock: waiting for it");
                std::thread::sleep(Duration::from_secs(5));
            }
            done => return done,
        }
    }
}

/// A static busybox, the only program of the first boot stage. It is unpacked, not installed: Debian's
/// package conflicts with the dynamic busybox that a machine may need for its own boot.
pub fn busybox(dirs: &LabDirs) -> Result<PathBuf> {
    unpacked(dirs, "busybox", "busybox-static")
}

/// Programs that scenarios run in their machines, and the Debian package that has them. They are unpacked,
/// not installed: the package would start a service on this machine.
const GUEST_TOOLS: [(&str, &str); 8] = [
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("nginx", "nginx"),
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("busybox", "busybox-static"),
];

/// The file of one of these programs, downloaded now if it is not there yet; none if it is not one of them.
pub fn guest_tool(dirs: &LabDirs, program: &str) -> Result<Option<PathBuf>> {
    let known = GUEST_TOOLS.iter().find(|(name, _)| *name == program);
    known.map(|(name, package)| unpacked(dirs, name, package)).transpose()
}

fn unpacked(dirs: &LabDirs, program: &str, package: &str) -> Result<PathBuf> {
    let file = dirs.tools().join(program);
    if file.is_file() {
        return Ok(file);
    }
    let _lock = dirs.lock("tools")?;
    if file.is_file() {
        return Ok(file);
    }
    let codename = crate::apt::codename()?;
    let apt = PrivateApt::update(&dirs.apt().join("tools"), &[&codename])?;
    let unpacked = dirs.tools().join("unpacked");
    apt.unpack(&[package.to_owned()], &unpacked)?;
    let places = ["bin", "usr/bin", "usr/sbin"].map(|place| unpacked.join(place).join(program));
    let found = places.iter().find(|path| path.is_file());
    let found = found.with_context(|| format!("Debian's {package} has no {program}"))?;
    // It may be a link to another place of the package, which is gone below.
    fs::rename(found.canonicalize()?, &file)?;
    fs::remove_dir_all(&unpacked)?;
    Ok(file)
}
