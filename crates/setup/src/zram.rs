//! The steps to the zram device. Pure.

use std::path::{Path, PathBuf};

use lowtide_core::Bytes;
use lowtide_kernfs::Node;
use lowtide_policy::ZramSetup;
use lowtide_tiers::{Content, ZramDevice};

use crate::{
    facts::{Facts, is_same_device},
    step::{Action, Step},
};

/// What is fixed once the device has a size.
const FIXED: &str = "fixed since the device was set up: `lowtide restore` first, then apply again";

/// hot_add, comp_algorithm, backing_dev, disksize, mem_limit, swap header, swapon: the first three fix
/// nothing and have to come before disksize, which sets the device up
/// (Documentation/admin-guide/blockdev/zram.rst).
pub(super) fn steps(setup: &ZramSetup, facts: &Facts) -> Vec<Step> {
    let size = in_pages(setup.size.of(facts.memory));
    let own = facts.own.as_ref().and_then(|(name, meant)| {
        let device = facts.zram.iter().find(|device| device.name == *name)?;
        Some((device, *meant))
    });
    // A share of memory that changed since: the device keeps the size that it was made with.
    let size = match (own, setup.size) {
        (Some((device, meant)), lowtide_policy::Amount::OfMemory(_))
            if device.set_up && device.size == meant =>
        {
            meant
        }
        _ => size,
    };
    let found = own
        .map(|(device, _)| device)
        .or_else(|| facts.zram.iter().find(|device| fits(device, setup, size, facts)));
    Device {
        setup,
        facts,
        found,
        name: found.map_or_else(|| next_name(facts), |device| device.name.clone()),
        size,
    }
    .steps()
}

/// Whole pages of any size that Linux has: disksize and mem_limit are rounded to pages by the kernel.
fn in_pages(size: Bytes) -> Bytes {
    const PAGE: u64 = 64 << 10;
    Bytes::new((size.get() / PAGE).max(1) * PAGE)
}

/// The lowest number that is free, which hot_add takes (`idr_alloc`, drivers/block/zram/zram_drv.c).
fn next_name(facts: &Facts) -> String {
    let is_free = |name: &String| facts.zram.iter().all(|device| device.name != *name);
    (0..=facts.zram.len()).map(|number| format!("zram{number}")).find(is_free).unwrap_or_default()
}

/// Whether a device that lowtide did not make is exactly what is asked for, and in use as swap. Any other is
/// not touched.
fn fits(device: &ZramDevice, setup: &ZramSetup, size: Bytes, facts: &Facts) -> bool {
    let active = facts.active(Path::new(&device.path()));
    device.set_up
        && device.size == size
        && setup.algorithm.as_deref().is_none_or(|algorithm| algorithm == device.algorithm)
        && device.limit == setup.memory.map(|limit| in_pages(limit.of(facts.memory)))
        && has_backing(device, setup.backing.as_deref(), facts)
        && active.is_some_and(|swap| swap.priority == i32::from(setup.priority))
}

fn has_backing(device: &ZramDevice, wanted: Option<&Path>, facts: &Facts) -> bool {
    let (Some(found), Some(wanted)) = (&device.backing, wanted) else {
        return device.backing.is_none() && wanted.is_none();
    };
    let node = |path: &Path| facts.disks.get(path).map(|disk| disk.node);
    Path::new(found) == wanted || is_same_device(facts.backing.get(found).copied(), node(wanted))
}

/// The device that is found, or will be made.
struct Device<'a> {
    setup: &'a ZramSetup,
    facts: &'a Facts,
    found: Option<&'a ZramDevice>,
    name: String,
    size: Bytes,
}

