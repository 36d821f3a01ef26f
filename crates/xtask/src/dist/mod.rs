//! `cargo xtask dist`: what operators install, made from one tree of files.

mod archive;
mod bill;
mod chart;
mod deb;
mod files;
mod image;
mod older;
mod program;
mod rpm;
mod sums;
mod toolchain;
mod tools;

use anyhow::{Context, Result, ensure};
use clap::Args;
use files::Family;
use lowtide_lab::dirs::LabDirs;
use lowtide_lab::process::{output, say};
use lowtide_lab::scenarios;
use lowtide_lab::tools::install;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toolchain::Toolchain;

/// What to make.
#[derive(Debug, Args)]
pub(crate) struct DistArgs {
    /// Pack this program instead of building a static one (to try the packaging itself).
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Another version than the workspace's, such as an older one to upgrade from.
    #[arg(long, value_name = "VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    package_version: String,
    /// Only the .deb, without licences and SBOM.
    #[arg(long)]
    deb_only: bool,
    /// Where to put it, instead of target/dist.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

/// Where everything comes from and goes to.
#[derive(Debug, Clone)]
struct Dist {
    /// Of the workspace.
    top: PathBuf,
    /// Where it goes.
    into: PathBuf,
    /// Trees and lists on the way there.
    work: PathBuf,
    version: String,
    /// Seconds since 1970 that every file and package is of: the last commit's.
    epoch: u64,
    /// The program.
    program: PathBuf,
}

/// Makes it.
pub(crate) fn run(args: &DistArgs) -> Result<ExitCode> {
    let dist = Dist::new(args.binary.as_deref(), &args.package_version, args.into.clone())?;
    if args.deb_only {
        deb::make(&dist, None)?;
        return Ok(ExitCode::SUCCESS);
    }
    tools::ensure(&dist)?;
    let toolchain = Toolchain::find()?;
    let licences = bill::licences(&dist, &toolchain)?;
    bill::materials(&dist, &toolchain)?;
    fs::copy(&dist.program, dist.into.join(program::NAME)).context("cannot copy the program")?;
    deb::make(&dist, Some(&licences))?;
    rpm::make(&dist, Some(&licences))?;
    image::make(&dist)?;
    chart::make(&dist)?;
    sums::write(&dist.into)?;
    print!("{}", fs::read_to_string(dist.into.join(sums::NAME))?);
    Ok(ExitCode::SUCCESS)
}

/// Two packages of each kind for the lab, with the static program, as they are published: an older one, and
/// the one that it is upgraded to. The older one is what `older` was, a commit; without it, it is the same with
/// another version.
pub(crate) fn for_lab(dirs: &LabDirs, older: Option<&str>) -> Result<()> {
    install(&[tools::RPM])?;
    let newer = Dist::new(None, env!("CARGO_PKG_VERSION"), Some(dirs.packages()))?;
    let older = match older {
        Some(commit) => newer.of_commit(commit, scenarios::OLDER)?,
        None => newer.with_version(scenarios::OLDER),
    };
    for dist in [older, newer] {
        deb::make(&dist, None)?;
        rpm::make(&dist, None)?;
    }
    Ok(())
}

/// The container image for the lab: the static program, as it is published.
pub(crate) fn image_for_lab(dirs: &LabDirs) -> Result<()> {
    tools::buildah()?;
    image::make(&Dist::new(None, env!("CARGO_PKG_VERSION"), Some(dirs.packages()))?)
}

impl Dist {
    /// Of `binary`, or of a static program that is built for it, in a directory that is not the usual one if
    /// `into` says so.
    fn new(binary: Option<&Path>, version: &str, into: Option<PathBuf>) -> Result<Self> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        let epoch = output("git", &["-C", text(&top)?, "log", "-1", "--format=%ct"])
            .context("the last commit gives every file its time")?;
        let program = match binary {
            Some(program) => program.canonicalize().with_context(|| format!("{}", program.display()))?,
            None => program::build(&top)?,
        };
        let into = into.unwrap_or_else(|| top.join("target/dist"));
        // Only a directory that this command made is emptied, so that SHA256SUMS is of what it made.
        if into.join(sums::NAME).is_file() {
            fs::remove_dir_all(&into).with_context(|| format!("cannot empty {}", into.display()))?;
        }
        let work = top.join("target/dist-work");
        if work.is_dir() {
            fs::remove_dir_all(&work).with_context(|| format!("cannot empty {}", work.display()))?;
        }
        for directory in [&into, &work] {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let into = into.canonicalize()?;
        let version = version.to_owned();
        ensure!(
            version.chars().all(|c| c.is_ascii_alphanumeric() || c == '.'),
            "a version that both kinds of package know has letters, digits and dots: {version}"
        );
        let epoch = epoch.trim().parse().context("git named no time")?;
        say(&format!("packing lowtide {version}, as of {epoch}, into {}", into.display()));
        Ok(Self { top, into, work, version, epoch, program })
    }

    /// The same, called something else.
    fn with_version(&self, version: &str) -> Self {
        Self { version: version.to_owned(), ..self.clone() }
    }

    /// What one commit has, with its own program, unit and scripts, packed as this is.
    fn of_commit(&self, commit: &str, version: &str) -> Result<Self> {
        let top = older::sources(&self.top, commit)?;
        let program = program::build(&top)?;
        Ok(Self { top, program, ..self.with_version(version) })
    }

    /// The tree of files of one kind of package.
    fn tree(&self, family: Family, licences: Option<&Path>) -> Result<PathBuf> {
        let tree = self.work.join(family.name());
        files::lay_out(self, family, licences, &tree)?;
        Ok(tree)
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not text", path.display()))
}
