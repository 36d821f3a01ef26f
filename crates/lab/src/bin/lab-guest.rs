//! The lab's program inside the virtual machine: process 1, the steps of scenarios, and small helpers.

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use lowtide_lab::guest::peers::{oomd, senpai};
use lowtide_lab::{guest, scenarios};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs inside the lab's virtual machines. Never run it on a host.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Be process 1: mount, run the job, power off.
    Init,
    /// Do the steps of a scenario.
    Scenario { name: String },
    /// Move into a cgroup, then become another program.
    ExecIn {
        /// The cgroup's directory.
        cgroup: PathBuf,
        /// Program and arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Fill some memory and sleep until killed.
    Hold {
        /// Such as 256K.
        #[arg(value_parser = lowtide_lab::size::parse)]
        size: u64,
    },
    /// Add a zram swap device (size such as 512M).
    ZramSwap {
        /// Uncompressed size.
        #[arg(value_parser = lowtide_lab::size::parse)]
        size: u64,
        /// Compression algorithm.
        #[arg(default_value = "lz4")]
        algorithm: String,
    },
    /// Squeeze a cgroup as senpai.py does, until SIGTERM.
    Senpai {
        /// The cgroup's directory.
        cgroup: PathBuf,
        #[command(flatten)]
        settings: senpai::Settings,
    },
    /// Probe a cgroup as oomd's Senpai does with immediate_backoff, until SIGTERM.
    OomdSenpai {
        /// The cgroup's directory.
        cgroup: PathBuf,
        #[command(flatten)]
        settings: oomd::Settings,
    },
    /// Add swap on a device in memory that takes a fixed time to answer.
    NullSwap {
        /// Bytes, such as 256M.
        #[arg(value_parser = lowtide_lab::size::parse)]
        size: u64,
        /// Nanoseconds of guest time a request takes: 80000 is an SSD, 8000000 a disk.
        #[arg(default_value_t = guest::block::SSD_NANOSECONDS)]
        latency: u64,
    },
}

fn main() -> Result<()> {
    let action = Args::parse().action;
    // Everything below changes the kernel it runs on.
    let stage = Path::new(lowtide_lab::spec::STAGE);
    ensure!(
        matches!(action, Action::Init) && std::process::id() == 1 || stage.is_dir(),
        "this is not the inside of a lab machine: use `cargo xtask lab`"
    );
    match action {
        Action::Init => guest::init::main().map(|never| match never {}),
        Action::Scenario { name } => (scenarios::find(&name)?.guest)(),
        Action::ExecIn { cgroup, command } => exec_in(&cgroup, &command),
        Action::Hold { size } => hold(size),
        Action::Senpai { cgroup, settings } => senpai::run(&guest::Cgroup::at(&cgroup), settings),
        Action::OomdSenpai { cgroup, settings } => oomd::run(&guest::Cgroup::at(&cgroup), &settings),
        Action::ZramSwap { size, algorithm } => {
            let options = guest::zram::ZramOptions { algorithm, ..guest::zram::ZramOptions::lz4(size) };
            guest::Zram::swap(&options, 100).map(drop)
        }
        Action::NullSwap { size, latency } => {
            guest::swap::on(guest::NullBlock::create(0, size, latency)?.device(), 10)
        }
    }
}

fn hold(size: u64) -> Result<()> {
    let memory = vec![1_u8; usize::try_from(size)?];
    loop {
        std::hint::black_box(&memory);
        std::thread::park();
    }
}

fn exec_in(cgroup: &Path, command: &[String]) -> Result<()> {
    guest::cgroup::enter(cgroup)?;
    let (program, args) = command.split_first().context("no command given")?;
    Err(Command::new(program).args(args).exec()).with_context(|| format!("cannot start {program}"))
}
