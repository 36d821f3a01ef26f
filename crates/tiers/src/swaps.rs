use lowtide_core::Bytes;
use lowtide_kernfs::{
    Fault, Files, Result, Root,
    parse::{number, unescape},
};

/// One active swap device or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapDevice {
    /// Its path, such as `/dev/zram0` or `/swap file`.
    pub path: String,
    /// The file was unlinked while in use: it can be swapped on but no longer be named.
    pub deleted: bool,
    /// Slots, without the header page.
    pub size: Bytes,
    /// Slots taken.
    pub used: Bytes,
    /// Higher is used first.
    pub priority: i32,
}

impl SwapDevice {
    /// Its name if it is a zram device: `zram0`.
    #[must_use]
    pub fn zram(&self) -> Option<&str> {
        let name = self.path.rsplit('/').next()?;
        let digits = name.strip_prefix("zram")?;
        let mapped = self.path.starts_with("/dev/mapper/");
        (!mapped && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
    }
}

/// The active swap devices, in the order of their activation; none where the kernel has no swap.
pub fn swaps(root: &Root) -> Result<Vec<SwapDevice>> {
    Ok(root.parse_optional("proc/swaps", parse_swaps)?.unwrap_or_default())
}

/// Understands /proc/swaps: a heading, then `PATH type size used priority`, sizes in KiB.
///
/// White space and backslashes in a path are octal escapes (`seq_file_path`, mm/swapfile.c `swap_show`), so the first
/// word is all of it. A path that is no UTF-8 is shown with its escapes undone as far as they go.
pub fn parse_swaps(text: &str) -> Result<Vec<SwapDevice>, Fault> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    lines.filter(|(_, line)| !line.starts_with("Filename")).map(|(i, line)| device(i + 1, line)).collect()
}

fn device(number_of: usize, line: &str) -> Result<SwapDevice, Fault> {
    let mut words = line.split_ascii_whitespace();
    let mut word =
        || words.next().ok_or_else(|| Fault::new(number_of, line, "`path type size used priority`"));
    let path = word()?;
    let path = unescape(path).unwrap_or_else(|| path.to_owned());
    let (path, deleted) = match path.strip_suffix(" (deleted)") {
        Some(path) => (path.to_owned(), true),
        None => (path, false),
    };
    word()?;
    let (size, used) = (number(number_of, word()?)?, number(number_of, word()?)?);
    let priority = word()?;
    let priority = priority.parse().map_err(|_| Fault::new(number_of, priority, "a swap priority"))?;
    Ok(SwapDevice { path, deleted, size: Bytes::kib(size), used: Bytes::kib(used), priority })
}

#[cfg(test)]
#[path = "swaps_tests.rs"]
mod tests;
