//! Swap devices that work against each other, that are without a bound, or that are missing.

use lowtide_core::{Bytes, LeftOut, Ratio};
use lowtide_tiers::{SwapDevice, Zram, Zswap, swaps, zram_names};

use super::{MEMINFO, Waste, of, total};
use crate::{finding::Evidence, sight::Sight};

/// Files in memory that a host without swap can do with.
const SHARED: Ratio = Ratio::percent(10.0);

/// A page that zswap writes back to zram is decompressed and compressed anew, and was in DRAM both times.
pub(super) fn zswap_over_zram(sight: &Sight) -> Option<Waste> {
    let devices = devices(sight)?;
    let first = devices.iter().max_by_key(|device| device.priority)?;
    let enabled = Zswap::read(&sight.root).ok()??.enabled;
    let device = first.shown();
    (enabled && first.zram().is_some()).then(|| Waste {
        name: "zswap_over_zram",
        bytes: None,
        why: format!(
            "zswap stands in front of {device}: what it writes back is compressed twice and leaves no DRAM"
        ),
        remedy: "echo N > /sys/module/zswap/parameters/enabled, or give swap on a disk the higher priority",
        evidence: vec![sight.look("sys/module/zswap/parameters/enabled").evidence(), priority(first)],
    })
}

/// A disk that is filled before zram, or in turn with it: the kernel takes the device of the highest priority
/// until it is full, and of equal ones a piece each (`plist_requeue`, mm/swapfile.c, 6.1 to 7.3). Devices
/// without a priority descend by their order, and are all equal from 7.0 on. In front of zswap a disk is
/// right: its pages go to the disk when zswap is full.
pub(super) fn swap_priorities(sight: &Sight) -> Option<Waste> {
    let (zram, disks): (Vec<_>, Vec<_>) =
        devices(sight)?.into_iter().partition(|device| device.zram().is_some());
    let fastest = zram.iter().max_by_key(|device| device.priority)?;
    let disk = disks.iter().max_by_key(|device| device.priority)?;
    let in_turn = disk.priority == fastest.priority;
    let is_zswap_on = Zswap::read(&sight.root).ok()?.is_some_and(|zswap| zswap.enabled);
    let (zram, name) = (fastest.shown(), disk.shown());
    (in_turn || (disk.priority > fastest.priority && !is_zswap_on)).then(|| Waste {
        name: "swap_priorities",
        bytes: None,
        why: if in_turn {
            format!("{zram} and {name} are filled in turn: about half of what is touched again is read from {name} instead of decompressed, hot or cold")
        } else {
            format!("{name} is filled before {zram} is used at all: a page that is touched again is read from it instead of decompressed")
        },
        remedy: "give zram the higher priority: swapoff the one that holds less and swap it on again, `swapon -p 100` for zram or \
                 `swapon -p 10` for the disk; the same in /etc/fstab (pri=), or as `priority` in lowtide's `tiers`",
        evidence: vec![priority(fastest), priority(disk)],
    })
}

/// zram takes an incompressible page at its full size, so only mem_limit bounds it below its disksize
/// (mm_stat shows that as its fourth number, drivers/block/zram/zram_drv.c). Distributions give it up to the
/// size of memory without a limit, and that alone is not told; a backing device takes what does not compress.
pub(super) fn zram_without_limit(sight: &Sight) -> Option<Waste> {
    let read = |name: String| {
        let zram = Zram::read(&sight.root, &name).ok()??;
        let backed = sight.look(format!("sys/block/{name}/backing_dev"));
        let is_backed = backed.text().is_some_and(|device| device != "none");
        (zram.resident_limit.is_none() && !is_backed).then_some((name, zram))
    };
    let unbounded: Vec<_> = zram_names(&sight.root).ok()?.into_iter().filter_map(read).collect();
    let size: Bytes = unbounded.iter().map(|(_, zram)| zram.disk_size).sum();
    let total = total(sight)?;
    let evidence = |(name, zram): &(String, Zram)| {
        let Zram { disk_size, resident, .. } = zram;
        Evidence::new(
            format!("sys/block/{name}/mm_stat"),
            format!("mem_limit 0, disksize {disk_size}, takes {resident}"),
        )
    };
    (size > total).then(|| Waste {
        name: "zram_without_limit",
        bytes: None,
        why: format!(
            "a tenant whose memory does not compress can fill {} of {total} with it, and frees nothing by that: what is in zram cannot \
             be reclaimed again",
            size.min(total)
        ),
        remedy: "`tiers: { zram: { memory: 25% } }` of lowtide's configuration and `lowtide tiers apply`, or echo 2G > \
                 /sys/block/zram0/mem_limit; at the limit stores fail and pages stay where they are",
        evidence: unbounded.iter().map(evidence).collect(),
    })
}

/// Pages of tmpfs and of shared memory have no file to go back to: without swap they stay until somebody
/// removes them.
pub(super) fn tmpfs_without_swap(sight: &Sight) -> Option<Waste> {
    let look = sight.look(MEMINFO);
    let (shared, swap) = (of(&look, "Shmem")?, of(&look, "SwapTotal")?);
    (swap.is_zero() && shared >= total(sight)?.scale(SHARED)).then(|| Waste {
        name: "tmpfs_without_swap",
        bytes: Some(shared),
        why: "files in tmpfs and shared memory can only leave DRAM for swap, and there is none: they stay, however cold they are".to_owned(),
        remedy: "swap on zram or a disk (`lowtide tiers plan`). Shared memory of a database is meant to stay, and needs none; else find the files (`df -t tmpfs`, `ipcs -m`), remove them, and give the \
                 tmpfs a size (`mount -o remount,size=`)",
        evidence: vec![look.says(format!("Shmem {shared}, SwapTotal {swap}"))],
    })
}

fn devices(sight: &Sight) -> Option<Vec<SwapDevice>> {
    swaps(&sight.root, &mut LeftOut::default()).ok()
}

fn priority(device: &SwapDevice) -> Evidence {
    Evidence::new("proc/swaps", format!("{}, priority {}", device.shown(), device.priority))
}
