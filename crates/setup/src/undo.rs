//! Undoing what was set up, the last first. What holds pages is kept: swapoff would bring them all into DRAM.

use std::path::{Path, PathBuf};

use lowtide_core::{Bytes, LeftOut};
use lowtide_journal::{knobs, restorable};
use lowtide_kernfs::{Files, page_size, parse::list, shown};
use lowtide_tiers::{SwapDevice, ZramDevice, swaps};

use crate::{
    SetupError,
    deeds::{Deed, Deeds},
    facts::is_same_device,
    hot_add::{add_zram, free_name},
    kernel::Kernel,
};

/// What became of a deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// It is as it was before.
    Undone,
    /// It was as before already, or is gone.
    Nothing,
    /// Somebody else changed it since: left as it is, and forgotten.
    NotOurs(String),
    /// Pages live there: left as it is, and still recorded.
    Kept(Bytes),
    /// The kernel refused: left as it is, and still recorded.
    Refused(String),
}

impl Undone {
    /// Nothing more is to be done about it.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !matches!(self, Self::Kept(_) | Self::Refused(_))
    }
}

/// Undoes everything that can be undone. One result for each deed.
pub(crate) fn undo(kernel: &mut impl Kernel, deeds: &mut Deeds) -> Result<Vec<(Deed, Undone)>, SetupError> {
    let mut results: Vec<(Deed, Undone)> = Vec::new();
    let mut not_recorded = None;
    // Undoing one can leave another: the device that empties caches, if it cannot be removed at once.
    while let Some(deed) = last_not_in(deeds, &results) {
        let undone = undo_one(kernel, deeds, &deed)?;
        if undone.is_settled()
            && let Err(error) = deeds.forget(&deed)
        {
            // A disk that is full or read-only keeps nothing from being undone.
            not_recorded.get_or_insert(error);
        }
        results.push((deed, undone));
    }
    match not_recorded {
        Some(error) => Err(error.into()),
        None => Ok(deeds.tidy().map(|()| results)?),
    }
}

fn last_not_in(deeds: &Deeds, results: &[(Deed, Undone)]) -> Option<Deed> {
    deeds.all().iter().rfind(|deed| results.iter().all(|(done, _)| done != *deed)).cloned()
}

/// Before anything is set up: what an apply that was killed had only begun, and what is gone.
pub(super) fn unfinished(kernel: &mut impl Kernel, deeds: &mut Deeds) -> Result<(), SetupError> {
    for deed in deeds.all().to_vec() {
        let Deed::Zram { name, sequence, .. } = &deed else { continue };
        let device = ZramDevice::read(kernel.root(), name)?;
        let is_ours = device.as_ref().is_some_and(|device| *sequence == Some(device.sequence));
        if !is_ours && undo_one(kernel, deeds, &deed)?.is_settled() {
            deeds.forget(&deed)?;
        }
    }
    Ok(())
}

/// Removes the zram device that was just made.
pub(super) fn remove_new(kernel: &mut impl Kernel, deeds: &mut Deeds, new: &str) -> Result<(), SetupError> {
    let is_it = |deed: &&Deed| matches!(deed, Deed::Zram { name, .. } if name == new);
    let Some(deed) = deeds.all().iter().rfind(is_it).cloned() else { return Ok(()) };
    if undo_one(kernel, deeds, &deed)?.is_settled() {
        deeds.forget(&deed)?;
    }
    Ok(())
}

fn undo_one(kernel: &mut impl Kernel, deeds: &mut Deeds, deed: &Deed) -> Result<Undone, SetupError> {
    match deed {
        Deed::Setting { path, .. } if !restorable::is_of_the_host(path) => Ok(foreign(path)),
        Deed::Zram { name, .. } if !is_zram(name) => Ok(foreign(name.as_ref())),
        Deed::Setting { path, original, written } => Ok(put_back(kernel, path, original, written)),
        Deed::Swap { device, priority } => switch_off(kernel, deeds, device, *priority),
        Deed::Zram { name, sequence, .. } => remove(kernel, deeds, name, *sequence),
    }
}

/// Whoever can write the record is not to say what is written as root.
fn foreign(what: &Path) -> Undone {
    Undone::Refused(format!(
        "lowtide never sets `{}` up: see who wrote the record, and remove it",
        shown(what)
    ))
}

fn is_zram(name: &str) -> bool {
    name.strip_prefix("zram").is_some_and(|number| number.parse::<u32>().is_ok())
}

