use std::time::Duration;

use lowtide_kernfs::{Result as FileResult, parse::integer};

use crate::{Result, directory::Directory, slot::malformed};

/// The intervals as they stand in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) sample: Duration,
    pub(crate) aggregation: Duration,
}

pub(crate) fn read(context: &dyn Directory) -> Result<Standing> {
    let micros = |file: &str| {
        let path = format!("monitoring_attrs/intervals/{file}");
        number(context, &path).map(Duration::from_micros)
    };
    Ok(Standing { sample: micros("sample_us")?, aggregation: micros("aggr_us")? })
}

/// A file with one number.
pub(crate) fn number(directory: &dyn Directory, path: &str) -> Result<u64> {
    integer(&directory.read(path)?).map_err(|fault| malformed(directory, path, fault))
}

/// The same, where it may be missing.
pub(crate) fn number_if_there(directory: &dyn Directory, path: &str) -> Result<Option<u64>> {
    match directory.read(path) {
        Ok(text) => integer(&text).map(Some).map_err(|fault| malformed(directory, path, fault)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The numbers of the directories in a directory, in order; there may be gaps.
pub(crate) fn indices(directory: &dyn Directory) -> FileResult<Vec<u32>> {
    let names = directory.entries()?.directories;
    let mut indices: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    indices.sort_unstable();
    Ok(indices)
}
