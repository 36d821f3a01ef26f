//! Secrets of pods that the kernel may write to a disk.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use lowtide_core::LeftOut;
use lowtide_kernfs::{Files, parse::unescape};
use lowtide_tiers::{SwapDevice, SwapKind, swaps};

use super::Waste;
use crate::{
    finding::Evidence,
    sight::{MOUNTINFO, Mounted, Sight},
};

/// What kubelet calls the volumes that hold secrets: those of the name, and the tokens of service accounts.
const VOLUMES: [&str; 2] = ["/volumes/kubernetes.io~secret/", "/volumes/kubernetes.io~projected/"];

/// Devices on each other: a volume, on a RAID, on LUKS, on a partition are four.
const LEVELS: usize = 8;

/// Kubelet mounts a tmpfs for each volume of secrets, and tmpfs is swapped out unless it is mounted with
/// `noswap` (6.4 and later; `shmem_show_options`, mm/shmem.c, shows it). Newer kubelets do that where the
/// kernel can (kubernetes/kubernetes#124060), but a mount stays as it was made: swap cannot be taken from it
/// by a remount (`shmem_reconfigure`).
pub(super) fn secrets_in_swap(sight: &Sight) -> Option<Waste> {
    let (mut first, mut count) = (None, 0_u64);
    let take = |line: &[u8]| {
        if let Some(mounted) = Mounted::parse(line).filter(may_be_swapped) {
            count += 1;
            first.get_or_insert(mounted.point);
        }
    };
    sight.root.read_lines(MOUNTINFO, take).ok()?;
    let first = first?;
    let devices = swaps(&sight.root, &mut LeftOut::default()).ok()?;
    let disk = devices.iter().find(|device| writes_to_disk(sight, device))?.shown();
    Some(Waste {
        name: "secrets_in_swap",
        bytes: None,
        why: format!(
            "secrets of pods may be written to {disk} in clear: the kernel's own reclaim takes them from kubelet, which lowtide leaves alone, \
             and what lies in swap is still there when the pod is gone"
        ),
        remedy: "a kubelet that mounts them with noswap (that of 2024 and later, on Linux 6.4 and later), and pods that are started anew, since a \
                 remount does not change it; else swap on zram without a backing device, or on an encrypted one (dm-crypt)",
        evidence: vec![
            Sight::mounts_say(format!("{count} tmpfs of secrets without noswap, such as {first}")),
            Evidence::new("proc/swaps", disk),
        ],
    })
}

/// Whether it is a tmpfs of secrets that may be swapped out.
fn may_be_swapped(Mounted { kind, point, options, .. }: &Mounted) -> bool {
    let is_secret = point.contains("/pods/") && VOLUMES.iter().any(|volume| point.contains(volume));
    is_secret && kind == "tmpfs" && options.split(',').all(|option| option != "noswap")
}

/// Whether what is swapped to it may come to lie on a disk in clear: zram without a backing device is memory,
/// and dm-crypt is not clear.
fn writes_to_disk(sight: &Sight, device: &SwapDevice) -> bool {
    let path = match device.zram() {
        Some(name) => {
            let backing = sight.look(format!("sys/block/{name}/backing_dev"));
            let Some(path) = backing.text().filter(|path| *path != "none") else { return false };
            PathBuf::from(path)
        }
        None => device.path.clone(),
    };
    let directory = match device.kind {
        SwapKind::File => below(sight, &path),
        SwapKind::Partition => path.file_name().map(|name| block(&name.to_string_lossy())),
    };
    !directory.is_some_and(|directory| is_encrypted(sight, &directory, LEVELS))
}

fn block(name: &str) -> String {
    format!("sys/block/{name}")
}

/// The device of the file system that a file is on, by its number in the list of mounts. Of btrfs and others
/// that number names no device.
fn below(sight: &Sight, file: &Path) -> Option<String> {
    let mut nearest: Option<(usize, String)> = None;
    let take = |line: &[u8]| {
        let Some(Mounted { device, point, .. }) = Mounted::parse(line) else { return };
        let point = unescape(point.as_bytes());
        // Of two at the same place the later one is on top.
        let is_nearer = nearest.as_ref().is_none_or(|(length, _)| *length <= point.len());
        if file.starts_with(OsStr::from_bytes(&point)) && is_nearer {
            nearest = Some((point.len(), format!("sys/dev/block/{device}")));
        }
    };
    sight.root.read_lines(MOUNTINFO, take).ok()?;
    Some(nearest?.1)
}

/// Whether it is dm-crypt, or lies on nothing else, as a logical volume on LUKS does.
fn is_encrypted(sight: &Sight, directory: &str, levels: usize) -> bool {
    let mapped = sight.look(format!("{directory}/dm/uuid"));
    if mapped.text().is_some_and(|uuid| uuid.starts_with("CRYPT-")) {
        return true;
    }
    let slaves = sight.root.dir(format!("{directory}/slaves")).and_then(|slaves| slaves.entries());
    // In the kernel they are links; in a tree of captured files, directories.
    let below: Vec<_> = slaves.map(|slaves| [slaves.files, slaves.directories].concat()).unwrap_or_default();
    let is_encrypted = |name: &String| is_encrypted(sight, &block(name), levels - 1);
    levels > 0 && !below.is_empty() && below.iter().all(is_encrypted)
}
