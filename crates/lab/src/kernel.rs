//! Stock Debian kernels by name, downloaded once and kept under the lab's directory.

use crate::apt::{PrivateApt, newest_of_series};
use crate::dirs::LabDirs;
use crate::machine::{Clock, Machine};
use crate::process::{output, say};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// A kernel series the lab knows, and the suites that may hold it.
#[derive(Debug)]
pub struct Series {
    /// What the command line calls it.
    pub name: &'static str,
    suites: &'static [&'static str],
    /// With counted time, bringing up a second processor never ends: the first one spins in `schedule()`
    /// until the second has calibrated its delay loop, and the second starves. (Parallel bring-up in 6.5
    /// removed that wait.) Idle skips are also large there, so ticks are kept.
    single_when_counting: bool,
}

/// The range of kernels lowtide supports. The newest patch release found in the suites is taken.
pub const SERIES: [Series; 4] = [
    Series { name: "6.1", suites: &["bookworm", "bookworm-security"], single_when_counting: true },
    Series {
        name: "6.12",
        suites: &["bookworm-security", "bookworm-backports"],
        single_when_counting: false,
    },
    Series { name: "6.18", suites: &["trixie-backports"], single_when_counting: false },
    Series { name: "7.3", suites: &["trixie-backports", "sid"], single_when_counting: false },
];

/// The kernel used where none is named.
pub const DEFAULT: &str = "6.12";

const ARCHITECTURE: &str = "amd64";

/// The machine as its kernel can boot it; says what was changed.
#[must_use]
pub fn adjusted(mut machine: Machine) -> Machine {
    let single = SERIES.iter().any(|series| series.name == machine.kernel && series.single_when_counting);
    if single && machine.clock == Clock::Deterministic && machine.cpus > 1 {
        say(&format!("kernel {} boots with one processor only when time is counted", machine.kernel));
        machine.cpus = 1;
        machine.kernel_args.push("nohz=off".to_owned());
    }
    machine
}

/// A kernel on disk, ready to boot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kernel {
    /// The series, such as `6.12`.
    pub series: String,
    /// What `uname -r` says in the machine.
    pub version: String,
    /// Directory with `vmlinuz` and `lib/modules/VERSION`.
    #[serde(skip)]
    pub directory: PathBuf,
}

impl Kernel {
    /// The bootable image.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.directory.join("vmlinuz")
    }

    /// The directory that has to be seen as `/lib/modules/VERSION`.
    #[must_use]
    pub fn modules(&self) -> PathBuf {
        self.directory.join("lib/modules").join(&self.version)
    }

    /// The kernel of a series when it has been downloaded already.
    #[must_use]
    pub fn cached(dirs: &LabDirs, series: &str) -> Option<Self> {
        let directory = dirs.kernel(series);
        let text = fs::read_to_string(directory.join("kernel.json")).ok()?;
        let kernel: Self = serde_json::from_str(&text).ok()?;
        Some(Self { directory, ..kernel })
    }

    /// The kernel of a series, downloaded now if it is not there yet.
    pub fn get(dirs: &LabDirs, series: &str) -> Result<Self> {
        let known = SERIES.iter().find(|known| known.name == series).with_context(|| {
            let names: Vec<_> = SERIES.iter().map(|known| known.name).collect();
            format!("unknown kernel {series:?}; the lab has {}", names.join(", "))
        })?;
        if let Some(kernel) = Self::cached(dirs, series) {
            return Ok(kernel);
        }
        let _lock = dirs.lock(&format!("kernel-{series}"))?;
        match Self::cached(dirs, series) {
            Some(kernel) => Ok(kernel),
            None => download(dirs, known),
        }
    }
}

