//! Booting a machine, running one command in it, and collecting what comes back.

use crate::accel;
use crate::dirs::LabDirs;
use crate::initramfs;
use crate::kernel::{self, Kernel};
use crate::machine::{Machine, Root};
use crate::outcome::Outcome;
use crate::process::say;
use crate::qemu::{self, Accel, BootFiles, Screen};
use crate::sealed;
use crate::spec::{GuestSpec, files};
use crate::tail::Tail;
use crate::tools;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(100);

/// What to run in a machine.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Program and arguments, found in the guest's PATH.
    pub command: Vec<String>,
    /// Programs staged in the guest's memory and put first in its PATH, besides the lab's own.
    pub programs: Vec<PathBuf>,
    /// Extra environment.
    pub env: Vec<(String, String)>,
}

impl Job {
    /// Runs a command line.
    #[must_use]
    pub fn command<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Self {
        Self { command: words.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Stages another program.
    #[must_use]
    pub fn with_program(mut self, path: PathBuf) -> Self {
        self.programs.push(path);
        self
    }
}

/// Boots `machine`, runs `job`, streams what it prints to stderr and returns when the machine is gone.
pub fn run(dirs: &LabDirs, machine: &Machine, job: &Job) -> Result<Outcome> {
    let accel = accel::choose(dirs, machine)?;
    run_with(dirs, machine, job, accel)
}

pub(crate) fn run_with(dirs: &LabDirs, machine: &Machine, job: &Job, accel: Accel) -> Result<Outcome> {
    let machine = &kernel::adjusted(machine.clone());
    let prepared = Prepared::new(dirs, machine, job)?;
    say(&format!("booting {} ({accel:?}); logs in {}", prepared.kernel.version, prepared.boot.run.display()));
    let started = Instant::now();
    let mut guard = Guard(prepared.start(machine, accel, Screen::Files)?);
    let timed_out = follow(&mut guard, &prepared.boot.run, machine.limit)?.is_none();
    drop(guard);
    remove_large_files(machine, &prepared.boot);
    let outcome = Outcome::read(&prepared.boot.run, machine.oom_expected)?;
    Ok(Outcome { timed_out, wall: started.elapsed(), accel, kernel: prepared.kernel.version, ..outcome })
}

/// Boots `machine` with its console on this terminal and an interactive shell on it.
pub fn shell(dirs: &LabDirs, machine: &Machine, programs: Vec<PathBuf>) -> Result<ExitStatus> {
    let accel = accel::choose(dirs, machine)?;
    let machine = &kernel::adjusted(machine.clone());
    let prepared = Prepared::new(dirs, machine, &Job { programs, ..Job::default() })?;
    say(&format!("booting {} ({accel:?}); leave with `exit`, or Ctrl-A X at once", prepared.kernel.version));
    let mut guard = Guard(prepared.start(machine, accel, Screen::Terminal)?);
    let status = guard.0.wait().context("cannot wait for QEMU")?;
    remove_large_files(machine, &prepared.boot);
    Ok(status)
}

/// A machine whose files are all in place.
struct Prepared {
    kernel: Kernel,
    boot: BootFiles,
}

impl Prepared {
    fn new(dirs: &LabDirs, machine: &Machine, job: &Job) -> Result<Self> {
        tools::ensure()?;
        let kernel = Kernel::get(dirs, &machine.kernel)?;
        let run = dirs.new_run()?;
        let busybox = tools::busybox(dirs)?;
        let systemd = machine.root == Root::HostWithSystemd;
        let spec = GuestSpec { systemd, ..guest_spec(dirs, &kernel, job)? };
        let archive = match machine.root {
            Root::Host | Root::HostWithSystemd => initramfs::build(&kernel, &busybox)?,
            Root::Sealed => sealed::build(&kernel, &busybox, machine, &spec)?,
        };
        let initramfs = run.join("initramfs.cpio");
        write(&initramfs, &archive)?;
        write(&run.join(files::SPEC), &serde_json::to_vec_pretty(&spec)?)?;
        create_disks(machine, &run)?;
        let init = copy_init(dirs, &run)?;
        Ok(Self { boot: BootFiles { image: kernel.image(), initramfs, init, run }, kernel })
    }

    /// `setpriv --pdeathsig` makes the kernel kill QEMU when this thread ends, however it ends: no machine is
    /// left behind by a panic or a `kill -9`.
    fn start(&self, machine: &Machine, accel: Accel, screen: Screen) -> Result<Child> {
        let stderr = self.boot.run.join("qemu.log");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
        command.args(qemu::arguments(machine, accel, screen, &self.boot));
        if screen == Screen::Files {
            let log = File::create(&stderr).with_context(|| format!("cannot create {}", stderr.display()))?;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        }
        command.spawn().context("cannot start QEMU through setpriv (package util-linux)")
    }
}

/// Kills the machine when it goes out of scope.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Prints what the guest says until QEMU ends; none when it had to be killed at the limit.
fn follow(guard: &mut Guard, run: &Path, limit: Duration) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    let mut tails = [
        Tail::new(run.join(files::CONSOLE), "[kernel]"),
        Tail::new(run.join(files::OUTPUT), "[guest]"),
        Tail::new(run.join("qemu.log"), "[qemu]"),
    ];
    let status = loop {
        let status = guard.0.try_wait().context("cannot wait for QEMU")?;
        tails.iter_mut().for_each(Tail::print);
        if status.is_some() || started.elapsed() > limit {
            break status;
        }
        std::thread::sleep(POLL);
    };
    if status.is_none() {
        say(&format!("wall-clock limit of {} s reached: killing the machine", limit.as_secs()));
    }
    Ok(status)
}

/// The guest runs a copy, so that a build on the host does not pull it away.
fn copy_init(dirs: &LabDirs, run: &Path) -> Result<PathBuf> {
    let built = dirs.release_program("lab-guest");
    let copy = run.join("lab-guest");
    fs::copy(&built, &copy).with_context(|| {
        format!("cannot copy {}: build it with `cargo build --release -p lowtide-lab`", built.display())
    })?;
    Ok(copy)
}

fn guest_spec(dirs: &LabDirs, kernel: &Kernel, job: &Job) -> Result<GuestSpec> {
    let mut programs = vec![dirs.release_program("lab-guest"), dirs.release_program("lowtide-tenant")];
    programs.extend(job.programs.iter().cloned());
    if let Some(missing) = programs.iter().find(|program| !program.is_file()) {
        bail!("{} is not built; `cargo xtask lab` builds what it needs", missing.display());
    }
    Ok(GuestSpec {
        command: job.command.clone(),
        env: job.env.iter().cloned().collect(),
        directory: std::env::current_dir()?,
        programs,
        modules: Some(kernel.modules()),
        version: kernel.version.clone(),
        systemd: false,
    })
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

fn create_disks(machine: &Machine, run: &Path) -> Result<()> {
    for (index, bytes) in machine.disks.iter().enumerate() {
        let path = qemu::disk_file(run, index);
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        file.set_len(*bytes).with_context(|| format!("cannot grow {}", path.display()))?;
    }
    Ok(())
}

/// What is left over goes with the run's directory.
fn remove_large_files(machine: &Machine, boot: &BootFiles) {
    let disks = (0..machine.disks.len()).map(|index| qemu::disk_file(&boot.run, index));
    for file in disks.chain([boot.initramfs.clone(), boot.init.clone()]) {
        let _ = fs::remove_file(file);
    }
}
