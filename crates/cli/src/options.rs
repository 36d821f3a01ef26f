//! What can be typed.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

/// Keeps each cgroup's hot memory in DRAM and lets the rest settle into cheaper tiers.
#[derive(Debug, Parser)]
#[command(name = "lowtide", version, max_term_width = 100)]
pub struct Arguments {
    /// Read and write the kernel's files under this directory instead of / (for tests and fixtures).
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground. Reloads its configuration on SIGHUP and when a file changes.
    Run {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Validate the configuration. Exits 0, or 78 with file, line and column of every problem.
    Check {
        #[command(flatten)]
        config: ConfigFile,
        /// Also against this host: does each policy match a cgroup, can this kernel do what is asked?
        #[arg(long)]
        environment: bool,
        /// Treat warnings as errors.
        #[arg(long)]
        deny_warnings: bool,
    },
    /// Say what this host can do, what is missing and how to enable it. Exits 0, or 1 if lowtide cannot run
    /// here.
    Doctor {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what the daemon sees: the host, its tiers, every target and the last decision about it.
    Status {
        /// Which targets: a glob over their paths, as in a policy; without a `/` at its beginning over their
        /// last names. For a container of a pod /NAMESPACE/POD/CONTAINER is a path too.
        cgroups: Option<String>,
        /// What is most first; paths from A to Z.
        #[arg(long, value_name = "COLUMN")]
        sort: Option<lowtide_view::Sort>,
        /// No more targets than this.
        #[arg(long, value_name = "COUNT")]
        top: Option<usize>,
        #[command(flatten)]
        daemon: DaemonAddress,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the host, its tiers and every target as they are now, again and again; q ends it, ? has the keys.
    Top(TopOptions),
    /// Say why the daemon last did, or did not, act on a cgroup.
    Explain {
        /// The cgroup as in `status`: its path, /system.slice/web.service, or NAMESPACE/POD/CONTAINER. The
        /// history knows paths alone.
        cgroup: String,
        /// What was so then, from the history, without the daemon: 03:00 for the last three o'clock, "2h
        /// ago", 2026-11-27T03:00, or RFC 3339.
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        at: Option<String>,
        #[command(flatten)]
        daemon: DaemonAddress,
        #[command(flatten)]
        history: HistoryPlace,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what was saved, net, since when, what it cost, and what it is worth: as the daemon knows it, or
    /// of a period, from the history, without the daemon.
    Report {
        /// From then on: 03:00 for the last three o'clock, "2h ago", 2026-11-27, 2026-11-27T03:00, or RFC
        /// 3339.
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        since: Option<String>,
        /// Until then; until now without.
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        until: Option<String>,
        /// One page with plots, from the history: of all of it without `--since`. `-` is standard output.
        #[arg(long, value_name = "FILE", conflicts_with = "json")]
        html: Option<PathBuf>,
        #[command(flatten)]
        daemon: DaemonAddress,
        #[command(flatten)]
        history: HistoryPlace,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set up zram, swap devices, zswap and demotion as the configuration asks.
    Tiers {
        /// What to do about them.
        #[command(subcommand)]
        command: TiersCommand,
    },
    /// Put every kernel setting back that lowtide changed, and undo what `tiers apply` set up, except what
    /// holds pages. Only with the daemon stopped; safe to run twice. Exits 1 if something is left.
    Restore {
        #[command(flatten)]
        config: ConfigFile,
        /// Leave what `tiers apply` set up.
        #[arg(long)]
        keep_tiers: bool,
        /// Where the journal is, if the configuration cannot be read.
        #[arg(long, value_name = "DIR")]
        state_dir: Option<PathBuf>,
    },
}

/// What `top` looks at, and how it shows that.
#[derive(Debug, Args)]
pub struct TopOptions {
    /// Only targets whose path contains this.
    pub cgroups: Option<String>,
    /// What is most first; paths from A to Z.
    #[arg(long, value_name = "COLUMN")]
    pub sort: Option<lowtide_top::screen::Sort>,
    /// What is on the screen; with --once nothing else is.
    #[arg(long)]
    pub view: Option<lowtide_top::screen::View>,
    /// From one look to the next, and what rates are over: 500ms, 2s, 1m; from 100ms to 1h.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = look_interval)]
    pub interval: Duration,
    /// Print one screen as plain text, after two looks an interval apart, and exit.
    #[arg(long)]
    pub once: bool,
    /// One screen of what was so then, from the history, without the daemon: 03:00 for the last three
    /// o'clock, "2h ago", 2026-11-27T03:00, or RFC 3339.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub at: Option<String>,
    #[command(flatten)]
    pub daemon: DaemonAddress,
    #[command(flatten)]
    pub history: HistoryPlace,
    /// As JSON, once.
    #[arg(long)]
    pub json: bool,
}

/// Shorter ones cost more than they show, longer ones are a mistake.
fn look_interval(text: &str) -> Result<Duration, String> {
    let interval = lowtide_core::units::time_span(text).map_err(|error| error.to_string())?;
    let allowed = Duration::from_millis(100)..=Duration::from_hours(1);
    allowed.contains(&interval).then_some(interval).ok_or_else(|| "not from 100ms to 1h".to_owned())
}

/// What to do about the tiers.
#[derive(Debug, Subcommand)]
pub enum TiersCommand {
    /// Show what apply would do, what is so already, and what is impossible. Writes nothing. Exits 0, or 1 if
    /// anything is impossible.
    Plan(TiersOptions),
    /// Do it, unless anything of it is impossible. Only with the daemon stopped; a second time it does
    /// nothing. Exits 0 if everything is as asked for.
    Apply(TiersOptions),
}

/// The configuration to read.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The host's configuration; policies are read from policies.d/*.yaml beside it too.
    #[arg(long, value_name = "FILE", default_value = "/etc/lowtide/lowtide.yaml")]
    pub config: PathBuf,
}

/// Where the daemon listens.
#[derive(Debug, Args)]
pub struct DaemonAddress {
    #[command(flatten)]
    pub config: ConfigFile,
    /// The daemon's control socket, if it is not the one in the configuration.
    #[arg(long, value_name = "SOCKET")]
    pub socket: Option<PathBuf>,
}

/// Where the history is.
#[derive(Debug, Args)]
pub struct HistoryPlace {
    /// Where the history is, if the configuration cannot be read.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// From what, and how it is said.
#[derive(Debug, Args)]
pub struct TiersOptions {
    #[command(flatten)]
    pub config: ConfigFile,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}
