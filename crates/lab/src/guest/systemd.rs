//! systemd as process 1, with the job as one of its services.

use super::init;
use crate::process::output;
use crate::spec::{STAGE, ports};
use anyhow::{Context, Result, bail};
use std::convert::Infallible;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Process 1.
const SYSTEMD: &str = "/lib/systemd/systemd";
/// Units that are gone with the machine.
const UNITS: &str = "/run/systemd/system";

/// Nothing of the host's own services: only what brings a host up, and the job. What the job installs or
/// starts comes on top.
const TARGET: &str = "[Unit]
Description=Lab
DefaultDependencies=no
Requires=sysinit.target
Wants=lab-job.service
AllowIsolate=yes
";

/// Becomes systemd; call it as process 1, with everything mounted and staged.
pub(super) fn become_it() -> Result<Infallible> {
    fs::create_dir_all(UNITS).with_context(|| format!("cannot create {UNITS}"))?;
    let run = std::env::var("LAB_RUN").context("the kernel command line has no LAB_RUN")?;
    let job = format!(
        "[Unit]\nDescription=Job of the lab\nDefaultDependencies=no\nAfter=sysinit.target\n\n[Service]\n\
         Environment=LAB_RUN={run}\nExecStart={STAGE}/lab-guest job\nStandardOutput=file:{out}\n\
         StandardError=file:{out}\n",
        out = ports::OUTPUT
    );
    write("lab.target", TARGET)?;
    write("lab-job.service", &job)?;
    // Without one it would be a first boot, at which systemd enables all there is.
    fs::write("/etc/machine-id", "6c6f77746964652d6c61622d68657265\n")
        .context("cannot write a machine id")?;
    let error = Command::new(SYSTEMD).args(["--unit=lab.target", "--show-status=no"]).exec();
    Err(error).with_context(|| format!("cannot become {SYSTEMD}: is Debian's systemd-sysv installed?"))
}

/// The job, as a service: does not return, the machine is off afterwards.
pub fn job() -> Result<Infallible> {
    init::finish(init::run_job())
}

fn write(unit: &str, text: &str) -> Result<()> {
    let path = Path::new(UNITS).join(unit);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Starts a program as a service, and returns its process id.
pub fn start_service(unit: &str, command: &[&str]) -> Result<u32> {
    let unit_option = format!("--unit={unit}");
    let options = ["--quiet", &unit_option, "--property=DefaultDependencies=no", "--"];
    output("systemd-run", &[&options, command].concat())?;
    main_process(unit)
}

/// The process id of a running service.
pub fn main_process(unit: &str) -> Result<u32> {
    let text = output("systemctl", &["show", "--value", "--property=MainPID", unit])?;
    let id = text.trim().parse().with_context(|| format!("{unit} has the process {text:?}"))?;
    if id == 0 {
        bail!("{unit} does not run");
    }
    Ok(id)
}

/// What `systemctl VERB UNIT` says in one word, such as `active` or `disabled`.
pub fn says(verb: &str, unit: &str) -> Result<String> {
    let mut command = Command::new("systemctl");
    let done = command.args([verb, unit]).stdin(Stdio::null()).output().context("cannot start systemctl")?;
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// Waits until `done` holds; says what was waited for if it never does.
pub fn wait_for(what: &str, limit: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !done()? {
        if started.elapsed() > limit {
            bail!("{what}: not after {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}
