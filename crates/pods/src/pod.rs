use std::sync::Arc;

use lowtide_core::{Policy, escape::escaped_bytes};

/// The pod's annotation with which its owner chooses a policy.
pub const ANNOTATION: &str = "lowtide.io/policy";

/// Whose a container's cgroup is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Pod {
    /// The namespace, a DNS label.
    pub namespace: Arc<str>,
    /// The pod's name, a DNS subdomain: at most 253 characters.
    pub name: Arc<str>,
    /// The pod's UID, if the runtime tells it: containerd does since 1.6.11. That of a static pod is no UUID.
    pub uid: Option<Arc<str>>,
    /// The container in the pod, a DNS label; `POD` for the sandbox itself.
    pub container: Arc<str>,
    /// What the pod's owner has chosen, if the runtime lets its annotation be seen.
    #[serde(skip)]
    pub wanted: Option<Wanted>,
}

/// What an owner has chosen, in [`ANNOTATION`] or in an attribute of its cgroup, fit for a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// It may be the name of a policy, or `off`: at most [`Policy::LONGEST_NAME`] bytes, nothing that would
    /// have to be escaped.
    Text(Arc<str>),
    /// It is neither; this is what can be shown.
    Odd(Arc<str>),
}

impl Wanted {
    /// What is written, whatever the bytes are.
    #[must_use]
    pub fn new(written: &[u8]) -> Self {
        if written.len() > Policy::LONGEST_NAME {
            return Self::longer();
        }
        let shown: Arc<str> = escaped_bytes(written).into();
        // What has to be escaped is no name.
        if shown.as_bytes() == written { Self::Text(shown) } else { Self::Odd(shown) }
    }

    /// What has more bytes than a name may have.
    #[must_use]
    pub fn longer() -> Self {
        Self::Odd(format!("(more than {} bytes)", Policy::LONGEST_NAME).into())
    }
}

impl std::fmt::Display for Pod {
    /// `namespace/pod/container`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.name, self.container)
    }
}
