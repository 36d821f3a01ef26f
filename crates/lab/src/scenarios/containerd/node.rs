//! A node: containerd with systemd's cgroups, the images, and what stands for kubelet.

use super::super::IMAGE;
use crate::guest::systemd::{start_service, wait_for};
use crate::guest::{Cgroup, cgroup};
use crate::process::{output, output_of};
use crate::spec::STAGE;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The cgroup of what stands for kubelet.
pub(super) const KUBELET: &str = "/sys/fs/cgroup/system.slice/kubelet.service";
/// Where containerd keeps what its containers are made of.
pub(super) const STATE: &str = "/run/containerd/io.containerd.runtime.v2.task/k8s.io";

const KUBELET_PY: &str = include_str!("kubelet.py");

/// As on a node made by kubeadm, and with the annotations that lowtide hears.
const CONFIG: &str = r#"version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/tools:1"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    pod_annotations = ["lowtide.io/*"]
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
"#;

/// A pod with one container.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pod {
    sandbox: String,
    /// Its id.
    pub(super) container: String,
    slice: String,
}

impl Pod {
    /// Of its container, as runc names it with systemd's cgroups.
    pub(super) fn cgroup(&self) -> Cgroup {
        let slices =
            self.slice.match_indices('-').map(|(place, _)| format!("{}.slice", &self.slice[..place]));
        let mut path: PathBuf = std::iter::once(cgroup::ROOT.to_owned()).chain(slices).collect();
        path.push(&self.slice);
        path.push(format!("cri-containerd-{}.scope", self.container));
        Cgroup::at(&path)
    }

    /// The container's first process.
    pub(super) fn process(&self) -> Result<u32> {
        let text = self.cgroup().read("cgroup.procs")?;
        let first = text.lines().next().context("the container has no process")?;
        first.parse().with_context(|| format!("a process called {first:?}"))
    }
}

/// Runs pods.
#[derive(Debug)]
pub(super) struct Kubelet {
    script: String,
}

impl Kubelet {
    /// Brings the node up.
    pub(super) fn start() -> Result<Self> {
        let script = format!("{STAGE}/kubelet.py");
        fs::write(&script, KUBELET_PY)?;
        start_containerd()?;
        // Its processes come and go; the cgroup is there as long as this one.
        start_service("kubelet.service", &["sleep", "infinity"])?;
        let kubelet = Self { script };
        let tools = format!("{STAGE}/tools.tar");
        kubelet.call(&["image", &tools, &format!("{STAGE}/busybox")])?;
        for image in [&tools, &format!("{STAGE}/{IMAGE}")] {
            println!("{}", output("ctr", &["--namespace=k8s.io", "images", "import", image])?);
        }
        Ok(kubelet)
    }

    /// Runs the pods of a text in YAML, with other texts for keys of its ConfigMaps.
    pub(super) fn run(
        &self,
        name: &str,
        objects: &str,
        replaced: &[(&str, &str)],
    ) -> Result<BTreeMap<String, Pod>> {
        let file = format!("{STAGE}/{name}.yaml");
        fs::write(&file, objects)?;
        let mut arguments = vec!["run".to_owned(), file];
        for (key, text) in replaced {
            let file = format!("{STAGE}/{name}-{key}");
            fs::write(&file, text)?;
            arguments.push(format!("{key}={file}"));
        }
        let said = self.call(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
        serde_json::from_str(&said).with_context(|| format!("kubelet.py printed {said}"))
    }

    /// As `kubectl exec`.
    pub(super) fn exec(&self, pod: &Pod, command: &[&str]) -> Result<String> {
        self.call(&[&["exec", &pod.container], command].concat())
    }

    /// Ends the container: SIGTERM, and SIGKILL after so many seconds. Its exit status.
    pub(super) fn stop(&self, pod: &Pod, seconds: u32) -> Result<i32> {
        let said = self.call(&["stop", &pod.container, &seconds.to_string()])?;
        said.trim().parse().with_context(|| format!("kubelet.py printed {said}"))
    }

    /// Takes it away.
    pub(super) fn remove(&self, pod: &Pod) -> Result<()> {
        self.call(&["remove", &pod.sandbox, &pod.container]).map(drop)
    }

    /// In kubelet's cgroup, which the volumes that it writes are charged to.
    fn call(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("lab-guest");
        command.args(["exec-in", KUBELET, "--", "/usr/bin/python3", &self.script]).args(arguments);
        output_of(&mut command)
    }
}

fn start_containerd() -> Result<()> {
    let state = Path::new("/var/lib/containerd");
    fs::create_dir_all(state)?;
    // The machine's own root is an overlay, which can be no part of another one.
    output("mount", &["-t", "tmpfs", "tmpfs", "/var/lib/containerd"])?;
    let config = format!("{STAGE}/containerd.toml");
    fs::write(&config, CONFIG)?;
    let path = std::env::var("PATH").context("there is no PATH")?;
    let options = [
        "--quiet",
        "--unit=containerd.service",
        "--property=DefaultDependencies=no",
        "--property=Delegate=yes",
        "--property=KillMode=process",
        &format!("--setenv=PATH={path}"),
    ];
    output("systemd-run", &[&options[..], &["--", "containerd", "--config", &config]].concat())?;
    let up = wait_for("containerd answers", Duration::from_mins(3), || {
        let plugins = output("ctr", &["plugins", "list"]).unwrap_or_default();
        Ok(plugins.lines().any(|line| line.contains("cri") && line.trim_end().ends_with("ok")))
    });
    if up.is_err() {
        bail!("containerd does not come up: {}", journal("containerd.service"));
    }
    Ok(())
}

/// What can be found out where a container does not do what it shall.
pub(super) fn logs(pod: &Pod) -> String {
    let state = output("ctr", &["--namespace=k8s.io", "tasks", "list"]).unwrap_or_default();
    format!("{}\n{state}\n{}", pod.container, journal("containerd.service"))
}

fn journal(unit: &str) -> String {
    output("journalctl", &["--unit", unit, "--no-pager", "--lines", "60"]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_lies_in_the_slices_that_its_name_begins_with() {
        let pod = Pod {
            sandbox: String::new(),
            container: "c0".into(),
            slice: "kubepods-burstable-podab_cd.slice".into(),
        };
        assert_eq!(
            pod.cgroup().name(),
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podab_cd.slice/cri-containerd-c0.scope"
        );
    }
}
