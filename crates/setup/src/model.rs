//! A model of the host's tiers: kernel files in a directory, devices and swap in memory. For tests.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use lowtide_core::Bytes;
use lowtide_kernfs::{DeviceNumber, Errno, Error, Node, Operation, Result, Root, page_size};
use lowtide_tiers::{Content, MARK, START, content, swap_header};
use tempfile::TempDir;

use crate::kernel::Kernel;

pub(super) const ZSWAP: &str = "sys/module/zswap/parameters/enabled";
pub(super) const DEMOTION: &str = "sys/kernel/mm/numa/demotion_enabled";

/// What the model panics with when its fuse has burnt down.
pub(super) struct Killed;

/// A zram device, or a disk.
#[derive(Debug, Clone, Default, PartialEq)]
struct Device {
    start: Vec<u8>,
    /// Swapped on: priority, and slots that are used.
    swap: Option<(i32, Bytes)>,
    /// Mounted, or a backing device.
    claimed: bool,
}

pub(super) struct Model {
    tree: TempDir,
    root: Root,
    devices: BTreeMap<PathBuf, Device>,
    sequence: u64,
    /// Slots that count as used on a device that was swapped to, until something is swapped off.
    pub cached: Bytes,
    /// A file that takes what is written and keeps what it has.
    pub stubborn: Option<&'static str>,
    /// swapon fails.
    pub refuses_swap: bool,
    /// What the kernel offers.
    pub algorithms: &'static str,
    /// So many more calls until the process is killed; half a call counts as one.
    pub fuse: Cell<Option<usize>>,
    /// Calls that changed something.
    pub calls: usize,
}

impl Model {
    /// A host with a foreign zram0 that nobody has set up, blank `/dev/vda`, and swap space on `/dev/vdb`.
    pub(super) fn new() -> Self {
        let tree = tempfile::tempdir().unwrap();
        let root = Root::open(tree.path()).unwrap();
        let mut model = Self {
            tree,
            root,
            devices: BTreeMap::new(),
            sequence: 10,
            cached: Bytes::ZERO,
            stubborn: None,
            refuses_swap: false,
            algorithms: "lzo [lzo-rle] lz4 zstd",
            fuse: Cell::new(None),
            calls: 0,
        };
        for (file, text) in [
            ("proc/sys/kernel/random/boot_id", "boot\n"),
            ("proc/meminfo", "MemTotal: 1048576 kB\n"),
            ("sys/devices/system/cpu/online", "0-1\n"),
            ("sys/class/zram-control/hot_add", ""),
            (ZSWAP, "N\n"),
            (DEMOTION, "false\n"),
        ] {
            model.put(file, text);
        }
        model.appear("zram0");
        model.devices.insert("/dev/vda".into(), Device { start: vec![0; START], ..Device::default() });
        let swap = Device { start: swap_header(page_size(), 100), ..Device::default() };
        model.devices.insert("/dev/vdb".into(), swap);
        model.show_swaps();
        model
    }

