//! A host whose files were captured on a real kernel (tests/fixtures), two seconds in which something happens
//! to it, and a daemon's answers.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking that it failed")]

pub(crate) mod answers;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, UNIX_EPOCH},
};

use lowtide_kernfs::Root;
use lowtide_top::{
    model::{Model, Past},
    sample::{Daemon, Host, Kernel, Sample, Silence, Status},
};

/// Between the two looks.
pub(crate) const APART: Duration = Duration::from_secs(2);
/// 2026-11-27T12:00:00Z.
const NOON: Duration = Duration::from_hours(498_828);

/// The tree of a captured kernel, with what it does not have: a kswapd and counters of its disks.
pub(crate) struct Tree {
    directory: tempfile::TempDir,
}

impl Tree {
    pub(crate) fn new(kernel: &str) -> Self {
        let tree = Self { directory: tempfile::tempdir().unwrap() };
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kernel);
        for part in ["proc", "sys"] {
            let copied = Command::new("cp").arg("-r").arg(fixture.join(part)).arg(tree.path("")).status();
            assert!(copied.unwrap().success());
        }
        tree.kswapd(35);
        tree.disk("vda", 4400, 24_744);
        tree.disk("zram0", 8232, 24_888);
        tree
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn kernel(&self) -> Kernel {
        Kernel::new(Root::open(self.directory.path()).unwrap())
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// With so many clock ticks in the kernel.
    pub(crate) fn kswapd(&self, ticks: u64) {
        let stat = format!("71 (kswapd0) S 2 0 0 0 -1 10758208 0 0 0 0 0 {ticks} 0 0 20 0 1 0 70 0 0\n");
        self.put("proc/71/stat", &stat);
    }

    /// With so many sectors read and written.
    pub(crate) fn disk(&self, name: &str, read: u64, written: u64) {
        self.put(
            &format!("sys/class/block/{name}/stat"),
            &format!("     309        0     {read}        4       33        0      {written}        0\n"),
        );
    }

    /// Adds to the number behind `key` at the beginning of a line.
    pub(crate) fn add(&self, file: &str, key: &str, by: i64) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        let mut found = 0;
        let line = |line: &str| {
            let rest = line.trim_start().strip_prefix(key).filter(|rest| rest.starts_with([' ', '=', ':']));
            let Some(rest) = rest else { return line.to_owned() };
            found += 1;
            let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
            line.replace(&digits, &digits.parse::<u64>().unwrap().checked_add_signed(by).unwrap().to_string())
        };
        let lines: Vec<_> = text.lines().map(line).collect();
        assert_eq!(found, 1, "{key} in {file}");
        fs::write(self.path(file), lines.join("\n") + "\n").unwrap();
    }

    /// Free memory of the zone DMA32 is now so many pages.
    pub(crate) fn free(&self, pages: u64) {
        let text = fs::read_to_string(self.path("proc/zoneinfo")).unwrap();
        let (before, zone) = text.split_once("Node 0, zone    DMA32").unwrap();
        let (head, rest) = zone.split_once("pages free").unwrap();
        let (_, rest) = rest.split_once('\n').unwrap();
        self.put(
            "proc/zoneinfo",
            &format!("{before}Node 0, zone    DMA32{head}pages free     {pages}\n{rest}"),
        );
    }

    /// Two seconds in which memory runs short: free memory falls below the low watermark, kswapd works, and a
    /// few tasks reclaim for themselves.
    pub(crate) fn runs_short(&self) {
        for (key, pages_or_times) in [
            ("pgalloc_dma32", 96_000),
            ("pgfree", 18_000),
            ("pgscan_kswapd", 41_000),
            ("pgsteal_kswapd", 33_000),
            ("pgscan_direct", 1_600),
            ("pgsteal_direct", 1_200),
            ("allocstall_dma32", 7),
            ("kswapd_low_wmark_hit_quickly", 5),
            ("kswapd_high_wmark_hit_quickly", 1),
            ("pageoutrun", 6),
            ("pswpout", 9_000),
            ("zswpin", 700),
            ("zswpout", 2_100),
            ("workingset_refault_file", 800),
            ("pgmajfault", 310),
        ] {
            self.add("proc/vmstat", key, pages_or_times);
        }
        for (key, kib) in [
            ("MemFree", -322_900),
            ("Active(anon)", 61_440),
            ("Inactive(anon)", 200_000),
            ("Inactive(file)", -9_000),
        ] {
            self.add("proc/meminfo", key, kib);
        }
        self.free(600);
        self.kswapd(35 + 64);
        self.disk("vda", 4400, 24_744 + 60_000);
        self.disk("zram0", 8232 + 5_600, 24_888 + 12_000);
        self.put("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=260000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=90000\n");
    }
}

/// The host at noon, and so much later.
pub(crate) fn sample(host: Host, later: Duration, daemon: Daemon) -> Sample {
    Sample { at: UNIX_EPOCH + NOON + later, clock: later, host, daemon }
}

pub(crate) fn silent() -> Daemon {
    let why = "No such file or directory (os error 2); is the daemon running? (`systemctl status lowtide`)";
    Daemon::Silent(Silence { socket: "/run/lowtide/lowtide.sock".into(), why: why.to_owned() })
}

pub(crate) fn answering(text: &str) -> Daemon {
    Daemon::Answers(Box::new(Status::parse(text).unwrap()))
}

/// What two looks say while memory runs short, with these answers of the daemon.
pub(crate) fn model(kernel: &str, daemon: [Daemon; 2]) -> Model {
    let tree = Tree::new(kernel);
    let [first, second] = daemon;
    let (mut kernel, mut past) = (tree.kernel(), Past::default());
    tree.put(
        "proc/pressure/memory",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    );
    past.take(sample(kernel.look().unwrap(), Duration::ZERO, first));
    tree.runs_short();
    past.take(sample(kernel.look().unwrap(), APART, second))
}

/// What the last of a row of looks at a host at rest says.
pub(crate) fn watched(daemon: &[Daemon]) -> Model {
    models(daemon).pop().unwrap()
}

/// What each look at a host at rest says, with these answers of the daemon.
pub(crate) fn models(daemon: &[Daemon]) -> Vec<Model> {
    let tree = Tree::new("7.3");
    let (mut kernel, mut past) = (tree.kernel(), Past::default());
    let looks = (0_u32..).zip(daemon);
    looks
        .map(|(look, answer)| past.take(sample(kernel.look().unwrap(), APART * look, answer.clone())))
        .collect()
}
