//! What a plan is made from: the host as it is.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use lowtide_core::{Bytes, LeftOut};
use lowtide_journal::knobs::Knob;
use lowtide_kernfs::{Files, Node, Result, page_size, parse::keyed};
use lowtide_policy::HostTiers;
use lowtide_tiers::{
    Content, SwapDevice, ZramDevice, content, slow_nodes, swaps, zram_devices, zram_is_there,
};

use crate::{deeds::Deed, kernel::Kernel};

/// The host, as far as the configuration is about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// MemTotal.
    pub memory: Bytes,
    /// What is swapped on, and what its path leads to.
    pub swaps: Vec<(SwapDevice, Option<Node>)>,
    /// The module zram is there.
    pub zram_is_there: bool,
    /// By number.
    pub zram: Vec<ZramDevice>,
    /// Which of them lowtide made for the configuration, and the size that was meant for it.
    pub own: Option<(String, Bytes)>,
    /// What the paths in the devices' backing_dev lead to.
    pub backing: HashMap<String, Node>,
    /// The devices and files that the configuration names, and lowtide's own zram device.
    pub disks: HashMap<PathBuf, Disk>,
    /// What the kernel files hold that the configuration is about; `None` where there is no such file.
    pub settings: Vec<(Knob, Option<String>)>,
    /// There is memory that demotion can go to.
    pub has_slow_memory: bool,
}

/// A device or file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disk {
    pub node: Node,
    /// It belongs to somebody. Never known of a file.
    pub claimed: bool,
    pub content: Content,
}

impl Facts {
    /// Reads them; writes nothing.
    pub(crate) fn read(kernel: &impl Kernel, wanted: &HostTiers, deeds: &[Deed]) -> Result<Self> {
        let root = kernel.root();
        let zram = zram_devices(root)?;
        let own = deeds.iter().find_map(|deed| own(deed, &zram));
        let paths = wanted.zram.iter().filter_map(|zram| zram.backing.clone());
        let paths = paths.chain(wanted.swap.iter().map(|swap| swap.device.clone()));
        let paths = paths.chain(own.iter().map(|(name, _)| Path::new("/dev").join(name)));
        let mut disks = HashMap::new();
        for path in paths {
            if let Some(disk) = Disk::read(kernel, &path)? {
                disks.insert(path, disk);
            }
        }
        let mut backing = HashMap::new();
        for path in zram.iter().filter_map(|device| device.backing.clone()) {
            if let Some(node) = kernel.node(Path::new(&path))? {
                backing.insert(path, node);
            }
        }
        let mut active = Vec::new();
        for swap in swaps(root, &mut LeftOut::default())? {
            // What has the name of a removed file now is another one.
            let node = if swap.deleted { None } else { kernel.node(&swap.path)? };
            active.push((swap, node));
        }
        let mut settings = Vec::new();
        for knob in crate::wanted(wanted) {
            let found = root.read_optional(&knob.path)?.map(|text| text.trim().to_owned());
            settings.push((knob, found));
        }
        Ok(Self {
            memory: memory(kernel)?,
            swaps: active,
            zram_is_there: zram_is_there(root)?,
            zram,
            own,
            backing,
            disks,
            settings,
            has_slow_memory: !slow_nodes(root, &mut LeftOut::default())?.is_empty(),
        })
    }

    /// What is swapped on at `path`, by whatever name.
    pub(crate) fn active(&self, path: &Path) -> Option<&SwapDevice> {
        let node = self.disks.get(path).map(|disk| disk.node);
        let same = |(swap, at): &&(SwapDevice, Option<Node>)| swap.is_at(path) || is_same_device(*at, node);
        self.swaps.iter().find(same).map(|(swap, _)| swap)
    }
}

/// Whether two paths lead to the same block device, or the same file.
pub(crate) fn is_same_device(one: Option<Node>, other: Option<Node>) -> bool {
    one == other && matches!(one, Some(Node::Block(_) | Node::File(_)))
}

/// The device that a deed made, if it is still that one.
pub(crate) fn own(deed: &Deed, devices: &[ZramDevice]) -> Option<(String, Bytes)> {
    let Deed::Zram { name, sequence, size } = deed else { return None };
    let is_it = |device: &&ZramDevice| device.name == *name && Some(device.sequence) == *sequence;
    devices.iter().find(is_it).map(|device| (device.name.clone(), *size))
}

fn memory(kernel: &impl Kernel) -> Result<Bytes> {
    let total = kernel.root().parse("proc/meminfo", |text| {
        keyed(text).find(|line| line.key == "MemTotal").map(|line| line.kib()).transpose()
    })?;
    Ok(total.unwrap_or_default())
}

impl Disk {
    fn read(kernel: &impl Kernel, path: &Path) -> Result<Option<Self>> {
        let Some(node) = kernel.node(path)? else { return Ok(None) };
        let is_block = matches!(node, Node::Block(_));
        let claimed = is_block && kernel.is_claimed(path)?;
        // What belongs to somebody is not looked into.
        let looked_into = !claimed && node != Node::Other;
        let content = if looked_into {
            content(&kernel.start(path)?, &kernel.end(path)?, page_size())
        } else {
            Content::Unknown
        };
        Ok(Some(Self { node, claimed, content }))
    }
}
