//! How each kind of package is installed, upgraded and removed.

use crate::process::output;
use crate::spec::STAGE;
use anyhow::{Context, Result};
use std::fs;
use std::process::{Command, Stdio};

/// A package manager, and two versions of the package.
pub(super) struct Packaging {
    pub(super) older: &'static str,
    pub(super) newer: &'static str,
    program: &'static str,
    /// Arguments; the file comes after them.
    pub(super) install: &'static [&'static str],
    pub(super) upgrade: &'static [&'static str],
    pub(super) remove: &'static [&'static str],
    pub(super) purge: Option<&'static [&'static str]>,
    /// What is installed runs at once.
    pub(super) starts: bool,
}

pub(super) const DEB: Packaging = Packaging {
    older: "lowtide_0.0.9-1_amd64.deb",
    newer: concat!("lowtide_", env!("CARGO_PKG_VERSION"), "-1_amd64.deb"),
    program: "dpkg",
    install: &["--install"],
    upgrade: &["--install"],
    remove: &["--remove", "lowtide"],
    purge: Some(&["--purge", "lowtide"]),
    starts: true,
};

/// systemd came by dpkg, so rpm does not know that it is there. Debian's rpm wants to be told that it is
/// really meant.
pub(super) const RPM: Packaging = Packaging {
    older: "lowtide-0.0.9-1.x86_64.rpm",
    newer: concat!("lowtide-", env!("CARGO_PKG_VERSION"), "-1.x86_64.rpm"),
    program: "rpm",
    install: &["--install", "--nodeps", "--force-debian"],
    upgrade: &["--upgrade", "--nodeps", "--force-debian"],
    remove: &["--erase", "lowtide"],
    purge: None,
    starts: false,
};

/// The root may be a container's, in which packages start no service.
const POLICY_OF_CONTAINERS: &str = "/usr/sbin/policy-rc.d";
/// While it is there each package has all manual pages indexed anew: five minutes here.
const MANUAL_INDEX: &str = "/var/lib/man-db/auto-update";
/// As on Fedora, where no service is enabled that the distribution does not name; without it, all are.
const PRESET: (&str, &str) = ("/etc/systemd/system-preset/99-default-disable.preset", "disable *\n");

impl Packaging {
    /// Makes the host one where packages of this kind do what they do on their own distribution.
    pub(super) fn prepare(&self) -> Result<()> {
        let_packages_start_services()?;
        if self.program == RPM.program {
            fs::create_dir_all("/etc/systemd/system-preset")
                .context("cannot make the directory of presets")?;
            fs::write(PRESET.0, PRESET.1).with_context(|| format!("cannot write {}", PRESET.0))?;
            output("rpm", &["--initdb"])?;
        }
        Ok(())
    }

    /// Runs it; its exit status, and what it printed.
    pub(super) fn run(&self, arguments: &[&str], file: Option<&str>) -> Result<(i32, String)> {
        let mut command = Command::new(self.program);
        command.args(arguments).args(file.map(|name| format!("{STAGE}/{name}")));
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        let done = command.output().with_context(|| format!("cannot start {}", self.program))?;
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        Ok((done.status.code().unwrap_or(-1), said))
    }
}

/// What else would keep a package from doing all that it does on a host of its own, or would take minutes to
/// do it.
pub(in crate::scenarios) fn let_packages_start_services() -> Result<()> {
    remove_if_there(POLICY_OF_CONTAINERS)?;
    remove_if_there(MANUAL_INDEX)
}

fn remove_if_there(file: &str) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {file}"))
        }
        _ => Ok(()),
    }
}
