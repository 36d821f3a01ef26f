//! What is done to the host, in single calls, so that tests can put a model in its place.

use std::{path::Path, thread::sleep, time::Duration};

use lowtide_core::Bytes;
use lowtide_kernfs::{Errno, Files, Node, Result, Root, page_size, swap_off, swap_on};
use lowtide_tiers::{MARK, START, add_zram, remove_zram, swap_header};

/// The host. Kernel files are read through its root.
pub(crate) trait Kernel {
    /// Where the kernel's files are.
    fn root(&self) -> &Root;
    /// What a path leads to.
    fn node(&self, path: &Path) -> Result<Option<Node>>;
    /// Whether a block device belongs to somebody.
    fn is_claimed(&self, path: &Path) -> Result<bool>;
    /// The start of a device or file.
    fn start(&self, path: &Path) -> Result<Vec<u8>>;
    /// The last page of a device or file.
    fn end(&self, path: &Path) -> Result<Vec<u8>>;
    /// Writes a kernel file.
    fn write(&mut self, path: &Path, value: &str) -> Result<()>;
    /// Makes a zram device and returns its name.
    fn add_zram(&mut self) -> Result<String>;
    /// Resets and removes a zram device.
    fn remove_zram(&mut self, name: &str) -> Result<()>;
    /// Writes lowtide's mark into the first and the last page of a device.
    fn mark(&mut self, device: &Path) -> Result<()>;
    /// Writes a swap header on a device of so many bytes.
    fn format(&mut self, device: &Path, size: Bytes) -> Result<()>;
    /// Switches swap on.
    fn swap_on(&mut self, device: &Path, priority: Option<u16>) -> Result<()>;
    /// Switches swap off.
    fn swap_off(&mut self, device: &Path) -> Result<()>;
}

/// The kernel of a root directory.
#[derive(Debug)]
pub(crate) struct Real(pub Root);

/// What looks at every new or changed device (udev) has it open for a moment, and then it cannot be removed.
const ATTEMPTS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

impl Kernel for Real {
    fn root(&self) -> &Root {
        &self.0
    }

    fn node(&self, path: &Path) -> Result<Option<Node>> {
        self.0.node(path)
    }

    fn is_claimed(&self, path: &Path) -> Result<bool> {
        self.0.is_claimed(path)
    }

    fn start(&self, path: &Path) -> Result<Vec<u8>> {
        self.0.read_start(path, START.max(page_size()))
    }

    fn end(&self, path: &Path) -> Result<Vec<u8>> {
        self.0.read_last_page(path)
    }

    fn write(&mut self, path: &Path, value: &str) -> Result<()> {
        self.0.write(path, value)
    }

    fn add_zram(&mut self) -> Result<String> {
        add_zram(&self.0)
    }

    fn remove_zram(&mut self, name: &str) -> Result<()> {
        unless_busy(|| remove_zram(&self.0, name))
    }

    fn mark(&mut self, device: &Path) -> Result<()> {
        let mut page = vec![0; page_size()];
        page[..MARK.len()].copy_from_slice(MARK);
        unless_busy(|| self.0.write_start(device, &page))?;
        unless_busy(|| self.0.write_last_page(device, &page))
    }

    fn format(&mut self, device: &Path, size: Bytes) -> Result<()> {
        let header = swap_header(page_size(), size.get() / page_size() as u64);
        unless_busy(|| self.0.write_start(device, &header))
    }

    fn swap_on(&mut self, device: &Path, priority: Option<u16>) -> Result<()> {
        unless_busy(|| swap_on(&self.0, device, priority))
    }

    fn swap_off(&mut self, device: &Path) -> Result<()> {
        swap_off(&self.0, device)
    }
}

fn unless_busy(act: impl Fn() -> Result<()>) -> Result<()> {
    let mut result = act();
    for _ in 1..ATTEMPTS {
        if result.as_ref().err().and_then(lowtide_kernfs::Error::errno) != Some(Errno::EBUSY) {
            break;
        }
        sleep(PAUSE);
        result = act();
    }
    result
}
