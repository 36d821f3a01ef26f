//! A root of its own for a program: the program, what it is linked with, and nothing else. As in a container,
//! its text and libraries are page cache of the cgroup that runs it.

use crate::process::{find_program, output_of};
use anyhow::{Context, Result};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The loader of every program of Debian for x86-64; it also says what a program is linked with.
pub const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
const LOADER_NAME: &str = "ld-linux-x86-64.so.2";

/// Whom servers may be; PostgreSQL wants to know its own name.
const PASSWD: &str = "root:x:0:0:root:/:/bin/sh\nbench:x:5432:5432:bench:/:/bin/sh\n";

/// Where Debian for x86-64 has libraries.
const LIBRARIES: [&str; 2] = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];

/// A directory that a program is started in with chroot.
#[derive(Debug, Clone)]
pub struct Image {
    root: PathBuf,
    /// The root that its programs' libraries are found in.
    source: PathBuf,
}

impl Image {
    /// Copies programs of this machine into a new directory, each under a name of its own.
    pub fn create(root: &Path, programs: &[(&str, &str)]) -> Result<Self> {
        let image = Self::empty(root, Path::new("/"))?;
        for (program, name) in programs {
            let path = find_program(program).with_context(|| format!("{program} is not installed"))?;
            image.program(&path, &format!("bin/{name}"))?;
        }
        Ok(image)
    }

    /// A new directory without a program; `source` is the root that libraries are taken from.
    pub fn empty(root: &Path, source: &Path) -> Result<Self> {
        let image = Self { root: root.to_owned(), source: source.to_owned() };
        for directory in ["etc", "dev", "tmp", "run", "proc"] {
            let path = root.join(directory);
            fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        }
        image.write("etc/passwd", PASSWD.as_bytes())?;
        image.write("etc/group", b"root:x:0:\n")?;
        Ok(image)
    }

    /// One that is there already.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), source: "/".into() }
    }

    /// A program of the image with its own loader and libraries, but with the files of this machine.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let libraries = LIBRARIES.map(|place| self.root.join(place).to_string_lossy().into_owned());
        let mut command = Command::new(self.root.join(LOADER.trim_start_matches('/')));
        command.arg("--library-path").arg(libraries.join(":")).arg(self.root.join("bin").join(program));
        command
    }

    /// Makes `/dev/null` in it.
    pub fn null_device(&self) -> Result<()> {
        let path = self.root.join("dev/null");
        let mode = Mode::from_bits_truncate(0o666);
        mknod(&path, SFlag::S_IFCHR, mode, makedev(1, 3))
            .with_context(|| format!("cannot make {}", path.display()))?;
        // The process' umask takes bits away.
        fs::set_permissions(&path, Permissions::from_mode(0o666)).context("cannot open it for all")
    }

    /// Its directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Copies a program, or a library, with all that it is linked with.
    pub fn program(&self, from: &Path, to: &str) -> Result<()> {
        self.copy(from, to)?;
        let libraries = LIBRARIES.map(|place| self.source.join(place).to_string_lossy().into_owned());
        // A root of unpacked packages has its loader among the libraries, behind an absolute link; a sealed
        // machine has nothing but the place that programs name.
        let places = LIBRARIES.into_iter().chain(["lib64"]);
        let loaders: Vec<_> = places.map(|place| self.source.join(place).join(LOADER_NAME)).collect();
        let loader = loaders.iter().find(|path| path.is_file()).context("there is no loader")?;
        let mut command = Command::new(loader);
        command.arg("--library-path").arg(libraries.join(":")).arg("--list").arg(from);
        let linked = output_of(&mut command)?;
        self.copy(loader, LOADER.trim_start_matches('/'))?;
        for object in linked.lines().filter_map(shared_object).filter(|object| !object.ends_with(LOADER_NAME))
        {
            let inside = Path::new(object).strip_prefix(&self.source).unwrap_or(Path::new(object));
            self.copy(Path::new(object), inside.to_string_lossy().trim_start_matches('/'))?;
        }
        Ok(())
    }

    /// Copies the files of a directory whose names are wanted, and directories in it with all that they have.
    pub fn tree(&self, from: &Path, to: &str, wanted: impl Fn(&str) -> bool) -> Result<()> {
        for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let to = format!("{to}/{name}");
            if wanted(&name) && entry.path().is_dir() {
                self.all(&entry.path(), &to)?;
            } else if wanted(&name) {
                self.copy(&entry.path(), &to)?;
            }
        }
        Ok(())
    }

    fn all(&self, from: &Path, to: &str) -> Result<()> {
        self.tree(from, to, |_| true)
    }

    fn copy(&self, from: &Path, to: &str) -> Result<()> {
        let to = self.root.join(to);
        if to.is_file() {
            return Ok(());
        }
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        fs::copy(from, &to)
            .map(drop)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The file in a line of the loader's list: `name => /path (address)` or `/path (address)`.
fn shared_object(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| word.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_what_its_program_needs() {
        let directory = tempfile::tempdir().unwrap();
        let image = Image::create(directory.path(), &[("sh", "shell")]).unwrap();
        assert!(image.root().join("bin/shell").is_file());
        assert!(image.root().join(LOADER.trim_start_matches('/')).is_file());
        assert!(image.root().join("etc/passwd").is_file());
    }

    #[test]
    fn a_line_without_a_path_names_no_file() {
        assert_eq!(shared_object("\tlinux-vdso.so.1 (0x0)"), None);
        assert_eq!(shared_object("\tlibc.so.6 => /lib/x/libc.so.6 (0x1)"), Some("/lib/x/libc.so.6"));
    }
}