impl Device<'_> {
    fn steps(&self) -> Vec<Step> {
        let steps = [
            Some(self.add()),
            self.setup.algorithm.as_deref().map(|algorithm| self.algorithm(algorithm)),
            self.mark(),
            self.backing(),
            Some(self.disk_size()),
            self.limit(),
            Some(self.format()),
            Some(self.swap_on()),
        ];
        steps.into_iter().flatten().collect()
    }

    fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    fn is_set_up(&self) -> bool {
        self.found.is_some_and(|device| device.set_up)
    }

    /// Why nothing of a device can be changed that is set up.
    fn fixed(&self) -> Option<String> {
        self.is_set_up().then(|| FIXED.to_owned())
    }

    fn set(
        &self,
        file: &'static str,
        value: impl Into<String>,
        now: impl Into<String>,
        then: impl Into<String>,
    ) -> Step {
        Step::new(Action::SetZram { name: self.name.clone(), file, value: value.into() }, now, then)
    }

    fn add(&self) -> Step {
        let action = Action::AddZram { name: self.name.clone(), size: self.size };
        let missing = (!self.facts.zram_is_there).then(|| {
            "this kernel has no zram, or its module is not loaded: `modprobe zram num_devices=0`, and `zram` in \
             /etc/modules-load.d for the next boot"
                .to_owned()
        });
        let now = if self.found.is_some() { "there" } else { "not there" };
        Step::new(action, now, "there").already_if(self.found.is_some()).unless(missing)
    }

    fn algorithm(&self, wanted: &str) -> Step {
        // Any device tells what the kernel offers. Without one it is known as soon as there is one.
        let like = self.found.or_else(|| self.facts.zram.first());
        let offered = like.map(|device| device.algorithms.as_slice());
        let unknown = offered.filter(|offered| offered.iter().all(|name| name != wanted));
        let unknown = unknown.map(|offered| format!("this kernel offers {}", offered.join(", ")));
        let now = self.found.map_or("the kernel's own", |device| &device.algorithm);
        self.set("comp_algorithm", wanted, now, wanted)
            .already_if(now == wanted)
            .unless(unknown)
            .unless(self.fixed())
    }

    /// Before it is bound: at the next boot what is on the device is known by it.
    fn mark(&self) -> Option<Step> {
        let path = self.setup.backing.as_deref()?;
        let is_bound = self.found.is_some_and(|device| has_backing(device, Some(path), self.facts));
        let is_marked = self.facts.disks.get(path).is_some_and(|disk| disk.content == Content::Marked);
        let now = if is_bound || is_marked { "marked" } else { "blank" };
        let step = Step::new(Action::Mark { device: path.to_owned() }, now, "marked");
        Some(step.already_if(is_bound || is_marked).unless(self.fixed()).unless(self.cannot_back(path)))
    }

    fn backing(&self) -> Option<Step> {
        let found = self.found.and_then(|device| device.backing.as_deref());
        let wanted = self.setup.backing.as_deref();
        let is_so = self.found.is_some_and(|device| has_backing(device, wanted, self.facts));
        if wanted.is_none() && found.is_none() {
            return None;
        }
        let then = wanted.map_or_else(|| "none".to_owned(), |path| path.display().to_string());
        let step = self.set("backing_dev", then.clone(), found.unwrap_or("none"), then).already_if(is_so);
        let refused = match wanted {
            Some(path) => self.cannot_back(path),
            None => Some(
                "it has one, and none is asked for: `lowtide restore` first, then apply again".to_owned(),
            ),
        };
        Some(step.unless(self.fixed()).unless(refused))
    }

    fn cannot_back(&self, path: &Path) -> Option<String> {
        let like = self.found.or_else(|| self.facts.zram.first());
        if like.is_some_and(|device| !device.can_back) {
            return Some("this kernel's zram takes no backing device (CONFIG_ZRAM_WRITEBACK)".to_owned());
        }
        let Some(disk) = self.facts.disks.get(path) else {
            return Some("there is no such device".to_owned());
        };
        match (disk.node, disk.content) {
            (Node::File(_) | Node::Other, _) => Some("it is no block device".to_owned()),
            _ if disk.claimed => Some(
                "it is in use: mounted, swapped on, or part of RAID, LVM or another zram device".to_owned(),
            ),
            (_, Content::Swap) => {
                Some("it holds swap space: `wipefs -a` it if that is not needed".to_owned())
            }
            (_, Content::Other(content)) => {
                Some(format!("it holds {content}: `wipefs -a` it if that is not needed"))
            }
            (_, Content::Unknown) => Some(
                "its first MiB or its last page holds something that lowtide does not know. If that is not needed, make it \
                 blank: `blkdiscard -z` it"
                    .to_owned(),
            ),
            (_, Content::Blank | Content::Marked) => None,
        }
    }

    fn disk_size(&self) -> Step {
        let now = self.found.map_or(Bytes::ZERO, |device| device.size);
        self.set("disksize", self.size.get().to_string(), now.to_string(), self.size.to_string())
            .already_if(self.is_set_up() && now == self.size)
            .unless(self.fixed())
    }

    fn limit(&self) -> Option<Step> {
        let found = self.found.and_then(|device| device.limit);
        let wanted = self.setup.memory.map(|limit| in_pages(limit.of(self.facts.memory)));
        if found.is_none() && wanted.is_none() {
            return None;
        }
        let say =
            |limit: Option<Bytes>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
        let value = wanted.map_or(0, Bytes::get).to_string();
        let held = self.found.map_or(Bytes::ZERO, |device| device.resident);
        let too_low = wanted.filter(|wanted| *wanted < held).map(|_| {
            format!("it takes {held} already, and every store would fail: wait until it takes less, or ask for more")
        });
        let step = self.set("mem_limit", value, say(found), say(wanted)).already_if(found == wanted);
        Some(step.unless(too_low))
    }

    fn format(&self) -> Step {
        let disk = self.facts.disks.get(&self.path());
        let is_on = self.is_on();
        let is_swap = self.is_set_up() && disk.is_some_and(|disk| disk.content == Content::Swap);
        let claimed =
            disk.is_some_and(|disk| disk.claimed).then(|| "something else uses the device".to_owned());
        let now = if is_on || is_swap { "swap space" } else { "blank" };
        Step::new(Action::Format { device: self.path(), size: self.size }, now, "swap space")
            .already_if(is_on || is_swap)
            .unless(claimed)
    }

    fn is_on(&self) -> bool {
        self.found.is_some() && self.facts.active(&self.path()).is_some()
    }

    fn swap_on(&self) -> Step {
        let active = self.found.and_then(|_| self.facts.active(&self.path()));
        let now = active.map_or_else(|| "off".to_owned(), |swap| format!("on, priority {}", swap.priority));
        let is_so = active.is_some_and(|swap| swap.priority == i32::from(self.setup.priority));
        let other = active.map(|_| {
            "a priority is chosen when it is switched on: `lowtide restore` first, then apply again"
                .to_owned()
        });
        let action = Action::SwapOn { device: self.path(), priority: Some(self.setup.priority), own: true };
        Step::new(action, now, format!("on, priority {}", self.setup.priority))
            .already_if(is_so)
            .unless(other)
    }
}
