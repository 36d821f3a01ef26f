//! The container image, made by buildah from the program and nothing else.

use super::{Dist, archive, text};
use anyhow::{Context, Result};
use lowtide_lab::process::output_of;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// buildah with its storage below the work directory, which is removed afterwards.
struct Buildah {
    storage: PathBuf,
}

impl Buildah {
    fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("buildah");
        // vfs copies plain directories: it needs no mount, so it works wherever this does.
        command.args(["--storage-driver", "vfs", "--root"]).arg(self.storage.join("root"));
        command.arg("--runroot").arg(self.storage.join("run")).args(arguments);
        Ok(output_of(&mut command)?.trim().to_owned())
    }
}

/// Makes it: an OCI layout in a tar file.
pub(super) fn make(dist: &Dist) -> Result<()> {
    let buildah = Buildah { storage: dist.work.join("buildah") };
    let layout = dist.work.join("oci");
    let epoch = dist.epoch.to_string();
    let container = buildah.run(&["from", "scratch"])?;
    buildah.run(&[
        "copy",
        "--quiet",
        "--chmod",
        "755",
        &container,
        text(&dist.program)?,
        "/usr/bin/lowtide",
    ])?;
    let mut labels = vec!["config".to_owned()];
    for (name, value) in [
        ("title", "lowtide"),
        ("version", dist.version.as_str()),
        ("licenses", "Apache-2.0 OR MIT"),
        ("description", "Per-cgroup memory offload under a service level objective"),
    ] {
        labels.extend(["--label".to_owned(), format!("org.opencontainers.image.{name}={value}")]);
    }
    // Root: the files of other cgroups are root's. The DaemonSet takes the capabilities away that it does not
    // need.
    labels.extend(["--user", "0:0", "--created-by", "cargo xtask dist"].map(ToOwned::to_owned));
    labels.extend(["--entrypoint", r#"["/usr/bin/lowtide"]"#, "--cmd", "run"].map(ToOwned::to_owned));
    labels.push(container.clone());
    buildah.run(&labels.iter().map(String::as_str).collect::<Vec<_>>())?;
    // The chart's default, so that `ctr --namespace=k8s.io images import` on a node is enough for it.
    let to = format!("oci:{}:localhost/lowtide:{}", text(&layout)?, dist.version);
    buildah.run(&["commit", "--quiet", "--rm", "--format", "oci", "--timestamp", &epoch, &container, &to])?;
    fs::remove_dir_all(&buildah.storage).context("cannot remove buildah's storage")?;
    let name = format!("lowtide-{}-oci.tar", dist.version);
    archive::pack(dist, &name, &layout, ".", &[])
}
