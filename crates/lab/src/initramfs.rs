//! The first boot stage: a few modules and a busybox script that make a copy-on-write view of this machine's
//! own root file system the root of the virtual one.
//!
//! The view is an overlay of a tmpfs over a read-only 9p export of `/`. Whatever is installed here, and the
//! programs just built, are there under the same paths; nothing written there comes back.

use crate::cpio::Cpio;
use crate::kernel::Kernel;
use crate::process::output_of;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What must be loaded before the root can be mounted (later kernels have some of it built in); the rest is
/// loaded from the root itself.
const MODULES: [&str; 4] = ["virtio_pci", "9p", "9pnet_virtio", "overlay"];

const APPLETS: [&str; 8] =
    ["sh", "mount", "umount", "mkdir", "insmod", "switch_root", "hostname", "ifconfig"];

/// `LAB_INIT`, the program to go on with, is set by the kernel from its command line. The loopback interface
/// is brought up here because nobody else will.
const INIT: &str = r#"#!/bin/sh
mount -t proc proc /proc
while read module; do insmod "/modules/$module" || echo "lab: cannot load $module"; done </modules/order
hostname lowtide-lab
ifconfig lo up 127.0.0.1
mount -t 9p -o ro,version=9p2000.L,trans=virtio,msize=512000,cache=loose labroot /lower || echo "lab: BUG: no root"
mount -t tmpfs -o size=75% cow /cow
mkdir /cow/upper /cow/work
mount -t overlay -o lowerdir=/lower,upperdir=/cow/upper,workdir=/cow/work overlay /newroot
umount /proc
exec switch_root /newroot "$LAB_INIT" init
"#;

/// Builds the archive for one kernel and a root that is this machine's own.
pub fn build(kernel: &Kernel, busybox: &Path) -> Result<Vec<u8>> {
    let mut cpio = Cpio::default();
    for directory in ["bin", "proc", "dev", "lower", "cow", "newroot", "modules"] {
        cpio.directory(directory);
    }
    cpio.file("init", INIT.as_bytes());
    cpio.file(
        "bin/busybox",
        &fs::read(busybox).with_context(|| format!("cannot read {}", busybox.display()))?,
    );
    for applet in APPLETS {
        cpio.symlink(&format!("bin/{applet}"), "busybox");
    }
    let mut order = String::new();
    for path in modules_in_order(&kernel.modules())? {
        let name = module_name(&path);
        cpio.file(&format!("modules/{name}"), &unpacked_module(&path)?);
        order.push_str(&name);
        order.push('\n');
    }
    cpio.file("modules/order", order.as_bytes());
    Ok(cpio.finish())
}

fn modules_in_order(modules: &Path) -> Result<Vec<PathBuf>> {
    let path = modules.join("modules.dep");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(load_order(&text, &MODULES).iter().map(|module| modules.join(module)).collect())
}

/// The files of `wanted` and of all they depend on, each after what it needs, from the text of `modules.dep`
/// (`file: dependency dependency...`, dependencies nearest first). A module that is built in has no line.
pub(crate) fn load_order(modules_dep: &str, wanted: &[&str]) -> Vec<String> {
    let lines: BTreeMap<String, (&str, Vec<&str>)> = modules_dep
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(file, needs)| (module_name(Path::new(file)), (file, needs.split_whitespace().collect())))
        .collect();
    let mut order: Vec<String> = Vec::new();
    for (file, needs) in wanted.iter().filter_map(|name| lines.get(&format!("{name}.ko"))) {
        for module in needs.iter().rev().chain([file]) {
            if !order.iter().any(|known| known == module) {
                order.push((*module).to_owned());
            }
        }
    }
    order
}

/// `kernel/fs/9p/9p.ko.xz` is `9p.ko`.
pub(crate) fn module_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.trim_end_matches(".xz").trim_end_matches(".zst").to_owned()
}

/// busybox can load a compressed module too, but complains about each one first.
fn unpacked_module(path: &Path) -> Result<Vec<u8>> {
    let program = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return fs::read(path).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut command = Command::new(program);
    command.args(["-d", "-c"]).arg(path).stdin(Stdio::null());
    let done = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    output_of(&mut command).map(String::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_after_what_they_need() {
        let dep = "kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n\
                   kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n\
                   kernel/fs/netfs/netfs.ko.xz:\n";
        assert_eq!(
            load_order(dep, &["9p", "9pnet_virtio", "overlay"]),
            [
                "kernel/fs/netfs/netfs.ko.xz",
                "kernel/net/9p/9pnet.ko.xz",
                "kernel/fs/9p/9p.ko.xz",
                "kernel/net/9p/9pnet_virtio.ko.xz"
            ]
        );
    }

    #[test]
    fn compression_is_not_part_of_a_name() {
        assert_eq!(module_name(Path::new("kernel/fs/9p/9p.ko.xz")), "9p.ko");
        assert_eq!(module_name(Path::new("9p.ko.zst")), "9p.ko");
        assert_eq!(module_name(Path::new("9p.ko")), "9p.ko");
    }
}
