//! Making a pack, on the developer's machine: programs of this workspace that are linked statically, and
//! roots made of Debian's packages, which are unpacked and not installed.

use super::PROGRAM;
use super::pack::ENDING;
use crate::apt::{PrivateApt, codename};
use crate::dirs::LabDirs;
use crate::process::{output_of, say};
use crate::size::{MIB, mib};
use crate::tools;
use crate::work::image::Image;
use crate::work::usage::FINCORE;
use crate::work::{compile, nginx, postgres, redis};
use anyhow::{Context, Result, ensure};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a pack may take on a disk.
const LIMIT: u64 = 60 * MIB;

/// Debian's packages; the libraries that they depend on come with them.
const PACKAGES: [&str; 7] =
    ["redis-tools", "nginx", "postgresql-15", "postgresql-client-15", "tcc", "oomd", "util-linux-extra"];

/// Only for PostgreSQL's compiler of expressions, which is off, and larger than all else.
const LEFT_OUT: [&str; 4] = ["libllvm", "libz3", "libperl", "libicu-dev"];

/// The command that an operator runs.
const RUN: &str = "#!/bin/sh
# Real servers side by side on this host, each group with another agent. See `./run --help`.
here=$(cd \"$(dirname \"$0\")\" && pwd) || exit 1
PATH=\"$here:$PATH\" exec \"$here/lowtide-bench\" run \"$@\"
";

/// Programs of this workspace in a pack.
pub const PROGRAMS: [&str; 2] = [PROGRAM, "lowtide"];

/// Makes it anew from static builds in `programs`, and returns its directory.
pub fn make(dirs: &LabDirs, programs: &Path) -> Result<PathBuf> {
    let debian = debian(dirs)?;
    let pack = dirs.file("pack");
    if pack.exists() {
        fs::remove_dir_all(&pack).with_context(|| format!("cannot remove {}", pack.display()))?;
    }
    fs::create_dir(&pack).with_context(|| format!("cannot create {}", pack.display()))?;
    for program in PROGRAMS {
        copy(&programs.join(program), &pack.join(program))?;
    }
    copy(&tools::busybox(dirs)?, &pack.join("busybox"))?;
    let run = pack.join("run");
    fs::write(&run, RUN).context("cannot write the command")?;
    fs::set_permissions(&run, Permissions::from_mode(0o755)).context("cannot make it a program")?;
    let roots = dirs.file("pack-roots");
    if roots.exists() {
        fs::remove_dir_all(&roots).with_context(|| format!("cannot remove {}", roots.display()))?;
    }
    for (name, root) in self::roots(&debian, &roots)? {
        archive(root.root(), &pack.join(format!("{name}.{ENDING}")))?;
    }
    let size = size(&pack)?;
    ensure!(size <= LIMIT, "the pack has {:.1} MiB, more than {:.0}", mib(size), mib(LIMIT));
    say(&format!("{}: {:.1} MiB", pack.display(), mib(size)));
    Ok(pack)
}

/// The packages, unpacked into one directory once.
fn debian(dirs: &LabDirs) -> Result<PathBuf> {
    let root = dirs.tools().join("servers");
    let done = root.join("done");
    let _lock = dirs.lock("tools")?;
    if !done.is_file() {
        let apt = PrivateApt::update(&dirs.apt().join("tools"), &[&codename()?])?;
        let needed = apt.needed(&PACKAGES)?;
        let wanted = |name: &String| {
            let is_library = name.starts_with("lib") || name == "zlib1g";
            PACKAGES.contains(&name.as_str())
                || is_library && !LEFT_OUT.iter().any(|left| name.starts_with(left))
        };
        apt.unpack(&needed.into_iter().filter(wanted).collect::<Vec<_>>(), &root)?;
        fs::write(&done, "").context("cannot note that the packages are there")?;
    }
    Ok(root)
}

fn roots(debian: &Path, to: &Path) -> Result<[(&'static str, Image); 5]> {
    let bin = |name: &str| debian.join("usr/bin").join(name);
    let empty = |name: &str| Image::empty(&to.join(name), debian);
    let [redis, nginx, postgres, compile, oomd] = super::pack::ROOTS;
    let of_redis = empty(redis)?;
    of_redis.program(&bin(redis::INSTALLED), &format!("bin/{}", redis::PROGRAM))?;
    let of_nginx = empty(nginx)?;
    of_nginx.program(&debian.join("usr/sbin").join(nginx::PROGRAM), &format!("bin/{}", nginx::PROGRAM))?;
    of_nginx.program(&bin(FINCORE), &format!("bin/{FINCORE}"))?;
    let of_postgres = empty(postgres)?;
    database(debian, &of_postgres)?;
    let of_compile = empty(compile)?;
    of_compile.program(&bin(compile::PROGRAM), &format!("bin/{}", compile::PROGRAM))?;
    let of_oomd = empty(oomd)?;
    of_oomd.program(&bin("oomd"), "bin/oomd")?;
    Ok([
        (redis, of_redis),
        (nginx, of_nginx),
        (postgres, of_postgres),
        (compile, of_compile),
        (oomd, of_oomd),
    ])
}

/// PostgreSQL finds its other files from where its programs are, so all keep their places. initdb starts a
/// shell.
fn database(debian: &Path, image: &Image) -> Result<()> {
    let programs = postgres::programs(debian)?;
    let version = programs.parent().context("programs in no directory")?;
    let inside = |path: &Path| {
        let path = path.strip_prefix(debian).context("a file outside of the packages")?;
        anyhow::Ok(path.to_string_lossy().into_owned())
    };
    for name in ["postgres", "initdb", "pgbench"] {
        let program = programs.join(name);
        image.program(&program, &inside(&program)?)?;
    }
    for name in ["plpgsql.so", "dict_snowball.so"] {
        let library = version.join("lib").join(name);
        image.program(&library, &inside(&library)?)?;
    }
    let share = debian.join("usr/share/postgresql").join(version.file_name().unwrap_or_default());
    image.tree(&share, &inside(&share)?, |name| !["man", "extension"].contains(&name))?;
    let extensions = share.join("extension");
    image.tree(&extensions, &inside(&extensions)?, |name| name.starts_with("plpgsql"))?;
    let shell = crate::process::find_program("dash").context("dash is not installed")?;
    image.program(&shell, "bin/sh")
}

fn archive(root: &Path, to: &Path) -> Result<()> {
    let mut command = Command::new("tar");
    command.args(["--sort=name", "--owner=0", "--group=0", "--mtime=@0", "-cJf"]).arg(to);
    output_of(command.arg("-C").arg(root).arg(".")).map(drop)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

fn size(directory: &Path) -> Result<u64> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    entries.map(|entry| Ok(entry?.metadata()?.len())).sum()
}
