//! `cargo xtask lab`.

use crate::{build, dist, pack};
use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use lowtide_lab::dirs::LabDirs;
use lowtide_lab::kernel::{self, Kernel};
use lowtide_lab::machine::{Clock, Machine, Root};
use lowtide_lab::run::{self, Job};
use lowtide_lab::{scenarios, size, tools};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What to do in the lab.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// An interactive shell in a machine.
    Shell(MachineArgs),
    /// Run a command in a machine; exits with its status.
    Run {
        #[command(flatten)]
        machine: MachineArgs,
        /// Program and arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// List the kernels; with names, download them.
    Kernels {
        /// Series to download, or `all`.
        names: Vec<String>,
    },
    /// Run a scenario; without a name, list them.
    Scenario {
        /// Its name.
        name: Option<String>,
        /// Kernel series.
        #[arg(long, default_value = kernel::DEFAULT)]
        kernel: String,
        /// Of what is random in it.
        #[arg(long, default_value_t = scenarios::SEED)]
        seed: u64,
        /// What packages are upgraded from: the program, unit and scripts of this commit, built for it. Without
        /// it, this build with an older version.
        #[arg(long, value_name = "COMMIT")]
        older: Option<String>,
    },
}

/// The machine to boot.
#[derive(Debug, Args)]
pub(crate) struct MachineArgs {
    /// Kernel series.
    #[arg(long, default_value = kernel::DEFAULT)]
    kernel: String,
    /// DRAM.
    #[arg(long, default_value = "2G", value_parser = size::parse)]
    memory: u64,
    /// Virtual processors.
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// NUMA nodes that DRAM and processors are shared out to.
    #[arg(long, default_value_t = 1)]
    nodes: u32,
    /// Count instructions instead of time: the same figures on every run.
    #[arg(long)]
    deterministic: bool,
    /// Add a slow, CPU-less NUMA node.
    #[arg(long, value_name = "SIZE", num_args = 0..=1, default_missing_value = "1G", value_parser = size::parse)]
    cxl: Option<u64>,
    /// Add an empty virtio disk (repeatable).
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    disk: Vec<u64>,
    /// Wall-clock limit in seconds, after which the machine is killed.
    #[arg(long, default_value_t = 300)]
    limit: u64,
    /// Add a word to the kernel's command line (repeatable).
    #[arg(long, value_name = "WORD")]
    append: Vec<String>,
    /// Stage a program in the machine's memory, first in PATH (repeatable).
    #[arg(long, value_name = "FILE")]
    program: Vec<PathBuf>,
    /// Give it a root of its own, packed before the boot, instead of a view of this machine's.
    #[arg(long)]
    sealed: bool,
    /// Pack another program of this machine into a sealed root (repeatable).
    #[arg(long, value_name = "PROGRAM", requires = "sealed")]
    pack: Vec<String>,
    /// Show every kernel message.
    #[arg(long)]
    verbose: bool,
}

impl MachineArgs {
    fn machine(&self) -> Machine {
        Machine {
            kernel: self.kernel.clone(),
            memory: self.memory,
            cpus: self.cpus,
            nodes: self.nodes,
            clock: if self.deterministic { Clock::Deterministic } else { Clock::Plain },
            cxl: self.cxl,
            disks: self.disk.clone(),
            kernel_args: self.append.clone(),
            limit: Duration::from_secs(self.limit),
            root: if self.sealed { Root::Sealed } else { Root::Host },
            packed: self.pack.clone(),
            oom_expected: false,
            verbose: self.verbose,
        }
    }
}

/// Does it, and returns the status to exit with.
pub(crate) fn run(command: LabCommand) -> Result<ExitCode> {
    let dirs = LabDirs::locate()?;
    match command {
        LabCommand::Shell(args) => shell(&dirs, &args),
        LabCommand::Run { machine, command } => run_command(&dirs, &machine, command),
        LabCommand::Kernels { names } => kernels(&dirs, &names),
        LabCommand::Scenario { name: None, .. } => {
            for scenario in scenarios::all() {
                println!("{:<16} {}", scenario.name, scenario.about);
            }
            Ok(ExitCode::SUCCESS)
        }
        LabCommand::Scenario { name: Some(name), kernel, seed, older } => {
            scenario(&name, &kernel, seed, older.as_deref())
        }
    }
}

fn shell(dirs: &LabDirs, args: &MachineArgs) -> Result<ExitCode> {
    build::release(&[])?;
    let status = run::shell(dirs, &args.machine(), args.program.clone())?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_command(dirs: &LabDirs, args: &MachineArgs, command: Vec<String>) -> Result<ExitCode> {
    if std::env::var_os("LOWTIDE_LAB_BUILT").is_none() {
        build::release(&[])?;
    }
    let job = Job { command, programs: args.program.clone(), ..Job::default() };
    let outcome = run::run(dirs, &args.machine(), &job)?;
    outcome.results.iter().for_each(|result| println!("{result}"));
    if let Err(error) = outcome.check() {
        eprintln!("error: {error:#}");
    }
    Ok(ExitCode::from(u8::try_from(outcome.status()).unwrap_or(u8::MAX)))
}

fn kernels(dirs: &LabDirs, names: &[String]) -> Result<ExitCode> {
    let all = names.iter().any(|name| name == "all");
    for name in names.iter().filter(|_| !all) {
        tools::ensure()?;
        Kernel::get(dirs, name)?;
    }
    for series in &kernel::SERIES {
        let kernel =
            if all { Some(Kernel::get(dirs, series.name)?) } else { Kernel::cached(dirs, series.name) };
        let state = kernel.map_or_else(|| "not downloaded".to_owned(), |kernel| kernel.version);
        println!("{:<6} {state}", series.name);
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds what a scenario needs, and runs it.
pub(crate) fn scenario(name: &str, kernel: &str, seed: u64, older: Option<&str>) -> Result<ExitCode> {
    let dirs = LabDirs::locate()?;
    let scenario = scenarios::find(name)?;
    let packed = scenario.programs.iter().any(|program| scenarios::is_package(program));
    ensure!(older.is_none() || packed, "{name} upgrades no package: there is nothing that --older is for");
    let packages: &[&str] = if scenario.programs.contains(&"lowtide") { &["lowtide"] } else { &[] };
    // `cargo xtask test` builds once for all.
    if std::env::var_os("LOWTIDE_LAB_BUILT").is_none() {
        build::release(packages)?;
        if packed {
            tools::install(&[tools::SYSTEMD, tools::ATTR])?;
            dist::for_lab(&dirs, older)?;
        }
        if scenario.programs.contains(&scenarios::IMAGE) {
            tools::install(&[tools::SYSTEMD])?;
            tools::install(&tools::KUBELET)?;
            dist::image_for_lab(&dirs)?;
        }
    }
    if scenario.programs.iter().any(|program| program.starts_with(scenarios::OF_PACK)) {
        pack::pack()?;
    }
    scenarios::execute(&dirs, scenario, kernel, seed)?;
    Ok(ExitCode::SUCCESS)
}