    pub(super) fn put(&self, file: &str, text: &str) {
        let path = self.tree.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn get(&self, file: impl AsRef<Path>) -> String {
        fs::read_to_string(self.tree.path().join(file)).unwrap().trim().to_owned()
    }

    /// Everything that can be seen of the host, without what counts up.
    pub(super) fn seen(&self) -> BTreeMap<String, String> {
        let mut seen: BTreeMap<_, _> =
            [ZSWAP, DEMOTION, "proc/swaps"].map(|file| (file.to_owned(), self.get(file))).into();
        for (path, device) in &self.devices {
            // The mark stays: what is behind it is worth as little as before.
            let content = match content(&device.start, &[], page_size()) {
                Content::Marked => Content::Blank,
                other => other,
            };
            seen.insert(
                path.display().to_string(),
                format!("{content:?} {:?} {}", device.swap, device.claimed),
            );
            if let Some(name) = zram(path) {
                for file in ["disksize", "comp_algorithm", "backing_dev", "mm_stat"] {
                    seen.insert(format!("{name}/{file}"), self.get(format!("sys/block/{name}/{file}")));
                }
            }
        }
        seen
    }

    /// So much is swapped out to a device.
    pub(super) fn swap_out(&mut self, device: &str, used: Bytes) {
        let device = self.devices.get_mut(Path::new(device)).unwrap();
        device.swap = device.swap.map(|(priority, _)| (priority, used));
        self.show_swaps();
    }

    pub(super) fn claim(&mut self, device: &str) {
        self.devices.get_mut(Path::new(device)).unwrap().claimed = true;
    }

    pub(super) fn fill(&mut self, device: &str, start: Vec<u8>) {
        self.devices.get_mut(Path::new(device)).unwrap().start = start;
    }

    /// Somebody else swaps on a device that they set up.
    pub(super) fn foreign_swap(&mut self, name: &str, size: Bytes, priority: i32) {
        self.put(&format!("sys/block/{name}/initstate"), "1\n");
        self.put(&format!("sys/block/{name}/disksize"), &format!("{}\n", size.get()));
        let device = self.devices.get_mut(&Path::new("/dev").join(name)).unwrap();
        device.swap = Some((priority, Bytes::ZERO));
        self.show_swaps();
    }

    /// A reboot: devices are as at the first boot, settings too; what was written to a disk is still there.
    pub(super) fn reboot(&mut self) {
        let mut fresh = Self::new();
        for (path, device) in &mut fresh.devices {
            if let Some(before) = self.devices.get(path).filter(|_| zram(path).is_none()) {
                device.start.clone_from(&before.start);
            }
        }
        let boots = self.sequence;
        *self = fresh;
        self.put("proc/sys/kernel/random/boot_id", &format!("boot after {boots}\n"));
    }

    fn appear(&mut self, name: &str) {
        self.sequence += 1;
        for (file, text) in [
            ("initstate", "0\n".to_owned()),
            ("diskseq", format!("{}\n", self.sequence)),
            ("disksize", "0\n".to_owned()),
            ("comp_algorithm", format!("{}\n", self.algorithms)),
            ("backing_dev", "none\n".to_owned()),
            ("mm_stat", "0 0 0 0 0 0 0 0 0\n".to_owned()),
        ] {
            self.put(&format!("sys/block/{name}/{file}"), &text);
        }
        self.devices
            .insert(Path::new("/dev").join(name), Device { start: vec![0; START], ..Device::default() });
    }

    fn show_swaps(&self) {
        let mut text = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".to_owned();
        for (path, device) in &self.devices {
            let Some((priority, used)) = device.swap else { continue };
            let used = used.get() + if priority >= 0 { self.cached.get() } else { 0 };
            writeln!(text, "{} partition 1000 {} {priority}", path.display(), used >> 10).unwrap();
        }
        self.put("proc/swaps", &text);
    }

    /// One half of a call; the process may be killed here.
    fn burn(&self) {
        if let Some(left) = self.fuse.get() {
            if left == 0 {
                std::panic::resume_unwind(Box::new(Killed));
            }
            self.fuse.set(Some(left - 1));
        }
    }

    fn call<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.burn();
        self.calls += 1;
        let result = act(self);
        self.burn();
        result
    }

    fn device(&mut self, path: &Path) -> Result<&mut Device> {
        self.devices.get_mut(path).ok_or_else(|| error(Operation::Open, path, Errno::ENOENT))
    }

    fn write_zram(&mut self, name: &str, file: &str, value: &str) -> Result<()> {
        let at = |file: &str| format!("sys/block/{name}/{file}");
        let path = Path::new("/sys/block").join(name).join(file);
        let is_set_up = self.get(at("initstate")) == "1";
        if is_set_up && file != "mem_limit" {
            return Err(error(Operation::Write, &path, Errno::EBUSY));
        }
        match file {
            "comp_algorithm" => {
                let bare = self.algorithms.replace(['[', ']'], "");
                let words =
                    bare.split(' ').map(|word| if word == value { format!("[{word}]") } else { word.into() });
                self.put(&at(file), &words.collect::<Vec<_>>().join(" "));
            }
            "backing_dev" => {
                self.device(Path::new(value))?.claimed = true;
                self.put(&at(file), value);
            }
            "disksize" => {
                self.put(&at(file), value);
                self.put(&at("initstate"), "1");
            }
            "mem_limit" if is_set_up => self.put(&at("mm_stat"), &format!("0 0 0 {value} 0 0 0 0 0")),
            _ => return Err(error(Operation::Write, &path, Errno::EINVAL)),
        }
        Ok(())
    }
}

