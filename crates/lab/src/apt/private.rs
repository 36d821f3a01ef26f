//! apt with its own sources, lists and cache: nothing of the machine's own apt state is read or changed,
//! except its list of sources.

use super::source::{Source, parse_sources, rewrite};
use crate::process::{output, output_of, say};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// apt on a private directory, for some suites of Debian.
#[derive(Debug)]
pub struct PrivateApt {
    directory: PathBuf,
}

impl PrivateApt {
    /// Writes the private sources below `directory` and fetches the package lists.
    pub fn update(directory: &Path, suites: &[&str]) -> Result<Self> {
        let apt = Self { directory: directory.to_owned() };
        for sub in ["lists/partial", "cache/archives/partial", "parts"] {
            let path = directory.join(sub);
            fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        }
        let text = rewrite(&machine_sources(Path::new("/etc/apt"))?, &codename()?, suites)?;
        let path = apt.sources_file();
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        fs::write(apt.status_file(), "").context("cannot write an empty list of installed packages")?;
        say(&format!(
            "fetching package lists of {} (private, this machine's apt is not touched)",
            suites.join(", ")
        ));
        apt.run("apt-get", &["-qq", "update"]).context("apt could not fetch the package lists")?;
        Ok(apt)
    }

    /// Every package name that starts with `prefix`.
    pub fn package_names(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(self.run("apt-cache", &["pkgnames", prefix])?.lines().map(ToOwned::to_owned).collect())
    }

    /// These packages, and all that they depend on.
    pub fn needed(&self, packages: &[&str]) -> Result<Vec<String>> {
        let text = self.run("apt-cache", &[&["depends", "--recurse", "--important"], packages].concat())?;
        // Lines with a space begin tell of whom, those in angle brackets are no packages.
        let names = text.lines().filter(|line| !line.starts_with([' ', '|', '<']));
        Ok(names.map(ToOwned::to_owned).collect())
    }

    /// Downloads `packages` and unpacks them into `destination`, which is created.
    pub fn unpack(&self, packages: &[String], destination: &Path) -> Result<()> {
        let downloads = destination.join(".debs");
        for path in [destination, &downloads] {
            fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        }
        for package in packages {
            say(&format!("downloading {package}"));
        }
        let mut command = self.command("apt-get");
        command.arg("-qq").arg("download").args(packages).current_dir(&downloads);
        output_of(&mut command).context("apt could not download the packages")?;
        for entry in fs::read_dir(&downloads)? {
            output("dpkg-deb", &["-x".as_ref(), entry?.path().as_os_str(), destination.as_os_str()])?;
        }
        fs::remove_dir_all(&downloads)?;
        Ok(())
    }

    fn sources_file(&self) -> PathBuf {
        self.directory.join("lab.sources")
    }

    /// Without it apt would choose versions that this machine has installed, which these suites need not
    /// have.
    fn status_file(&self) -> PathBuf {
        self.directory.join("status")
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        output_of(self.command(program).args(args))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let option = |name: &str, path: PathBuf| format!("{name}={}", path.display());
        for value in [
            option("Dir::Etc::sourcelist", self.sources_file()),
            option("Dir::Etc::sourceparts", self.directory.join("parts")),
            option("Dir::State::status", self.status_file()),
            option("Dir::State::lists", self.directory.join("lists")),
            option("Dir::Cache", self.directory.join("cache")),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
        ] {
            command.arg("-o").arg(value);
        }
        command.stdin(Stdio::null());
        command
    }
}

fn machine_sources(etc_apt: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut files = vec![etc_apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(etc_apt.join("sources.list.d")) {
        files.extend(entries.filter_map(|entry| entry.ok().map(|entry| entry.path())));
    }
    files.sort();
    for file in files.iter().filter(|file| file.is_file()) {
        let extension = file.extension().and_then(|extension| extension.to_str());
        if !matches!(extension, Some("list" | "sources")) {
            continue;
        }
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        sources.extend(parse_sources(&text, extension == Some("sources")));
    }
    Ok(sources)
}

/// The name of the Debian release this machine runs.
pub fn codename() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .context("/etc/os-release has no VERSION_CODENAME: the lab gets its kernels from Debian's archive and needs Debian")
}
