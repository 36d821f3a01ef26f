//! The tenant's command line.

use super::sweep::Style;
use crate::size;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Which parts a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FilePart {
    /// Only the cold part; hot and warm are anonymous.
    Cold,
    /// Everything.
    All,
}

/// A program with known hot, warm, scanned and cold memory.
///
/// SIGUSR1 makes it touch all of its memory at once, SIGUSR2 makes it report where its pages are, SIGTERM
/// ends it with a last report. Reports are JSON lines.
#[derive(Debug, Clone, Parser)]
#[command(name = "lowtide-tenant")]
pub struct Options {
    /// Name in the reports.
    #[arg(long, default_value = "tenant")]
    pub name: String,
    /// Memory worked on all the time.
    #[arg(long, default_value = "40M", value_parser = size::parse)]
    pub hot: u64,
    /// Memory swept every --warm-every.
    #[arg(long, default_value = "30M", value_parser = size::parse)]
    pub warm: u64,
    /// Time from one sweep of the warm part to the next.
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    pub warm_every: Duration,
    /// How a sweep's touches lie in that time.
    #[arg(long, value_enum, default_value = "burst")]
    pub warm_sweep: Style,
    /// Memory scanned at constant speed: its idle ages are always spread evenly from nothing to --scan-every.
    #[arg(long, default_value = "0", value_parser = size::parse)]
    pub scan: u64,
    /// Time of one scan.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    pub scan_every: Duration,
    /// Memory that is written once and never touched again.
    #[arg(long, default_value = "120M", value_parser = size::parse)]
    pub cold: u64,
    /// Map so much more anonymous memory, and never touch it.
    #[arg(long, default_value = "0", value_parser = size::parse)]
    pub sparse: u64,
    /// Put memory into a file in this directory.
    #[arg(long, value_name = "DIR")]
    pub file: Option<PathBuf>,
    /// What the file holds.
    #[arg(long, value_enum, default_value = "cold", requires = "file")]
    pub file_part: FilePart,
    /// Write to file pages too, not only read them.
    #[arg(long, requires = "file")]
    pub file_write: bool,
    /// Share of each page that is random, from 0 to 1; the rest is zeros.
    #[arg(long, default_value_t = 0.3)]
    pub compressibility: f64,
    /// Move into this cgroup before allocating anything.
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<PathBuf>,
    /// End after this time; without it, at SIGTERM.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Seed of the content and of nothing else.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Hot pages touched in one burst.
    #[arg(long, default_value_t = 256)]
    pub burst: u64,
    /// Sleep between two bursts. The default lets counted time run about four times as fast as the wall.
    #[arg(long, default_value = "4ms", value_parser = humantime::parse_duration)]
    pub pause: Duration,
    /// Time from one report to the next.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub interval: Duration,
    /// Have the periodic reports say where the pages are (costs a walk of the page table).
    #[arg(long)]
    pub truth: bool,
    /// Note when each page is touched, and have every truth say how many bytes are idle for at least each of
    /// these times, such as 10s,30s,1m.
    #[arg(long, value_name = "TIMES", value_delimiter = ',', value_parser = humantime::parse_duration)]
    pub ages: Vec<Duration>,
    /// Have every truth say which swapped bytes have sunk from this zram device (such as zram0) to its
    /// backing device. For a machine whose only swap it is.
    #[arg(long, value_name = "ZRAM")]
    pub sunk_from: Option<String>,
    /// Have every truth say which swapped bytes are on this swap disk (such as /dev/nullb0), and not in zswap
    /// before it: it reads their slots, which the disk's counters show. For a machine whose only swap it is.
    #[arg(long, value_name = "DEVICE", conflicts_with = "sunk_from")]
    pub sunk_to: Option<PathBuf>,
    /// Move all parts along by the hot part's size every so often.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub shift_every: Option<Duration>,
    /// Touch all memory at once, this long after the start.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub touch_all_at: Option<Duration>,
    /// At the end read all of the anonymous memory, and report how many pages are not what was written to
    /// them last.
    #[arg(long)]
    pub verify: bool,
    /// Append the reports to this file instead of printing them.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}
