use std::sync::Arc;

use lowtide_core::escape::escaped;

/// The pod's annotation with which its owner chooses a policy.
pub const ANNOTATION: &str = "lowtide.io/policy";

/// Whose a container's cgroup is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Pod {
    /// The namespace, a DNS label.
    pub namespace: Arc<str>,
    /// The pod's name, a DNS subdomain: at most 253 characters.
    pub name: Arc<str>,
    /// The pod's UID. That of a static pod is no UUID.
    pub uid: Arc<str>,
    /// The container in the pod, a DNS label; `POD` for the sandbox itself.
    pub container: Arc<str>,
    /// What the pod's owner has chosen, if the runtime lets its annotation be seen.
    #[serde(skip)]
    pub wanted: Option<Wanted>,
}

/// The value of [`ANNOTATION`], fit for a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// It may be a name, or `off`: at most [`LONGEST`](Self::LONGEST) bytes, nothing that would have to be escaped.
    Text(Arc<str>),
    /// It is neither; this is what can be shown.
    Odd(Arc<str>),
}

impl Wanted {
    /// No policy has a longer name.
    pub const LONGEST: usize = 63;

    pub(crate) fn new(text: &str) -> Self {
        if text.len() > Self::LONGEST {
            return Self::Odd(format!("(more than {} bytes)", Self::LONGEST).into());
        }
        let shown = escaped(text);
        if *shown == *text { Self::Text(text.into()) } else { Self::Odd(shown.into()) }
    }
}

impl std::fmt::Display for Pod {
    /// `namespace/pod/container`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.name, self.container)
    }
}
