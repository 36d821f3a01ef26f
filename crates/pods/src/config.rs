//! What an OCI runtime spec (config.json) says of the pod.

use std::{
    io::{self, BufReader, Read},
    sync::Arc,
};

use lowtide_core::escape::escaped;
use serde::Deserialize;
use serde_json::error::Category;

use crate::{Broken, Container, Pod, Wanted, error::Fault, slices};

/// Whose spec it is. Each has its own annotations, and those of the other one may be the pod's: CRI-O copies
/// all annotations of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// `io.kubernetes.cri.…`, set after the annotations that `pod_annotations` lets through (containerd,
    /// internal/cri/server/podsandbox and container_create.go: `DefaultCRIAnnotations` comes last).
    Containerd,
    /// The labels that kubelet gives each container, set after the pod's annotations (CRI-O,
    /// internal/factory/container/container.go, `SpecAddAnnotations`).
    CriO,
}

/// The spec, as far as it is read.
#[derive(Deserialize)]
struct Spec {
    #[serde(default)]
    annotations: Annotations,
    #[serde(default)]
    linux: Linux,
}

#[derive(Deserialize, Default)]
struct Linux {
    #[serde(rename = "cgroupsPath", default)]
    cgroups_path: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "io.kubernetes.cri.container-type")]
    cri_type: Option<String>,
    #[serde(rename = "io.kubernetes.cri.sandbox-namespace")]
    cri_namespace: Option<String>,
    #[serde(rename = "io.kubernetes.cri.sandbox-name")]
    cri_name: Option<String>,
    #[serde(rename = "io.kubernetes.cri.sandbox-uid")]
    cri_uid: Option<String>,
    #[serde(rename = "io.kubernetes.cri.container-name")]
    cri_container: Option<String>,
    #[serde(rename = "io.kubernetes.pod.namespace")]
    namespace: Option<String>,
    #[serde(rename = "io.kubernetes.pod.name")]
    name: Option<String>,
    #[serde(rename = "io.kubernetes.pod.uid")]
    uid: Option<String>,
    #[serde(rename = "io.kubernetes.container.name")]
    container: Option<String>,
    #[serde(rename = "lowtide.io/policy")]
    policy: Option<String>,
}

/// A name with the annotation that it comes from.
type Named<'a> = (&'static str, &'a Option<String>);

/// The container in the sandbox's spec, as kubelet and CRI-O call it.
const SANDBOX: &str = "POD";
const ABSENT: &str = "not there";
const NO_NAME: &str = "not a name that Kubernetes allows";
/// A DNS label; a DNS subdomain; a UID has 36 characters, or 32.
const LABEL: usize = 63;
const SUBDOMAIN: usize = 253;

/// Whose `container` is by `spec`, what `runtime` has of its ID. It is read piece by piece, and what is not
/// looked for is passed over: a pod's owner makes a spec as long as it likes.
///
/// # Errors
///
/// If it cannot be read, or is no spec, of no container of a pod, or of another cgroup: a name alone is no
/// identity.
pub fn parse(runtime: Runtime, spec: impl Read, container: Container<'_>) -> Result<Pod, Fault> {
    let spec: Spec = serde_json::from_reader(BufReader::new(spec)).map_err(no_spec)?;
    belongs(spec.linux.cgroups_path.as_ref(), container)?;
    let Annotations { cri_type, .. } = &spec.annotations;
    let annotations = &spec.annotations;
    let [namespace, pod, uid, name]: [Named<'_>; 4] = match runtime {
        Runtime::Containerd => [
            ("io.kubernetes.cri.sandbox-namespace", &annotations.cri_namespace),
            ("io.kubernetes.cri.sandbox-name", &annotations.cri_name),
            ("io.kubernetes.cri.sandbox-uid", &annotations.cri_uid),
            ("io.kubernetes.cri.container-name", &annotations.cri_container),
        ],
        Runtime::CriO => [
            ("io.kubernetes.pod.namespace", &annotations.namespace),
            ("io.kubernetes.pod.name", &annotations.name),
            ("io.kubernetes.pod.uid", &annotations.uid),
            ("io.kubernetes.container.name", &annotations.container),
        ],
    };
    let is_sandbox = match runtime {
        Runtime::Containerd => cri_type.as_ref().is_some_and(|kind| kind == "sandbox"),
        Runtime::CriO => name.1.as_ref().is_some_and(|name| name == SANDBOX),
    };
    Ok(Pod {
        namespace: valid(namespace, LABEL)?,
        name: valid(pod, SUBDOMAIN)?,
        uid: uid.1.is_some().then(|| valid(uid, LABEL)).transpose()?,
        container: if is_sandbox { SANDBOX.into() } else { valid(name, LABEL)? },
        wanted: annotations.policy.as_ref().map(|text| Wanted::new(text.as_bytes())),
    })
}

/// What serde has to say may quote the file.
fn no_spec(error: serde_json::Error) -> Fault {
    let (line, column) = (error.line(), error.column());
    let what = match error.classify() {
        Category::Io => match io::Error::from(error).downcast() {
            Ok(error) => return Fault::File(error),
            Err(_) => Broken::Unread,
        },
        Category::Syntax => Broken::Syntax,
        Category::Eof => Broken::Short,
        Category::Data => Broken::Data,
    };
    Fault::NoSpec { line, column, what }
}

fn belongs(written: Option<&String>, container: Container<'_>) -> Result<(), Fault> {
    const SHOWN: usize = 256;
    let written = written.map_or("", String::as_str);
    if slices::cgroup(written).as_deref() == Some(container.cgroup()) {
        return Ok(());
    }
    let found: String = written.chars().take(SHOWN).collect();
    Err(Fault::Elsewhere { found: escaped(&found).into_owned() })
}

/// A name as Kubernetes allows it: nothing of it has to be escaped anywhere.
fn valid((annotation, text): Named<'_>, longest: usize) -> Result<Arc<str>, Fault> {
    let Some(text) = text else { return Err(Fault::NoPod { annotation, how: ABSENT }) };
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    if (1..=longest).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.as_str().into())
    } else {
        Err(Fault::NoPod { annotation, how: NO_NAME })
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
