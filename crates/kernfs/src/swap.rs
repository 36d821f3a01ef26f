//! The one place of this crate with unsafe code: swapon(2) and swapoff(2), for which no crate has a safe
//! function.

#![expect(unsafe_code, reason = "neither nix nor rustix has swapon and swapoff")]

use std::path::Path;

use nix::{NixPath, errno::Errno, libc};

use crate::{Error, Files, Operation, Result, Root};

/// `SWAP_FLAG_PREFER` of include/linux/swap.h: the lower 15 bits are a priority.
const PREFER: i32 = 0x8000;
const MOST: u16 = 0x7fff;

/// Switches a swap device or file on. A higher `priority`, at most 32767, is used first; without one the
/// kernel chooses one below zero.
pub fn swap_on(root: &Root, path: impl AsRef<Path>, priority: Option<u16>) -> Result<()> {
    let flags = priority.map_or(0, |priority| PREFER | i32::from(priority.min(MOST)));
    // SAFETY: swapon reads the string up to its NUL, which `with_nix_path` sees to, and keeps no pointer.
    call(root, path.as_ref(), Operation::SwapOn, |path| unsafe { libc::swapon(path, flags) })
}

/// Switches a swap device or file off. What it holds is brought into DRAM first.
pub fn swap_off(root: &Root, path: impl AsRef<Path>) -> Result<()> {
    // SAFETY: swapoff reads the string up to its NUL, which `with_nix_path` sees to, and keeps no pointer.
    call(root, path.as_ref(), Operation::SwapOff, |path| unsafe { libc::swapoff(path) })
}

/// In a tree of fixtures nothing is swapped on or off: that would be the running system's.
fn call(
    root: &Root,
    path: &Path,
    operation: Operation,
    system: impl FnOnce(*const libc::c_char) -> libc::c_int,
) -> Result<()> {
    let path = root.shown(path);
    let called = if root.is_host() {
        path.with_nix_path(|path| Errno::result(system(path.as_ptr()))).and_then(|result| result)
    } else {
        Err(Errno::ENOTSUP)
    };
    called.map(drop).map_err(|errno| Error::System { operation, path: path.into(), errno })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_in_a_tree_of_fixtures() {
        let tree = tempfile::tempdir().unwrap();
        let root = Root::open(tree.path()).unwrap();
        for result in [swap_on(&root, "/dev/zram0", Some(1)), swap_off(&root, "/dev/zram0")] {
            let error = result.unwrap_err();
            assert_eq!(error.errno(), Some(Errno::ENOTSUP), "{error}");
            assert_eq!(error.path(), tree.path().join("dev/zram0"));
        }
    }
}
