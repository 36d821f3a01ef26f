//! Where runtimes keep the specs of what they run.

use lowtide_kernfs::{Files, Root};

use crate::{Container, Error, Pod, Runtime, parse};

/// A directory with a directory for each container.
struct State {
    runtime: Runtime,
    directory: &'static str,
    /// In the directory of a container.
    spec: &'static str,
}

/// Where they are unless somebody has configured them elsewhere. k3s and RKE2 bring a containerd of their
/// own.
const STATES: [State; 3] = [
    State {
        runtime: Runtime::Containerd,
        directory: "run/containerd/io.containerd.runtime.v2.task/k8s.io",
        spec: "config.json",
    },
    State {
        runtime: Runtime::Containerd,
        directory: "run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io",
        spec: "config.json",
    },
    State {
        runtime: Runtime::CriO,
        directory: "run/containers/storage/overlay-containers",
        spec: "userdata/config.json",
    },
];

/// No container with a longer spec can be started: execve(2) takes 6 MiB of arguments and environment
/// (fs/exec.c, `bprm_stack_limits`: three quarters of `_STK_LIM`), and JSON writes six bytes for one at most.
pub const LIMIT: usize = 64 << 20;

/// Whose `container` is.
///
/// The file is at most [`LIMIT`] bytes long, and no link below the directory of the runtime is followed. What
/// is read is added to `bytes`.
///
/// # Errors
///
/// If no runtime has it, or if what a runtime has does not say. What is odd about the directory of one
/// runtime says nothing about the others: they are looked into all the same, and the first error is the one
/// that counts.
pub fn find(root: &Root, container: Container<'_>, bytes: &mut usize) -> Result<Pod, Error> {
    find_within(LIMIT, root, container, bytes)
}

fn find_within(limit: usize, root: &Root, container: Container<'_>, bytes: &mut usize) -> Result<Pod, Error> {
    let mut first = None;
    for state in &STATES {
        match state.find(limit, root, container, bytes) {
            Ok(Some(pod)) => return Ok(pod),
            Ok(None) => {}
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    Err(first.unwrap_or_else(|| Error::NotThere {
        cgroup: container.cgroup().to_owned(),
        id: container.id().to_owned(),
        looked: STATES.map(|state| format!("/{}", state.directory)).join(", "),
    }))
}

impl State {
    /// Whose `container` is; `None` if this runtime has none of its ID.
    fn find(
        &self,
        limit: usize,
        root: &Root,
        container: Container<'_>,
        bytes: &mut usize,
    ) -> Result<Option<Pod>, Error> {
        let Some(directory) = optional(root.dir(self.directory))? else { return Ok(None) };
        let path = format!("{}/{}", container.id(), self.spec);
        let Some(mut file) = directory.reader(&path, limit)? else { return Ok(None) };
        let pod = parse(self.runtime, &mut file, container);
        *bytes += file.length();
        pod.map(Some).map_err(|fault| fault.at(file.path(), container.cgroup()))
    }
}

fn optional<T>(result: lowtide_kernfs::Result<T>) -> lowtide_kernfs::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
