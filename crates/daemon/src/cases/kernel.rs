use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex},
};

use lowtide_kernfs::{Errno, Kernel};

const CGROUPS: &str = "sys/fs/cgroup";
const PAGE: u64 = 4096;

/// Carries out what is written to a tree: memory.reclaim takes inactive memory, and what is anonymous goes to
/// the one zram device.
#[derive(Debug)]
pub(super) struct FakeKernel {
    root: PathBuf,
    state: Mutex<State>,
    /// Told when writes may go on.
    released: Condvar,
}

#[derive(Debug, Default)]
struct State {
    writes: Vec<(String, String)>,
    refused: HashMap<String, Errno>,
    vanishing: HashSet<String>,
    held: bool,
    waiting: usize,
}

impl FakeKernel {
    pub(super) fn of(root: &Path) -> Self {
        Self { root: root.into(), state: Mutex::default(), released: Condvar::new() }
    }

    /// What was written since the last call, with paths below the root.
    pub(super) fn take_writes(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.state.lock().unwrap().writes)
    }

    pub(super) fn refuse(&self, path: &str, errno: i32) {
        self.state.lock().unwrap().refused.insert(path.to_owned(), Errno::from_raw(errno));
    }

    pub(super) fn vanish(&self, cgroup: &str) {
        self.state.lock().unwrap().vanishing.insert(cgroup.to_owned());
    }

    pub(super) fn hold(&self, held: bool) {
        self.state.lock().unwrap().held = held;
        self.released.notify_all();
    }

    /// Writes that do not return.
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().unwrap().waiting
    }

    /// Adds to a value of a cgroup's memory.stat.
    pub(super) fn add(&self, cgroup: &str, key: &str, delta: i64) {
        let file = self.file(cgroup, "memory.stat");
        let text = fs::read_to_string(&file).unwrap();
        let line = |line: &str| match line.split_once(' ') {
            Some((name, value)) if name == key => format!("{name} {}\n", plus(value, delta)),
            _ => format!("{line}\n"),
        };
        fs::write(file, text.lines().map(line).collect::<String>()).unwrap();
    }

    fn file(&self, cgroup: &str, file: &str) -> PathBuf {
        self.root.join(CGROUPS).join(cgroup.trim_start_matches('/')).join(file)
    }

    fn stat(&self, cgroup: &str, key: &str) -> u64 {
        let text = fs::read_to_string(self.file(cgroup, "memory.stat")).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).unwrap();
        value.trim().parse().unwrap()
    }

    /// What is charged to a cgroup. The root has no such files: what it has in swap is in /proc/meminfo.
    fn charge(&self, cgroup: &str, dram: i64, swap: i64) {
        if !cgroup.is_empty() {
            self.change(cgroup, "memory.current", dram);
            if swap != 0 {
                self.change(cgroup, "memory.swap.current", swap);
            }
            return;
        }
        let file = self.root.join("proc/meminfo");
        let text = fs::read_to_string(&file).unwrap();
        let line = |line: &str| match line.strip_prefix("SwapFree:").and_then(|rest| rest.strip_suffix("kB"))
        {
            Some(free) => format!("SwapFree: {} kB\n", plus(free, -swap / 1024)),
            None => format!("{line}\n"),
        };
        fs::write(file, text.lines().map(line).collect::<String>()).unwrap();
    }

    fn change(&self, cgroup: &str, file: &str, delta: i64) {
        let text = fs::read_to_string(self.file(cgroup, file)).unwrap();
        fs::write(self.file(cgroup, file), format!("{}\n", plus(&text, delta))).unwrap();
    }

    /// Out of DRAM.
    fn move_anonymous(&self, cgroup: &str, bytes: i64) {
        self.add(cgroup, "anon", -bytes);
        self.add(cgroup, "inactive_anon", -bytes);
        self.charge(cgroup, -bytes, bytes);
        let swaps = self.root.join("proc/swaps");
        let text = fs::read_to_string(&swaps).unwrap();
        let line = |line: &str| {
            let mut columns: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            if columns[0] == "/dev/zram0" {
                columns[3] = plus(&columns[3], bytes / 1024);
            }
            columns.join("\t") + "\n"
        };
        fs::write(&swaps, text.lines().map(line).collect::<String>()).unwrap();
        let mm_stat = self.root.join("sys/block/zram0/mm_stat");
        let text = fs::read_to_string(&mm_stat).unwrap();
        let mut columns: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        // Compresses to a third.
        for (column, part) in [(0, 1), (1, 3), (2, 3)] {
            columns[column] = plus(&columns[column], bytes / part);
        }
        fs::write(&mm_stat, columns.join(" ") + "\n").unwrap();
    }

    /// Free slots of the zram device.
    fn swap_free(&self) -> u64 {
        let text = fs::read_to_string(self.root.join("proc/swaps")).unwrap();
        let line = text.lines().find(|line| line.starts_with("/dev/zram0"));
        let Some(line) = line else { return 0 };
        let columns: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        (columns[0] - columns[1]) * 1024
    }

    fn reclaim(&self, cgroup: &str, text: &str) -> Result<(), Errno> {
        let (wanted, swappiness) = text.split_once(" swappiness=").unwrap_or((text, "60"));
        let (wanted, swappiness) = (wanted.parse::<u64>().unwrap(), swappiness.parse::<u64>().unwrap());
        let of_file = if swappiness == 200 { 0 } else { self.stat(cgroup, "inactive_file").min(wanted) };
        let anonymous = self.stat(cgroup, "inactive_anon").min(self.swap_free());
        let of_anonymous = if swappiness == 0 { 0 } else { anonymous.min(wanted - of_file) } / PAGE * PAGE;
        let signed = |bytes: u64| i64::try_from(bytes).unwrap();
        for key in ["file", "inactive_file"] {
            self.add(cgroup, key, -signed(of_file));
        }
        self.charge(cgroup, -signed(of_file), 0);
        self.move_anonymous(cgroup, signed(of_anonymous));
        if of_file + of_anonymous < wanted { Err(Errno::EAGAIN) } else { Ok(()) }
    }

    /// Waits while writes are held.
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        let mut state = self.released.wait_while(state, |state| state.held).unwrap();
        state.waiting -= 1;
    }
}

impl Kernel for FakeKernel {
    fn written(&self, path: &Path, text: &[u8]) -> Option<Result<(), Errno>> {
        let path = path.strip_prefix(&self.root).unwrap().to_str().unwrap().to_owned();
        let text = std::str::from_utf8(text).unwrap().to_owned();
        if path.ends_with("memory.pressure") {
            // A file in a tree cannot be waited for.
            return Some(Err(Errno::EOPNOTSUPP));
        }
        let cgroup = path.strip_prefix(CGROUPS).and_then(|below| below.strip_suffix("/memory.reclaim"));
        let (refused, vanishes) = {
            let mut state = self.state.lock().unwrap();
            state.writes.push((path.clone(), text.clone()));
            (state.refused.get(&path).copied(), cgroup.is_some_and(|cgroup| state.vanishing.remove(cgroup)))
        };
        if let Some(errno) = refused {
            return Some(Err(errno));
        }
        let cgroup = cgroup?;
        if vanishes {
            fs::remove_dir_all(self.file(cgroup, "")).unwrap();
            return Some(Err(Errno::ENODEV));
        }
        self.pass();
        Some(self.reclaim(cgroup, &text))
    }
}

fn plus(text: &str, delta: i64) -> String {
    (text.trim().parse::<i64>().unwrap() + delta).max(0).to_string()
}
