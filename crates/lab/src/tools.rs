//! The programs the lab needs on this machine, installed when they are missing.

use crate::apt::PrivateApt;
use crate::dirs::LabDirs;
use crate::process::{find_program, output_of, say};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
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

/// What pages give to copy.
pub const JQ: Needed = ("jq", "jq", "reads what `--json` prints in lines of the documentation");

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
    let apt = Apt { config: None, pause: Duration::from_secs(5), told: &say };
    apt.get(&["update"])?;
    apt.get(&[&["install", "--no-install-recommends", "--yes"], packages.as_slice()].concat())
}

/// How apt-get is called.
struct Apt<'a> {
    /// Another configuration than the machine's.
    config: Option<&'a Path>,
    /// Until it is tried again.
    pause: Duration,
    /// Hears why it takes so long.
    told: &'a dyn Fn(&str),
}

impl Apt<'_> {
    /// Waits while another apt runs, and says so.
    fn get(&self, args: &[&str]) -> Result<()> {
        let started = Instant::now();
        loop {
            let mut command = Command::new("apt-get");
            command.arg("-qq").args(args).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C");
            command.envs(self.config.map(|config| ("APT_CONFIG", config)));
            let done = output_of(command.stdin(Stdio::null())).map(drop);
            match done {
                Err(error) if format!("{error:#}").contains(LOCKED) && started.elapsed() < PATIENCE => {
                    (self.told)("another apt has the lock: waiting for it");
                    std::thread::sleep(self.pause);
                }
                done => return done,
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, fcntl};
    use std::cell::RefCell;
    use std::fs::File;
    use std::os::fd::AsFd;

    /// A Debian of a directory, without a source and without a package.
    fn debian() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in [
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/sources.list.d",
            "var/cache/apt/archives/partial",
            "var/lib/apt/lists/partial",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/info",
        ] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in ["etc/apt/sources.list", "var/lib/dpkg/status"] {
            fs::write(at(name), "").unwrap();
        }
        let place = directory.path().display();
        let config = format!(
            "Dir \"{place}\";\nDir::State::status \"{place}/var/lib/dpkg/status\";\nDir::Bin::dpkg \"/bin/true\";\n\
             APT::Sandbox::User \"\";\n"
        );
        fs::write(at("apt.conf"), config).unwrap();
        directory
    }

    /// As another apt locks it, until it is dropped.
    fn locked(file: &Path) -> File {
        let file = File::create(file).unwrap();
        let whole = nix::libc::flock {
            l_type: nix::libc::F_WRLCK.try_into().unwrap(),
            l_whence: nix::libc::SEEK_SET.try_into().unwrap(),
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(file.as_fd(), FcntlArg::F_SETLK(&whole)).unwrap();
        file
    }

    /// Needs no network: there is nothing to fetch and nothing to install.
    #[test]
    fn another_apt_is_waited_for_and_named() {
        if find_program("apt-get").is_none() {
            eprintln!("NOT TESTED: there is no apt-get");
            return;
        }
        let debian = debian();
        let config = debian.path().join("apt.conf");
        for (lock, args) in [
            ("var/lib/apt/lists/lock", &["update"][..]),
            ("var/lib/dpkg/lock-frontend", &["install", "--yes"]),
            ("var/cache/apt/archives/lock", &["install", "--yes"]),
        ] {
            let held = RefCell::new(Some(locked(&debian.path().join(lock))));
            let heard = RefCell::new(Vec::new());
            let told = |message: &str| {
                heard.borrow_mut().push(message.to_owned());
                // The other one ends.
                drop(held.take());
            };
            let apt = Apt { config: Some(&config), pause: Duration::from_millis(10), told: &told };
            apt.get(args).unwrap_or_else(|error| panic!("{lock}: {error:#}"));
            assert_eq!(heard.take(), ["another apt has the lock: waiting for it"], "{lock}");
        }
    }

    #[test]
    fn whatever_else_is_wrong_is_told_at_once() {
        if find_program("apt-get").is_none() {
            eprintln!("NOT TESTED: there is no apt-get");
            return;
        }
        let debian = debian();
        let config = debian.path().join("apt.conf");
        let told = |message: &str| panic!("{message}");
        let apt = Apt { config: Some(&config), pause: Duration::ZERO, told: &told };
        let error = apt.get(&["install", "--yes", "no-such-package"]).unwrap_err();
        assert!(format!("{error:#}").contains("Unable to locate package no-such-package"), "{error:#}");
    }
}
