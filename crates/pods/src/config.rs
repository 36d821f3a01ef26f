//! What an OCI runtime spec (config.json) says of the pod.

use std::{borrow::Cow, sync::Arc};

use lowtide_core::escape::escaped;
use serde::Deserialize;
use serde_json::error::Category;

use crate::{Broken, Container, Pod, Wanted, error::Fault, slices};

/// Whose spec it is. Each has its own annotations, and those of the other one may be the pod's: CRI-O copies all annotations of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// `io.kubernetes.cri.…`, set after the annotations that `pod_annotations` lets through (containerd,
    /// internal/cri/server/podsandbox and container_create.go: `DefaultCRIAnnotations` comes last).
    Containerd,
    /// The labels that kubelet gives each container, set after the pod's annotations (CRI-O, internal/factory/container/container.go,
    /// `SpecAddAnnotations`).
    CriO,
}

/// The spec, as far as it is read.
#[derive(Deserialize)]
struct Spec<'s> {
    #[serde(borrow, default)]
    annotations: Annotations<'s>,
    #[serde(borrow, default)]
    linux: Linux<'s>,
}

#[derive(Deserialize, Default)]
struct Linux<'s> {
    #[serde(borrow, rename = "cgroupsPath", default)]
    cgroups_path: Option<Text<'s>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Annotations<'s> {
    #[serde(borrow, rename = "io.kubernetes.cri.container-type")]
    cri_type: Option<Text<'s>>,
    #[serde(borrow, rename = "io.kubernetes.cri.sandbox-namespace")]
    cri_namespace: Option<Text<'s>>,
    #[serde(borrow, rename = "io.kubernetes.cri.sandbox-name")]
    cri_name: Option<Text<'s>>,
    #[serde(borrow, rename = "io.kubernetes.cri.sandbox-uid")]
    cri_uid: Option<Text<'s>>,
    #[serde(borrow, rename = "io.kubernetes.cri.container-name")]
    cri_container: Option<Text<'s>>,
    #[serde(borrow, rename = "io.kubernetes.pod.namespace")]
    namespace: Option<Text<'s>>,
    #[serde(borrow, rename = "io.kubernetes.pod.name")]
    name: Option<Text<'s>>,
    #[serde(borrow, rename = "io.kubernetes.pod.uid")]
    uid: Option<Text<'s>>,
    #[serde(borrow, rename = "io.kubernetes.container.name")]
    container: Option<Text<'s>>,
    #[serde(borrow, rename = "lowtide.io/policy")]
    policy: Option<Text<'s>>,
}

/// Borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'s>(#[serde(borrow)] Cow<'s, str>);

/// A name with the annotation that it comes from.
type Named<'a, 's> = (&'static str, &'a Option<Text<'s>>);

/// The container in the sandbox's spec, as kubelet and CRI-O call it.
const SANDBOX: &str = "POD";
const ABSENT: &str = "not there";
const NO_NAME: &str = "not a name that Kubernetes allows";
/// A DNS label; a DNS subdomain; a UID has 36 characters, or 32.
const LABEL: usize = 63;
const SUBDOMAIN: usize = 253;

/// Whose `container` is by `text`, the spec that `runtime` has of its ID.
///
/// # Errors
///
/// If it is no spec, of no container of a pod, or of another cgroup: a name alone is no identity.
pub fn parse(runtime: Runtime, text: &str, container: Container<'_>) -> Result<Pod, Fault> {
    let spec: Spec<'_> = serde_json::from_str(text).map_err(|error| no_spec(&error))?;
    belongs(spec.linux.cgroups_path.as_ref(), container)?;
    let Annotations { cri_type, .. } = &spec.annotations;
    let annotations = &spec.annotations;
    let [namespace, pod, uid, name]: [Named<'_, '_>; 4] = match runtime {
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
        Runtime::Containerd => cri_type.as_ref().is_some_and(|kind| kind.0 == "sandbox"),
        Runtime::CriO => name.1.as_ref().is_some_and(|name| name.0 == SANDBOX),
    };
    Ok(Pod {
        namespace: valid(namespace, LABEL)?,
        name: valid(pod, SUBDOMAIN)?,
        uid: uid.1.is_some().then(|| valid(uid, LABEL)).transpose()?,
        container: if is_sandbox { SANDBOX.into() } else { valid(name, LABEL)? },
        wanted: annotations.policy.as_ref().map(|text| Wanted::new(text.0.as_bytes())),
    })
}

/// What serde has to say may quote the file.
fn no_spec(error: &serde_json::Error) -> Fault {
    let what = match error.classify() {
        Category::Io | Category::Syntax => Broken::Syntax,
        Category::Eof => Broken::Short,
        Category::Data => Broken::Data,
    };
    Fault::NoSpec { line: error.line(), column: error.column(), what }
}

fn belongs(written: Option<&Text<'_>>, container: Container<'_>) -> Result<(), Fault> {
    const SHOWN: usize = 256;
    let written = written.map_or("", |text| &text.0);
    if slices::cgroup(written).as_deref() == Some(container.cgroup()) {
        return Ok(());
    }
    let found: String = written.chars().take(SHOWN).collect();
    Err(Fault::Elsewhere { found: escaped(&found).into_owned() })
}

/// A name as Kubernetes allows it: nothing of it has to be escaped anywhere.
fn valid((annotation, text): Named<'_, '_>, longest: usize) -> Result<Arc<str>, Fault> {
    let Some(Text(text)) = text else { return Err(Fault::NoPod { annotation, how: ABSENT }) };
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    if (1..=longest).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.as_ref().into())
    } else {
        Err(Fault::NoPod { annotation, how: NO_NAME })
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
