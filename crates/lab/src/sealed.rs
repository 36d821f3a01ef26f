//! The sealed root: everything a deterministic machine needs, in one archive.
//!
//! Counted time does not know how long the host takes to answer a read, so a machine that reads from the host
//! arrives at its experiment a little differently each time, and reclaim, which races with the tenant's
//! touches, amplifies that. A sealed machine reads nothing from the host after its boot loader has.

use crate::cpio::Cpio;
use crate::initramfs::{load_order, module_name};
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::process::{find_program, output};
use crate::spec::{GuestSpec, SEALED, files};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Programs of this machine that the guest's functions use.
const TOOLS: [&str; 8] =
    ["modprobe", "mkswap", "swapon", "swapoff", "fallocate", "mkfs.ext4", "setsid", "bash"];

/// Of busybox, for `init` and for scripts.
const APPLETS: [&str; 30] = [
    "awk", "cat", "cp", "date", "dd", "df", "dmesg", "echo", "env", "free", "grep", "head", "hostname",
    "ifconfig", "kill", "ls", "mkdir", "mount", "mv", "ps", "rm", "rmdir", "sed", "sh", "sleep", "sync",
    "tail", "umount", "wc", "xargs",
];

/// Modules that lowtide's experiments may load, with the compressors that zram and zswap ask for by name.
const MODULES: [&str; 25] = [
    "zram",
    "zsmalloc",
    "lz4",
    "lz4hc",
    "lz4_compress",
    "lz4hc_compress",
    "lzo",
    "lzo-rle",
    "zstd",
    "deflate",
    "842",
    "null_blk",
    "configfs",
    "ext4",
    "crc32c_generic",
    "crc32c-intel",
    "virtio_blk",
    "brd",
    "loop",
    "dm-delay",
    "dm-flakey",
    "ublk_drv",
    "kmem",
    "dax_hmem",
    "cxl_mem",
];

const INIT: &str = "#!/bin/sh
mount -t proc proc /proc
hostname lowtide-lab
ifconfig lo up 127.0.0.1
exec /lab/lab-guest init
";

/// Builds the archive.
pub fn build(kernel: &Kernel, busybox: &Path, machine: &Machine, spec: &GuestSpec) -> Result<Vec<u8>> {
    let mut root = Packer::default();
    for directory in
        ["proc", "sys", "dev", "run", "tmp", "root", "etc", "var/lib", "usr/bin", "usr/sbin", "sbin"]
    {
        root.cpio.directory(directory);
    }
    root.cpio.file("init", INIT.as_bytes());
    root.file(busybox, "bin/busybox")?;
    for applet in APPLETS {
        root.cpio.symlink(&format!("bin/{applet}"), "busybox");
    }
    for tool in TOOLS.iter().copied().chain(machine.packed.iter().map(String::as_str)) {
        root.tool(tool)?;
    }
    for program in &spec.programs {
        root.program(program, &sealed_path(program))?;
    }
    root.modules(kernel)?;
    let spec = GuestSpec {
        programs: spec.programs.iter().map(|program| Path::new("/").join(sealed_path(program))).collect(),
        modules: None,
        ..spec.clone()
    };
    root.cpio.file(&format!("{}/{}", &SEALED[1..], files::SPEC), &serde_json::to_vec(&spec)?);
    Ok(root.cpio.finish())
}

fn sealed_path(program: &Path) -> String {
    format!("{}/{}", &SEALED[1..], program.file_name().unwrap_or_default().to_string_lossy())
}

/// An archive, and what is in it already.
#[derive(Default)]
struct Packer {
    cpio: Cpio,
    packed: BTreeSet<String>,
}

impl Packer {
    /// A program that is found in PATH (or given by its path), at the place where scripts expect it.
    fn tool(&mut self, name: &str) -> Result<()> {
        let path = find_program(name)
            .with_context(|| format!("{name} is to be packed into the machine but is not installed here"))?;
        let base = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The kernel looks for modprobe in /sbin.
        self.program(&path, &format!("sbin/{base}"))
    }

    /// A program and every shared object it is linked with.
    fn program(&mut self, from: &Path, to: &str) -> Result<()> {
        self.file(from, to)?;
        let Ok(linked) = output("ldd", &[from]) else {
            return Ok(()); // Static, or a script.
        };
        for object in shared_objects(&linked) {
            self.file(Path::new(object), object.trim_start_matches('/'))?;
        }
        Ok(())
    }

    fn file(&mut self, from: &Path, to: &str) -> Result<()> {
        if self.packed.insert(to.to_owned()) {
            let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
            self.cpio.file(to, &content);
        }
        Ok(())
    }

    /// The modules of the list that this kernel has, with what they need and with modprobe's indexes.
    fn modules(&mut self, kernel: &Kernel) -> Result<()> {
        let from = kernel.modules();
        let to = format!("lib/modules/{}", kernel.version);
        for path in sorted_files(&from)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("modules.") {
                self.file(&path, &format!("{to}/{name}"))?;
            }
        }
        let dep = from.join("modules.dep");
        let text = fs::read_to_string(&dep).with_context(|| format!("cannot read {}", dep.display()))?;
        for module in load_order(&text, &MODULES) {
            self.file(&from.join(&module), &format!("{to}/{module}"))
                .with_context(|| format!("module {}", module_name(Path::new(&module))))?;
        }
        Ok(())
    }
}

/// Sorted, so that two archives are the same to the byte.
fn sorted_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The files in the output of `ldd`: `name => /path (address)` and `/path (address)`.
fn shared_objects(ldd: &str) -> Vec<&str> {
    ldd.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/'))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_objects_are_found_in_both_forms() {
        let ldd = "\tlinux-vdso.so.1 (0x0)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x1)\n\t/lib64/ld.so.2 (0x2)\n";
        assert_eq!(shared_objects(ldd), ["/lib/x/libc.so.6", "/lib64/ld.so.2"]);
        assert!(shared_objects("\tstatically linked\n").is_empty());
    }

    #[test]
    fn programs_keep_their_name() {
        assert_eq!(sealed_path(Path::new("target/release/lowtide")), "lab/lowtide");
    }
}
