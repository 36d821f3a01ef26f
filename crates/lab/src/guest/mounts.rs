//! The file systems every guest has.

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use std::fs;
use std::path::Path;

/// Mount point and type, in the order in which they nest.
const MOUNTS: [(&str, &str); 9] = [
    ("/proc", "proc"),
    ("/sys", "sysfs"),
    ("/dev", "devtmpfs"),
    ("/dev/pts", "devpts"),
    ("/dev/shm", "tmpfs"),
    ("/run", "tmpfs"),
    ("/sys/fs/cgroup", "cgroup2"),
    ("/sys/kernel/debug", "debugfs"),
    ("/sys/kernel/config", "configfs"),
];

/// Mounts the basics; called once, by init. configfs may be a module, so its mount may fail here.
pub fn mount_basics() -> Result<()> {
    for (target, kind) in MOUNTS {
        if !target.starts_with("/sys/") {
            fs::create_dir_all(target).with_context(|| format!("cannot create {target}"))?;
        }
        let mounted = mount_at(kind, kind, Path::new(target));
        if kind != "configfs" {
            mounted?;
        }
    }
    Ok(())
}

/// Mounts configfs if it is not there yet.
pub fn ensure_configfs() -> Result<()> {
    if Path::new("/sys/kernel/config/nullb").exists() {
        return Ok(());
    }
    super::modules::load("configfs", &[])?;
    let target = Path::new("/sys/kernel/config");
    // EBUSY: it is mounted already.
    match mount(Some("configfs"), target, Some("configfs"), MsFlags::empty(), None::<&str>) {
        Ok(()) | Err(nix::errno::Errno::EBUSY) => Ok(()),
        Err(error) => Err(error).context("cannot mount configfs"),
    }
}

/// Mounts a file system of type `kind`.
pub fn mount_at(source: &str, kind: &str, target: &Path) -> Result<()> {
    mount(Some(source), target, Some(kind), MsFlags::empty(), None::<&str>)
        .with_context(|| format!("cannot mount {kind} on {}", target.display()))
}

/// Nothing that is read marks its inode as changed any more.
pub fn forget_access_times(target: &Path) -> Result<()> {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOATIME;
    mount(None::<&str>, target, None::<&str>, flags, None::<&str>)
        .with_context(|| format!("cannot mount {} with noatime", target.display()))
}

/// Makes a file visible in the place of another one, which has to be there.
pub fn bind_file(source: &Path, target: &Path) -> Result<()> {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("cannot bind {} to {}", source.display(), target.display()))
}

/// Makes a directory visible at a second place.
pub fn bind(source: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("cannot create {}", target.display()))?;
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("cannot bind {} to {}", source.display(), target.display()))
}
