//! A file that is replaced as a whole, beside the old one and then in its place: whatever ends the process or
//! the host, it is the old one or the new one.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::fcntl::OFlag;

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
    match whole(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|error| ("read", error)),
    }
}

/// Of a plain file alone: a link leads to what is not ours, and a FIFO would be waited for.
fn whole(path: &Path) -> io::Result<Vec<u8>> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file: remove it"));
    }
    let mut contents = Vec::new();
    file.read_to_end(&mut contents)?;
    Ok(contents)
}

fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut open = OpenOptions::new();
    open.write(true).create(true).truncate(true).mode(0o600);
    let mut file =
        open.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits()).open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> Result<(), Failure> {
    let sync = |directory| File::open(directory)?.sync_all();
    path.parent().map_or(Ok(()), sync).map_err(|error| ("sync the directory of", error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_neither_read_nor_written() {
        let directory = tempfile::tempdir().unwrap();
        let (target, path) = (directory.path().join("target"), directory.path().join("file"));
        std::fs::write(&target, "secret").unwrap();
        symlink(&target, &path).unwrap();
        assert_eq!(read(&path).unwrap_err().0, "read");
        symlink(&target, path.with_extension("new")).unwrap();
        assert_eq!(replace(&path, b"ours").unwrap_err().0, "write");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "secret");
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        for name in ["fifo", "file.new"] {
            nix::unistd::mkfifo(&directory.path().join(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
        }
        assert_eq!(replace(&directory.path().join("file"), b"ours").unwrap_err().0, "write");
        for path in [&fifo, directory.path()] {
            let (_, error) = read(path).unwrap_err();
            assert!(error.to_string().contains("no plain file"), "{error}");
        }
    }
}
