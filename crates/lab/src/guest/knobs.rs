//! Reading and writing the kernel's files, with the path in every error, and the settings made that way.

use anyhow::{Context, Result};
use lowtide_damon::ExclusiveUser;
use lowtide_kernfs::Root;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Writes `value` with one write(2); the file must exist.
pub fn write(path: impl AsRef<Path>, value: &str) -> Result<()> {
    let path = path.as_ref();
    let mut file = OpenOptions::new()
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    file.write_all(value.as_bytes()).with_context(|| format!("cannot write {value:?} to {}", path.display()))
}

/// The whole text of a file, without the line end.
pub fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim_end().to_owned())
}

/// Sets a parameter of zswap.
pub fn set_zswap(parameter: &str, value: &str) -> Result<()> {
    write(format!("/sys/module/zswap/parameters/{parameter}"), value)
}

/// Sets transparent huge pages (`always`, `madvise` or `never`) and prints the setting. Scenarios choose
/// `never`: with huge pages the tenant's truth is only known to 2 MiB.
pub fn set_huge_pages(setting: &str) -> Result<()> {
    let path = "/sys/kernel/mm/transparent_hugepage/enabled";
    write(path, setting)?;
    println!("transparent huge pages: {}", read(path)?);
    Ok(())
}

/// Switches off who tolerates no other kdamond (7.3 has DAMON_STAT on), as an operator would who reads what
/// the daemon says: it does not do that itself.
pub fn make_room_for_damon() -> Result<()> {
    for user in ExclusiveUser::enabled(&Root::open("/")?)? {
        write(Path::new("/").join(user.parameter()), "N")?;
    }
    Ok(())
}

/// Seconds since the guest booted, on its own clock.
pub fn uptime() -> Result<f64> {
    let text = read("/proc/uptime")?;
    let first = text.split_whitespace().next().context("/proc/uptime is empty")?;
    first.parse().with_context(|| format!("/proc/uptime has {first:?}"))
}

/// The sum of the lines of /proc/vmstat that are this counter, or this counter of a zone.
pub fn vmstat(counter: &str) -> Result<u64> {
    let text = read("/proc/vmstat")?;
    let values = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(' ')?;
        let rest = name.strip_prefix(counter)?;
        (rest.is_empty() || rest.starts_with('_')).then(|| value.parse::<u64>().ok())?
    });
    values.reduce(|sum, value| sum + value).with_context(|| format!("/proc/vmstat has no {counter}"))
}
