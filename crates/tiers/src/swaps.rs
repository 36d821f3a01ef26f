use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use lowtide_core::{Bytes, LeftOut, escape::escaped_bytes, left_out::Kind};
use lowtide_kernfs::{
    Fault, Files, Result, Root,
    parse::{number, unescape},
};

const SWAPS: &str = "proc/swaps";

/// One active swap device or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapDevice {
    /// Its path, such as `/dev/zram0` or `/swap file`; it need not be text.
    pub path: PathBuf,
    /// What was swapped on.
    pub kind: SwapKind,
    /// The name was removed while it was in use: it can no longer be named, and what has the name now is
    /// another one.
    pub deleted: bool,
    /// Slots, without the header page.
    pub size: Bytes,
    /// Slots taken.
    pub used: Bytes,
    /// Higher is used first.
    pub priority: i32,
}

/// The column "Type" of /proc/swaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapKind {
    /// A block device.
    Partition,
    /// A regular file, whatever it is called.
    File,
}

impl SwapDevice {
    /// Its name if it is a zram device: `zram0`.
    #[must_use]
    pub fn zram(&self) -> Option<&str> {
        let below = self.path.strip_prefix("/dev").ok().filter(|_| self.kind == SwapKind::Partition)?;
        let name = below.file_name()?.to_str()?;
        let digits = name.strip_prefix("zram")?;
        let mapped = below.starts_with("mapper");
        (!mapped && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
    }

    /// Its path as it can be shown; what was removed is told from what has its name now.
    #[must_use]
    pub fn shown(&self) -> String {
        let path = escaped_bytes(self.path.as_os_str().as_bytes());
        if self.deleted { format!("{path} (deleted)") } else { path }
    }

    /// What has that path was swapped on, as far as paths tell.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        !self.deleted && self.path == path
    }
}

/// The active swap devices, in the order of their activation; none where the kernel has no swap. A line that
/// is not understood says nothing about the others.
pub fn swaps(root: &Root, left_out: &mut LeftOut) -> Result<Vec<SwapDevice>> {
    let (mut devices, mut number) = (Vec::new(), 0);
    let mut take = |line: &[u8]| {
        number += 1;
        match parse_line(number, line) {
            Ok(device) => devices.extend(device),
            Err(fault) => left_out.add(Kind::Line, &root.malformed(SWAPS, fault).to_string()),
        }
    };
    match root.read_lines(SWAPS, &mut take) {
        Ok(too_long) => left_out.add_unnamed(Kind::Line, too_long as u64),
        Err(error) if error.is_missing() => {}
        Err(error) => return Err(error),
    }
    Ok(devices)
}

/// Understands a line of /proc/swaps, counted from one: a heading first, then `PATH type size used priority`,
/// sizes in KiB.
///
/// White space and backslashes in a path are octal escapes (`seq_file_path`, mm/swapfile.c `swap_show`), so
/// the first word is all of it, and all its other bytes are as they are.
fn parse_line(number_of: usize, line: &[u8]) -> Result<Option<SwapDevice>, Fault> {
    if line.trim_ascii().is_empty() || line.starts_with(b"Filename") {
        return Ok(None);
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut word = || {
        let missing =
            || Fault::new(number_of, &String::from_utf8_lossy(line), "`path type size used priority`");
        words.next().ok_or_else(missing)
    };
    let mut path = unescape(word()?);
    let deleted = path.ends_with(DELETED);
    if deleted {
        path.truncate(path.len() - DELETED.len());
    }
    // `S_ISBLK(inode->i_mode)` decides between the two (`swap_show`).
    let kind = if word()? == b"file" { SwapKind::File } else { SwapKind::Partition };
    let mut text = || word().map(String::from_utf8_lossy);
    let (size, used) = (number(number_of, &text()?)?, number(number_of, &text()?)?);
    let priority = text()?;
    let priority = priority.parse().map_err(|_| Fault::new(number_of, &priority, "a swap priority"))?;
    let path = PathBuf::from(OsString::from_vec(path));
    Ok(Some(SwapDevice { path, kind, deleted, size: Bytes::kib(size), used: Bytes::kib(used), priority }))
}

/// What d_path puts behind the name of what was removed (fs/d_path.c, `d_path`).
const DELETED: &[u8] = b" (deleted)";

#[cfg(test)]
#[path = "swaps_tests.rs"]
mod tests;