fn put_back(kernel: &mut impl Kernel, path: &Path, original: &str, written: &str) -> Undone {
    let found = match knobs::read(kernel.root(), path) {
        Err(refusal) => return Undone::Refused(refusal),
        Ok(None) => return Undone::Nothing,
        Ok(Some(found)) => found,
    };
    if knobs::same(&found, original) {
        return Undone::Nothing;
    }
    if !knobs::same(&found, written) {
        return Undone::NotOurs(format!("lowtide wrote `{written}`, somebody else `{found}` since"));
    }
    if let Err(error) = kernel.write(path, original) {
        return Undone::Refused(error.to_string());
    }
    match knobs::read(kernel.root(), path) {
        Ok(Some(now)) if knobs::same(&now, original) => Undone::Undone,
        Ok(now) => {
            let now = now.unwrap_or_default();
            Undone::Refused(format!("the kernel took `{original}` and holds `{now}`"))
        }
        Err(error) => Undone::Refused(error),
    }
}

fn remove(
    kernel: &mut impl Kernel,
    deeds: &mut Deeds,
    name: &str,
    sequence: Option<u64>,
) -> Result<Undone, SetupError> {
    let Some(device) = ZramDevice::read(kernel.root(), name)? else { return Ok(Undone::Nothing) };
    match sequence {
        Some(sequence) if sequence != device.sequence => return Ok(Undone::Nothing),
        // Killed between hot_add and the record of it: a device of that name, which was free, and nobody has
        // used yet.
        None if device.set_up => return Ok(Undone::NotOurs("somebody else set the device up".to_owned())),
        _ => {}
    }
    let path = PathBuf::from(device.path());
    let off = switch_off(kernel, deeds, &path, None)?;
    if !off.is_settled() {
        return Ok(off);
    }
    Ok(match kernel.remove_zram(name) {
        Ok(()) => Undone::Undone,
        Err(error) => Undone::Refused(error.to_string()),
    })
}

/// Switches swap off that holds no page.
///
/// A page that is swapped out between the look and the call is brought back by it: nothing is lost.
fn switch_off(
    kernel: &mut impl Kernel,
    deeds: &mut Deeds,
    path: &Path,
    priority: Option<u16>,
) -> Result<Undone, SetupError> {
    let Some(mut swap) = active(kernel, path)? else {
        return Ok(if is_on_without_a_name(kernel, path)? {
            let why = "its name was removed while it is in use, and swapoff takes a name: it is on until the next boot";
            Undone::Refused(why.to_owned())
        } else {
            Undone::Nothing
        });
    };
    if let Some(priority) = priority
        && swap.priority != i32::from(priority)
    {
        let why = format!("it was switched on anew, with priority {}", swap.priority);
        return Ok(Undone::NotOurs(why));
    }
    if !swap.used.is_zero() && swap.used <= most_in_caches(kernel)? {
        drain(kernel, deeds)?;
        let Some(again) = active(kernel, path)? else { return Ok(Undone::Nothing) };
        swap = again;
    }
    if !swap.used.is_zero() {
        return Ok(Undone::Kept(swap.used));
    }
    if let Err(error) = kernel.swap_off(&swap.path) {
        return Ok(Undone::Refused(error.to_string()));
    }
    Ok(match active(kernel, path)? {
        None => Undone::Undone,
        Some(_) => Undone::Refused("the kernel took swapoff, and it is still on".to_owned()),
    })
}

fn active(kernel: &impl Kernel, path: &Path) -> Result<Option<SwapDevice>, SetupError> {
    let node = kernel.node(path)?;
    for swap in swaps(kernel.root(), &mut LeftOut::default())? {
        // What has the name of a removed file now is another one.
        if swap.is_at(path) || (!swap.deleted && is_same_device(kernel.node(&swap.path)?, node)) {
            return Ok(Some(swap));
        }
    }
    Ok(None)
}

fn is_on_without_a_name(kernel: &impl Kernel, path: &Path) -> Result<bool, SetupError> {
    let swaps = swaps(kernel.root(), &mut LeftOut::default())?;
    Ok(swaps.iter().any(|swap| swap.deleted && swap.path == path))
}

/// Up to 6.13 each processor keeps up to 64 slots to give out and 64 that were given back (mm/swap_slots.c),
/// which count as used though no page is in them.
fn most_in_caches(kernel: &impl Kernel) -> Result<Bytes, SetupError> {
    let online = kernel.root().parse_optional("sys/devices/system/cpu/online", list)?;
    let processors = online.map_or(1, |online| online.len().max(1)) as u64;
    Ok(Bytes::new(processors.saturating_mul(2 * 64 * page_size() as u64)))
}

