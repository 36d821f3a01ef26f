//! A file that is replaced as a whole, beside the old one and then in its place: whatever ends the process or the host, it
//! is the old one or the new one.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// What was tried, and what the system said.
pub type Failure = (&'static str, io::Error);

/// Puts `contents` on the disk.
pub fn replace(path: &Path, contents: &[u8]) -> Result<(), Failure> {
    let beside = path.with_extension("new");
    write(&beside, contents).map_err(|error| ("write", error))?;
    std::fs::rename(&beside, path).map_err(|error| ("replace", error))?;
    sync_directory(path)
}

/// Removes the file, and what a process that was killed left beside it; fine if there is none.
pub fn remove(path: &Path) -> Result<(), Failure> {
    for file in [path, &path.with_extension("new")] {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(("remove", error)),
            _ => {}
        }
    }
    sync_directory(path)
}

/// What it holds; nothing if there is none.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|error| ("read", error)),
    }
}

fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> Result<(), Failure> {
    let sync = |directory| File::open(directory)?.sync_all();
    path.parent().map_or(Ok(()), sync).map_err(|error| ("sync the directory of", error))
}