fn download(dirs: &LabDirs, series: &Series) -> Result<Kernel> {
    let apt = PrivateApt::update(&dirs.apt().join(series.name), series.suites)?;
    let (version, packages) = choose(&apt.package_names("linux-")?, series.name)?;
    say(&format!("kernel {} is {version}", series.name));
    let directory = dirs.kernel(series.name);
    let fresh = directory.with_file_name(format!("{}.new", series.name));
    remove(&fresh)?;
    let unpacked = directory.with_file_name(format!("{}.unpacked", series.name));
    remove(&unpacked)?;
    apt.unpack(&packages, &unpacked)?;
    let kernel = Kernel { series: series.name.to_owned(), version, directory: fresh.clone() };
    arrange(&unpacked, &kernel)?;
    remove(&unpacked)?;
    remove(&directory)?;
    fs::rename(&fresh, &directory).with_context(|| format!("cannot put {} in place", directory.display()))?;
    Ok(Kernel { directory, ..kernel })
}

/// The version, and the packages that together hold its image and modules. Up to 6.18 that is one package;
/// from 6.19 on `linux-image-*` is empty and depends on `linux-binary-*` and, later, `linux-modules-*`.
fn choose(names: &[String], series: &str) -> Result<(String, Vec<String>)> {
    for prefix in ["linux-binary-", "linux-image-"] {
        let Some(version) = newest_of_series(names, prefix, series, ARCHITECTURE) else { continue };
        let modules = format!("linux-modules-{version}");
        let mut packages = vec![format!("{prefix}{version}")];
        packages.extend(names.contains(&modules).then_some(modules));
        return Ok((version, packages));
    }
    bail!(
        "Debian has no kernel {series} in the suites the lab looks into; see SERIES in crates/lab/src/kernel.rs"
    )
}

/// Moves image and modules from the unpacked packages to their place, whichever layout these have.
fn arrange(unpacked: &Path, kernel: &Kernel) -> Result<()> {
    let version = &kernel.version;
    let modules = kernel.modules();
    fs::create_dir_all(modules.parent().context("modules directory without parent")?)?;
    move_first(
        unpacked,
        &[format!("lib/modules/{version}"), format!("usr/lib/modules/{version}")],
        &modules,
    )?;
    let image = kernel.image();
    let in_modules = modules.join("vmlinuz");
    if in_modules.is_file() {
        fs::rename(in_modules, &image)?;
    } else {
        move_first(unpacked, &[format!("boot/vmlinuz-{version}")], &image)?;
    }
    output("depmod", &["-b".as_ref(), kernel.directory.as_os_str(), version.as_ref()])?;
    let path = kernel.directory.join("kernel.json");
    fs::write(&path, serde_json::to_string(kernel)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn move_first(unpacked: &Path, candidates: &[String], to: &Path) -> Result<()> {
    let from = candidates.iter().map(|path| unpacked.join(path)).find(|path| path.exists());
    let from = from.with_context(|| format!("the kernel package has none of {}", candidates.join(", ")))?;
    fs::rename(&from, to).with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
}

fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_package_up_to_6_18() {
        let (version, packages) = choose(&names(&["linux-image-6.12.1+deb12-amd64"]), "6.12").unwrap();
        assert_eq!(version, "6.12.1+deb12-amd64");
        assert_eq!(packages, ["linux-image-6.12.1+deb12-amd64"]);
    }

    #[test]
    fn split_packages_later() {
        let all =
            names(&["linux-image-7.3.4-amd64", "linux-binary-7.3.4-amd64", "linux-modules-7.3.4-amd64"]);
        let (_, packages) = choose(&all, "7.3").unwrap();
        assert_eq!(packages, ["linux-binary-7.3.4-amd64", "linux-modules-7.3.4-amd64"]);
    }

    #[test]
    fn only_counted_time_on_6_1_loses_a_processor() {
        assert_eq!(adjusted(Machine::deterministic().with_kernel("6.1")).cpus, 1);
        assert_eq!(adjusted(Machine::default().with_kernel("6.1")).cpus, 2);
        assert_eq!(adjusted(Machine::deterministic()).cpus, 2);
    }

    #[test]
    fn a_missing_series_names_the_place_to_change() {
        assert!(choose(&[], "9.9").unwrap_err().to_string().contains("SERIES"));
    }
}