fn error(operation: Operation, path: &Path, errno: Errno) -> Error {
    Error::System { operation, path: path.into(), errno }
}

fn zram(path: &Path) -> Option<&str> {
    path.file_name()?.to_str().filter(|name| name.starts_with("zram"))
}

impl Kernel for Model {
    fn root(&self) -> &Root {
        &self.root
    }

    fn node(&self, path: &Path) -> Result<Option<Node>> {
        let minor = self.devices.keys().position(|known| known == path);
        Ok(minor.map(|minor| Node::Block(DeviceNumber { major: 1, minor: minor as u64 })))
    }

    fn is_claimed(&self, path: &Path) -> Result<bool> {
        Ok(self.devices.get(path).is_some_and(|device| device.claimed || device.swap.is_some()))
    }

    fn end(&self, _: &Path) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn start(&self, path: &Path) -> Result<Vec<u8>> {
        Ok(self.devices.get(path).map(|device| device.start.clone()).unwrap_or_default())
    }

    fn write(&mut self, path: &Path, value: &str) -> Result<()> {
        self.call(|model| {
            let text = path.to_str().unwrap();
            match text.strip_prefix("sys/block/").and_then(|rest| rest.split_once('/')) {
                Some((name, file)) => model.write_zram(name, file, value)?,
                None if model.stubborn == Some(text) => {}
                None if text == DEMOTION => model.put(text, if value == "1" { "true" } else { "false" }),
                None => model.put(text, value),
            }
            Ok(())
        })
    }

    fn add_zram(&mut self) -> Result<String> {
        self.call(|model| {
            let is_free = |name: &String| !model.devices.contains_key(&Path::new("/dev").join(name));
            let name = (0..100).map(|number| format!("zram{number}")).find(is_free).unwrap();
            model.appear(&name);
            Ok(name)
        })
    }

    fn remove_zram(&mut self, name: &str) -> Result<()> {
        self.call(|model| {
            let path = Path::new("/dev").join(name);
            let device = model.device(&path)?;
            if device.swap.is_some() || device.claimed {
                return Err(error(Operation::Write, &path, Errno::EBUSY));
            }
            model.devices.remove(&path);
            let backing = model.get(format!("sys/block/{name}/backing_dev"));
            if let Some(backing) = model.devices.get_mut(Path::new(&backing)) {
                backing.claimed = false;
            }
            fs::remove_dir_all(model.tree.path().join("sys/block").join(name)).unwrap();
            Ok(())
        })
    }

    fn mark(&mut self, path: &Path) -> Result<()> {
        self.call(|model| {
            let device = model.device(path)?;
            assert!(
                content(&device.start, &[], page_size()) == Content::Blank && !device.claimed,
                "{path:?} is marked"
            );
            device.start[..MARK.len()].copy_from_slice(MARK);
            Ok(())
        })
    }

    fn format(&mut self, path: &Path, size: Bytes) -> Result<()> {
        self.call(|model| {
            let device = model.device(path)?;
            assert!(
                zram(path).is_some() && device.swap.is_none() && !device.claimed,
                "{path:?} is formatted"
            );
            device.start = swap_header(page_size(), size.get() / page_size() as u64);
            Ok(())
        })
    }

    fn swap_on(&mut self, path: &Path, priority: Option<u16>) -> Result<()> {
        self.call(|model| {
            let refuses = model.refuses_swap;
            let device = model.device(path)?;
            if device.swap.is_some() || device.claimed || refuses {
                return Err(error(Operation::SwapOn, path, Errno::EBUSY));
            }
            device.swap = Some((priority.map_or(-2, i32::from), Bytes::ZERO));
            model.show_swaps();
            Ok(())
        })
    }

    fn swap_off(&mut self, path: &Path) -> Result<()> {
        self.call(|model| {
            let device = model.device(path)?;
            let (_, used) = device.swap.take().expect("it is swapped on");
            assert!(used.is_zero(), "swapoff of {path:?} with {used} in it");
            model.cached = Bytes::ZERO;
            model.show_swaps();
            Ok(())
        })
    }
}
