//! The daemon under test, as an operator would run it.

use super::Watchdog;
use crate::spec::STAGE;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

/// A running `lowtide run`.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    config: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Writes the configuration and starts the daemon with it; returns when it answers `lowtide status`.
    ///
    /// `policies` is YAML: the host part and policies, without `control` and `state_dir`, which are set here.
    pub fn start(name: &str, policies: &str) -> Result<Self> {
        let mut daemon = Self::launch(name, policies)?;
        daemon.wait_until_ready()?;
        Ok(daemon)
    }

    /// As [`Daemon::start`], under a watchdog.
    pub fn start_watched(name: &str, policies: &str, watchdog: &Watchdog) -> Result<Self> {
        let directory = directory_of(name);
        fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let config = configure(&directory, policies)?;
        let log = directory.join("log");
        let mut command = command(&config, &log)?;
        watchdog.tell(&mut command);
        let child = command.spawn().context("cannot start lowtide")?;
        let mut daemon = Self { child, config, log };
        daemon.wait_until_ready()?;
        Ok(daemon)
    }

    /// As [`Daemon::start`], and returns at once.
    pub fn launch(name: &str, policies: &str) -> Result<Self> {
        Self::launch_in(&directory_of(name), policies)
    }

    /// As [`Daemon::launch`], with all of its files in a directory that is created.
    pub fn launch_in(directory: &Path, policies: &str) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let config = configure(directory, policies)?;
        let log = directory.join("log");
        Ok(Self { child: spawn(&config, &log)?, log, config })
    }

    /// Gives it another configuration, which it takes over when it is told to.
    pub fn configure(&self, policies: &str) -> Result<()> {
        let directory = self.config.parent().context("the configuration lies in no directory")?;
        configure(directory, policies).map(drop)
    }

    /// Starts it again with the same configuration, after a kill.
    pub fn start_again(&mut self) -> Result<()> {
        self.launch_again()?;
        self.wait_until_ready()
    }

    /// As [`Daemon::start_again`], and returns at once.
    pub fn launch_again(&mut self) -> Result<()> {
        self.child = spawn(&self.config, &self.log)?;
        Ok(())
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> &PathBuf {
        &self.config
    }

    /// The state directory that a daemon of this name will have.
    #[must_use]
    pub fn state_dir_of(name: &str) -> PathBuf {
        directory_of(name).join("state")
    }

    /// Its state directory.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.config.with_file_name("state")
    }

    /// What it has logged so far.
    pub fn log(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("cannot read {}", self.log.display()))
    }

    /// `lowtide status --json`.
    pub fn status(&self) -> Result<Value> {
        let text = self.lowtide(&["status", "--json"])?;
        serde_json::from_str(&text).with_context(|| format!("`lowtide status --json` printed {text}"))
    }

    /// `lowtide report --json`.
    pub fn report(&self) -> Result<Value> {
        let text = self.lowtide(&["report", "--json"])?;
        serde_json::from_str(&text).with_context(|| format!("`lowtide report --json` printed {text}"))
    }

    /// `lowtide report`.
    pub fn report_text(&self) -> Result<String> {
        self.lowtide(&["report"])
    }

    /// The target at `path` in `lowtide status --json`.
    pub fn target(&self, path: &str) -> Result<Value> {
        let status = self.status()?;
        let targets = status["cgroups"].as_array().context("status has no cgroups")?;
        targets
            .iter()
            .find(|target| target["path"] == path)
            .cloned()
            .with_context(|| format!("{path} is no target: {status}"))
    }

    /// `lowtide explain PATH`.
    pub fn explain(&self, path: &str) -> Result<String> {
        self.lowtide(&["explain", path])
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(id, signal).with_context(|| format!("cannot send {signal} to lowtide"))
    }

    /// Waits for its end after a signal.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().context("cannot wait for lowtide")
    }

    /// Kills it without a warning.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill lowtide")?;
        self.wait().map(drop)
    }

    /// Stops it as systemd would; it must end well.
    pub fn stop(mut self) -> Result<()> {
        self.terminate()
    }

    /// As [`Daemon::stop`], for one that is started again later.
    pub fn terminate(&mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        let status = self.wait()?;
        ensure!(status.success(), "lowtide ended with {status}: {}", self.log()?);
        Ok(())
    }

    /// Runs another `lowtide` command with the daemon's configuration.
    pub fn command(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new("lowtide");
        command.args(arguments).arg("--config").arg(&self.config).stdin(Stdio::null());
        command.output().context("cannot start lowtide")
    }

    fn lowtide(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`lowtide {}`: {errors}", arguments.join(" "));
        Ok(text)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        for _ in 0..200 {
            if let Some(status) = self.child.try_wait()? {
                bail!("lowtide ended with {status} before it was ready: {}", self.log()?);
            }
            if self.status().is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("lowtide does not answer: {}", self.log()?)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn directory_of(name: &str) -> PathBuf {
    PathBuf::from(STAGE).join(format!("lowtide-{name}"))
}

/// Writes a configuration with all of the daemon's files in `directory`.
fn configure(directory: &Path, policies: &str) -> Result<PathBuf> {
    let config = directory.join("lowtide.yaml");
    let place = directory.display();
    let text = format!("control: {{ socket: {place}/control.sock }}\nstate_dir: {place}/state\n{policies}");
    fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
    Ok(config)
}

fn spawn(config: &Path, log: &Path) -> Result<Child> {
    command(config, log)?.spawn().context("cannot start lowtide")
}

fn command(config: &Path, log: &Path) -> Result<Command> {
    let open = || File::options().create(true).append(true).open(log);
    let mut command = Command::new("lowtide");
    command.arg("run").arg("--config").arg(config).stdin(Stdio::null());
    command.stdout(open()?).stderr(open()?);
    Ok(command)
}
