//! Process 1 of the guest: mounts the basics, runs the job (or becomes systemd, which runs it), reports its
//! exit status, powers off.

use super::{knobs, modules, mounts, systemd};
use crate::spec::{Exit, GuestSpec, SEALED, STAGE, files, ports};
use crate::work::neighbour;
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitStatus, wait};
use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PATH: &str = "/run/lab:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Does not return: the machine is off afterwards.
pub fn main() -> Result<Infallible> {
    finish(prepare_and_run())
}

/// Says what went wrong, and powers off.
pub(super) fn finish(done: Result<()>) -> Result<Infallible> {
    if let Err(error) = done {
        eprintln!("lab-guest: {error:#}");
    }
    nix::unistd::sync();
    reboot(RebootMode::RB_POWER_OFF).context("cannot power off")
}

fn prepare_and_run() -> Result<()> {
    mounts::mount_basics()?;
    let spec = read_spec()?;
    if let Some(modules) = &spec.modules {
        mounts::bind(modules, &Path::new("/lib/modules").join(&spec.version))?;
    }
    stage(&spec.programs)?;
    for port in [ports::OUTPUT, ports::RESULTS, ports::EXIT] {
        make_raw(port)?;
    }
    if Path::new("/sys/bus/virtio/drivers").exists() {
        // Only for machines with virtio disks; a kernel without the module has none.
        let _ = modules::load("virtio_blk", &[]);
    }
    if spec.systemd {
        return systemd::become_it().map(|never| match never {});
    }
    neighbour::on_each_processor()?;
    report_end(&spec)
}

/// The job of a machine whose process 1 is another program.
pub(super) fn run_job() -> Result<()> {
    report_end(&read_spec()?)
}

fn report_end(spec: &GuestSpec) -> Result<()> {
    let exit = execute(spec)?;
    let mut port = OpenOptions::new().write(true).open(ports::EXIT)?;
    writeln!(port, "{}", serde_json::to_string(&exit)?).context("cannot report the exit status")
}

/// In a sealed root the job is packed too; else it is in the run's directory on the host.
fn read_spec() -> Result<GuestSpec> {
    let sealed = Path::new(SEALED);
    let directory = match std::env::var_os("LAB_RUN") {
        _ if sealed.is_dir() => sealed.to_owned(),
        Some(run) => PathBuf::from(run),
        None => bail!("the kernel command line has no LAB_RUN"),
    };
    let path = directory.join(files::SPEC);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// ramfs is never swapped or reclaimed, and what runs from it needs no host I/O.
fn stage(programs: &[PathBuf]) -> Result<()> {
    fs::create_dir_all(STAGE)?;
    mounts::mount_at("lab", "ramfs", Path::new(STAGE))?;
    for program in programs {
        let name = program.file_name().context("a program without a name")?;
        let to = Path::new(STAGE).join(name);
        fs::copy(program, &to).with_context(|| format!("cannot stage {}", program.display()))?;
    }
    Ok(())
}

/// No echo, no line-end translation.
fn make_raw(port: &str) -> Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(port)
        .with_context(|| format!("cannot open {port}"))?;
    let mut settings = tcgetattr(&file).with_context(|| format!("{port} is no terminal"))?;
    cfmakeraw(&mut settings);
    tcsetattr(&file, SetArg::TCSANOW, &settings).with_context(|| format!("cannot set up {port}"))
}

fn execute(spec: &GuestSpec) -> Result<Exit> {
    let mut command = command_of(spec)?;
    command.env_clear().env("PATH", PATH).env("HOME", "/root").env("LANG", "C.UTF-8").envs(&spec.env);
    if spec.directory.is_dir() {
        command.current_dir(&spec.directory);
    }
    let started_at = knobs::uptime()?;
    let child = command.spawn().with_context(|| format!("cannot start {:?}", spec.command))?;
    let code = reap_until(i32::try_from(child.id())?)?;
    Ok(Exit { code, started_at, ended_at: knobs::uptime()? })
}

fn command_of(spec: &GuestSpec) -> Result<Command> {
    let Some((program, args)) = spec.command.split_first() else {
        let mut shell = Command::new("setsid");
        shell.args(["--ctty", "--wait", "bash", "-i"]);
        let console = || OpenOptions::new().read(true).write(true).open("/dev/ttyS0");
        shell.stdin(console()?).stdout(console()?).stderr(console()?);
        return Ok(shell);
    };
    // The program is looked up in the guest's PATH, not in init's.
    let mut command = Command::new("env");
    command.arg(program).args(args).stdin(Stdio::null());
    let port = File::options().write(true).open(ports::OUTPUT)?;
    command.stdout(port.try_clone()?).stderr(port);
    Ok(command)
}

/// As process 1, collects every orphan until the job itself ends.
fn reap_until(job: i32) -> Result<i32> {
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid.as_raw() == job => return Ok(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid.as_raw() == job => return Ok(128 + signal as i32),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait for the command"),
        }
    }
}
