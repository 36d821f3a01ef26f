//! Secrets of pods that the kernel may write to a disk.

use std::path::Path;

use lowtide_core::LeftOut;
use lowtide_kernfs::Files;
use lowtide_tiers::{SwapDevice, swaps};

use super::Waste;
use crate::{finding::Evidence, sight::Sight};

const MOUNTINFO: &str = "proc/self/mountinfo";
/// What kubelet calls the volumes that hold secrets: those of the name, and the tokens of service accounts.
const VOLUMES: [&str; 2] = ["/volumes/kubernetes.io~secret/", "/volumes/kubernetes.io~projected/"];

/// Kubelet mounts a tmpfs for each volume of secrets, and tmpfs is swapped out unless it is mounted with `noswap` (6.4 and later;
/// `shmem_show_options`, mm/shmem.c, shows it). Newer kubelets do that where the kernel can (kubernetes/kubernetes#124060), but a mount
/// stays as it was made: swap cannot be taken from it by a remount (`shmem_reconfigure`).
pub(super) fn secrets_in_swap(sight: &Sight) -> Option<Waste> {
    let (mut first, mut count) = (None, 0_u64);
    let take = |line: &[u8]| {
        if let Some(point) = swappable(&String::from_utf8_lossy(line)) {
            count += 1;
            first.get_or_insert(point);
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

/// The mount point, if it is a tmpfs of secrets that may be swapped out.
fn swappable(line: &str) -> Option<String> {
    let (before, after) = line.split_once(" - ")?;
    let point = before.split(' ').nth(4)?;
    let mut after = after.split(' ');
    let (kind, options) = (after.next()?, after.nth(1)?);
    let is_secret = point.contains("/pods/") && VOLUMES.iter().any(|volume| point.contains(volume));
    let may_swap = kind == "tmpfs" && options.split(',').all(|option| option != "noswap");
    (is_secret && may_swap).then(|| point.to_owned())
}

/// Whether what is swapped to it may come to lie on a disk in clear: zram without a backing device is memory, and dm-crypt is not clear.
fn writes_to_disk(sight: &Sight, device: &SwapDevice) -> bool {
    if let Some(name) = device.zram() {
        let backing = sight.look(format!("sys/block/{name}/backing_dev"));
        return backing.text().is_some_and(|device| device != "none");
    }
    let name = Path::new(&device.path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mapped = sight.look(format!("sys/block/{name}/dm/uuid"));
    !mapped.text().is_some_and(|uuid| uuid.starts_with("CRYPT-"))
}