/// Has the kernel empty those caches, which it does at each swapoff (`disable_swap_slots_cache_lock`): by
/// switching a small device of our own on and off, which is used last, and for a moment only.
fn drain(kernel: &mut impl Kernel, deeds: &mut Deeds) -> Result<(), SetupError> {
    /// More than the ten pages that swap space needs.
    const SIZE: Bytes = Bytes::mib(1);
    let name = free_name(kernel)?;
    if add_zram(kernel, deeds, &name, SIZE)?.is_err() {
        return Ok(());
    }
    let path = Path::new("/dev").join(&name);
    let size = Path::new("sys/block").join(&name).join("disksize");
    // A failure only means that there is nothing to be seen afterwards.
    let _ = kernel
        .write(&size, &SIZE.get().to_string())
        .and_then(|()| kernel.format(&path, SIZE))
        .and_then(|()| kernel.swap_on(&path, None))
        .and_then(|()| kernel.swap_off(&path));
    let Some(deed) = deeds.all().last().cloned() else { return Ok(()) };
    if kernel.remove_zram(&name).is_ok() {
        deeds.forget(&deed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use lowtide_core::Bytes;
    use lowtide_kernfs::{Node, Root};
    use lowtide_policy::HostTiers;

    use super::*;
    use crate::{facts::Facts, kernel::Real};

    const HEADING: &str = "Filename Type Size Used Priority\n";

    fn host(swaps: &str) -> (tempfile::TempDir, Real) {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("proc")).unwrap();
        fs::write(tree.path().join("proc/meminfo"), "MemTotal: 1024 kB\n").unwrap();
        fs::write(tree.path().join("proc/swaps"), format!("{HEADING}{swaps}")).unwrap();
        fs::write(tree.path().join("swapfile"), "swap").unwrap();
        fs::write(tree.path().join("other"), "swap").unwrap();
        symlink("/swapfile", tree.path().join("link")).unwrap();
        let root = Root::open(tree.path()).unwrap();
        (tree, Real(root))
    }

    fn is_on(kernel: &Real, path: &str) -> bool {
        let found = active(kernel, Path::new(path)).unwrap().is_some();
        let swap = lowtide_policy::SwapSetup { device: path.into(), priority: None };
        let wanted = HostTiers { swap: vec![swap], ..HostTiers::default() };
        let facts = Facts::read(kernel, &wanted, &[]).unwrap();
        assert_eq!(facts.active(Path::new(path)).is_some(), found, "apply and restore agree on {path}");
        found
    }

    /// Kind 8: a record is no reason to write any file.
    #[test]
    fn what_lowtide_never_sets_up_is_not_undone() {
        let (tree, mut kernel) = host("");
        fs::create_dir(tree.path().join("etc")).unwrap();
        fs::write(tree.path().join("etc/passwd"), "root").unwrap();
        let state = tempfile::tempdir().unwrap();
        let mut deeds = Deeds::open(state.path(), kernel.root()).unwrap();
        let setting =
            Deed::Setting { path: "etc/passwd".into(), original: "mallory".into(), written: "root".into() };
        let zram = Deed::Zram { name: "../../etc".into(), sequence: None, size: Bytes::mib(1) };
        for deed in [setting, zram] {
            deeds.note(deed).unwrap();
        }
        let undone = undo(&mut kernel, &mut deeds).unwrap();
        assert_eq!(undone.len(), 2);
        assert!(
            undone
                .iter()
                .all(|(_, undone)| matches!(undone, Undone::Refused(why) if why.contains("never sets")))
        );
        assert_eq!(fs::read_to_string(tree.path().join("etc/passwd")).unwrap(), "root");
    }

    /// Kind 7.
    #[test]
    fn a_swap_file_is_the_same_by_whatever_name() {
        let (_tree, kernel) = host("/swapfile file 8 0 -2\n");
        assert!(matches!(kernel.node(Path::new("/link")).unwrap(), Some(Node::File(_))));
        assert!(is_on(&kernel, "/link") && is_on(&kernel, "/swapfile"));
        assert!(!is_on(&kernel, "/other"));
    }

    /// Kind 7.
    #[test]
    fn what_has_the_name_of_a_removed_file_is_another_one() {
        let (_tree, kernel) = host("/swapfile\\040(deleted) file 8 4 -2\n");
        assert!(!is_on(&kernel, "/swapfile") && !is_on(&kernel, "/link"));
        assert!(is_on_without_a_name(&kernel, Path::new("/swapfile")).unwrap());
        let swaps = swaps(kernel.root(), &mut LeftOut::default()).unwrap();
        assert_eq!(swaps[0].used, Bytes::kib(4));
    }
}
