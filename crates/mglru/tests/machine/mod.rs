//! What the tests do in a machine of the lab: cgroups, processes, swap.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use lowtide_core::{Bytes, CgroupId};
use lowtide_kernfs::Root;
use lowtide_mglru::{LruGen, Memcg, Place, Reading, Target, Walk, identify};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
const MOUNT: &str = "/sys/fs/cgroup";

/// The host, with MGLRU on and without huge pages.
pub(crate) fn lru_gen() -> LruGen {
    assert!(fs::exists("/run/lab").unwrap(), "only in a machine of the lab");
    fs::write("/sys/kernel/mm/lru_gen/enabled", "y").unwrap();
    fs::write("/sys/kernel/mm/transparent_hugepage/enabled", "never").unwrap();
    fs::write(format!("{MOUNT}/cgroup.subtree_control"), "+memory").unwrap();
    LruGen::new(host())
}

pub(crate) fn host() -> Root {
    Root::open("/").unwrap()
}

pub(crate) fn run(line: &str) {
    assert!(Command::new("sh").args(["-c", line]).status().unwrap().success(), "{line}");
}

pub(crate) fn sleep(seconds: f64) {
    std::thread::sleep(Duration::from_secs_f64(seconds));
}

/// Swap in compressed RAM, from the first call on.
pub(crate) fn swap_on() {
    if fs::read_to_string("/proc/swaps").unwrap().lines().count() < 2 {
        run("lab-guest zram-swap 256M lz4");
    }
}

pub(crate) fn swap_off() {
    if fs::read_to_string("/proc/swaps").unwrap().lines().count() > 1 {
        run("swapoff /dev/zram0 && echo 1 > /sys/block/zram0/reset");
    }
}

/// A cgroup that is removed at the end of the test.
pub(crate) struct Cgroup {
    pub(crate) name: String,
    children: Vec<Child>,
}

impl Cgroup {
    pub(crate) fn new(name: &str) -> Self {
        fs::create_dir(Path::new(MOUNT).join(name)).unwrap();
        Self { name: name.to_owned(), children: Vec::new() }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        Path::new(MOUNT).join(&self.name)
    }

    pub(crate) fn place(&self) -> Place {
        let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(self.dir()).unwrap());
        (format!("/{}", self.name).into(), CgroupId(inode))
    }

    pub(crate) fn write(&self, file: &str, text: &str) -> std::io::Result<()> {
        fs::write(self.dir().join(file), text)
    }

    /// A figure of memory.stat.
    pub(crate) fn stat(&self, key: &str) -> u64 {
        let text = fs::read_to_string(self.dir().join("memory.stat")).unwrap();
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(name, _)| *name == key).unwrap().1.parse().unwrap()
    }

    /// Starts the lab's tenant in it and waits until it has filled its memory.
    pub(crate) fn tenant(&mut self, arguments: &str) {
        let report = format!("/run/{}.jsonl", self.name);
        let _ = fs::remove_file(&report);
        let mut command = Command::new("lowtide-tenant");
        command.arg("--cgroup").arg(self.dir()).args(["--report", &report, "--interval", "1h"]);
        let child = command.args(arguments.split_whitespace()).stdin(Stdio::null()).spawn().unwrap();
        self.children.push(child);
        while fs::metadata(&report).map_or(0, |report| report.len()) == 0 {
            sleep(0.1);
        }
    }

    /// Has the tenant touch all of its memory.
    pub(crate) fn touch_all(&self) {
        run(&format!("kill -USR1 {}", self.children[0].id()));
        sleep(1.0);
    }

    /// Moves this process into it.
    pub(crate) fn enter(&self) {
        self.write("cgroup.procs", "0").unwrap();
    }

    /// Fills a file in memory that outlives its process and this cgroup.
    pub(crate) fn leave(&self, file: &str, mib: u64) {
        let dir = self.dir();
        run(&format!(
            "echo 0 > '{}/cgroup.procs' && dd if=/dev/zero of=/dev/shm/{file} bs=1024k count={mib} 2>/dev/null",
            dir.display()
        ));
    }

    pub(crate) fn remove(&mut self) {
        for child in &mut self.children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.children.clear();
        // A killed process leaves its cgroup a moment after it was waited for.
        for _ in 0..50 {
            match fs::remove_dir(self.dir()) {
                Ok(()) => return,
                Err(_) if !self.dir().exists() => return,
                Err(_) => sleep(0.1),
            }
        }
        panic!("{} stays busy", self.name);
    }

    /// Its memcgs in a reading, its own first.
    pub(crate) fn of<'a>(&self, reading: &'a Reading) -> Option<&'a [Memcg]> {
        let place = [self.place()];
        identify(&reading.memcgs, &place, &place).remove(&place[0].1)
    }

    /// The walk of node 0 that is due.
    pub(crate) fn due(&self, lru_gen: &LruGen) -> Target {
        self.of(&lru_gen.read().unwrap()).unwrap()[0].walks().next().unwrap()
    }

    /// Walks node 0 and reads again.
    pub(crate) fn age(&self, lru_gen: &LruGen) -> (Walk, Memcg) {
        let walk = lru_gen.age(self.due(lru_gen)).unwrap();
        let reading = lru_gen.read().unwrap();
        let memcg = self.of(&reading).unwrap()[0].clone();
        walk.confirm(Some(&memcg.nodes[0]), reading.at).unwrap();
        (walk, memcg)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if self.dir().exists() && !std::thread::panicking() {
            self.remove();
        }
    }
}

/// As `uname -r` begins.
pub(crate) fn release() -> (u32, u32) {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = text.split('.').map(|part| part.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Whether it is as much as `expected`, but for the tenant's own code and stack, and for what newer kernels
/// miss.
pub(crate) fn near(found: Bytes, expected: Bytes, missed: Bytes) -> bool {
    let missed = if release() > (6, 12) { missed } else { Bytes::ZERO };
    let off = Bytes::new(found.get().abs_diff(expected.get()));
    off <= Bytes::new(expected.get() / 100) + Bytes::kib(768) + missed
}

/// Shared, so that a thread may read too.
pub(crate) fn names(prefix: &str, count: usize) -> Arc<[String]> {
    (0..count).map(|index| format!("{prefix}-{index}")).collect()
}
