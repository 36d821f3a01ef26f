//! The one place of the lab that needs `unsafe`: mapping a file.
#![allow(unsafe_code)]

use anyhow::{Context, Result};
use memmap2::{MmapMut, MmapOptions};
use std::fs::File;
use std::path::Path;

/// Creates a file of so many bytes in `directory`, maps it shared and unlinks it, so that it is gone with the
/// tenant.
pub(super) fn map_new_file(directory: &Path, bytes: u64) -> Result<MmapMut> {
    let path = directory.join(format!("lowtide-tenant-{}", std::process::id()));
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    file.set_len(bytes).with_context(|| format!("cannot grow {}", path.display()))?;
    // SAFETY: a mapped file must not be changed or cut short by anybody else while it is mapped. This one was
    // just created (`create_new`), nobody else knows it, and it is unlinked right below.
    let map = unsafe { MmapMut::map_mut(&file) }.with_context(|| format!("cannot map {}", path.display()))?;
    std::fs::remove_file(&path).with_context(|| format!("cannot unlink {}", path.display()))?;
    Ok(map)
}

/// Maps the first bytes of a device, shared.
pub(crate) fn map_device(device: &Path, bytes: u64) -> Result<MmapMut> {
    let file = File::options().read(true).write(true).open(device);
    let file = file.with_context(|| format!("cannot open {}", device.display()))?;
    let mut options = MmapOptions::new();
    options.len(usize::try_from(bytes)?);
    // SAFETY: a mapped file must not be changed or cut short by anybody else while it is mapped. Scenarios
    // make one device for each process that maps it, and keep it until the machine is gone.
    unsafe { options.map_mut(&file) }.with_context(|| format!("cannot map {}", device.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file stands for a device here.
    #[test]
    fn what_is_written_to_the_map_is_in_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(16384).unwrap();
        let mut map = map_device(file.path(), 8192).unwrap();
        assert_eq!((map.len(), map[8191]), (8192, 0));
        map[4096] = 7;
        map.flush().unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap()[4096], 7);
        assert!(map_device(Path::new("/nowhere"), 1).is_err());
    }
}
