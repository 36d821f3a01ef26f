//! The lab's program inside the virtual machine: process 1, the steps of scenarios, and small helpers.

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use lowtide_lab::guest::helper::Helper;
use lowtide_lab::guest::peers::oomd;
use lowtide_lab::{guest, scenarios};
use std::path::{Path, PathBuf};

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
    /// Run the job of a machine whose process 1 is systemd; power off.
    Job,
    /// Do the steps of a scenario.
    Scenario { name: String },
    #[command(flatten)]
    Helper(Helper),
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
        Action::Job => guest::systemd::job().map(|never| match never {}),
        Action::Scenario { name } => (scenarios::find(&name)?.guest)(),
        Action::Helper(helper) => helper.run(),
        Action::Hold { size } => hold(size),
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
