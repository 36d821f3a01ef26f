//! A pack at run time: the directory of the program, with an archive for each server's root.

use crate::guest::Cgroup;
use crate::process::output_of;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// The archives, without their ending, and what each is for.
pub const ROOTS: [&str; 5] = ["redis", "nginx", "postgres", "compile", "oomd"];
/// How archives end.
pub const ENDING: &str = "tar.xz";

/// The directory that has the pack.
#[derive(Debug, Clone)]
pub struct Pack {
    directory: PathBuf,
}

impl Pack {
    /// The one that this program is in.
    pub fn of_this_program() -> Result<Self> {
        let this = std::env::current_exe().context("cannot find this program")?;
        let directory = this.parent().context("a program in no directory")?.to_owned();
        let pack = Self { directory };
        for root in ROOTS {
            ensure!(
                pack.archive(root).is_file(),
                "{} is missing from the pack",
                pack.archive(root).display()
            );
        }
        Ok(pack)
    }

    /// Its static busybox.
    #[must_use]
    pub fn busybox(&self) -> PathBuf {
        self.directory.join("busybox")
    }

    /// Unpacks one of its roots into a new directory. It is done in a cgroup, so that a clean-up ends it too.
    pub fn unpack(&self, root: &str, directory: &Path, cgroup: &Cgroup) -> Result<()> {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let mut command = cgroup.command(&self.busybox().to_string_lossy());
        command.args(["tar", "-xJf"]).arg(self.archive(root)).arg("-C").arg(directory);
        output_of(&mut command).map(drop)
    }

    fn archive(&self, root: &str) -> PathBuf {
        self.directory.join(format!("{root}.{ENDING}"))
    }
}
