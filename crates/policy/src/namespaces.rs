//! Which Kubernetes namespaces a policy is for.

use std::{collections::HashSet, sync::Arc};

use globset::{GlobSet, GlobSetBuilder};

use crate::pattern::{Fault, Pattern};

/// Whose a cgroup is, as far as a policy with `namespaces` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespace {
    /// No pod's: it is outside kubelet's tree.
    None,
    /// Some pod's, and nobody knows whose.
    Unknown,
    /// That of a pod in this namespace.
    Named(Arc<str>),
}

/// The checked globs of one policy; none of them: it does not ask.
#[derive(Debug, Clone, Default)]
pub(crate) struct Namespaces {
    exact: HashSet<String>,
    globs: GlobSet,
}

impl Namespaces {
    /// Compiles; fails if the globs are larger than the matcher takes.
    pub(crate) fn new(patterns: Vec<Pattern>) -> Result<Self, globset::Error> {
        let (mut exact, mut globs) = (HashSet::new(), GlobSetBuilder::new());
        for Pattern { text, glob, .. } in patterns {
            match glob {
                Some(glob) => drop(globs.add(glob)),
                None => drop(exact.insert(text)),
            }
        }
        Ok(Self { exact, globs: globs.build()? })
    }

    /// Whether the policy is for certain namespaces alone.
    pub(crate) fn asks(&self) -> bool {
        !self.exact.is_empty() || !self.globs.is_empty()
    }

    /// Whether the policy is for `namespace`.
    pub(crate) fn has(&self, namespace: &str) -> bool {
        let path = as_path(namespace);
        self.exact.contains(&path) || self.globs.is_match(&path)
    }
}

/// One glob, with `{a,b}` written out. Globs over paths know how a name is matched, and a namespace is one
/// name.
pub(crate) fn parse(text: &str) -> Result<Vec<Pattern>, Fault> {
    let help = || {
        "a namespace is 1 to 63 of a-z 0-9 -, as in `kubectl get namespaces`; `*` is any part of it"
            .to_owned()
    };
    if text.is_empty() {
        return Err(("the text is empty".to_owned(), help()));
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-*?[]{},!^".contains(c);
    if let Some(other) = text.chars().find(|c| !allowed(*c)) {
        return Err((format!("`{}` has the character `{other}`", crate::units::short(text)), help()));
    }
    Pattern::parse(&as_path(text))
}

fn as_path(name: &str) -> String {
    format!("/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(items: &[&str]) -> Namespaces {
        Namespaces::new(items.iter().flat_map(|item| parse(item).unwrap()).collect()).unwrap()
    }

    #[test]
    fn globs_over_one_name() {
        for (items, has, other) in [
            (&["shop"][..], &["shop"][..], &["shops", "ashop", "kube-system"][..]),
            (&["team-*"], &["team-", "team-a", "team-a-b"], &["team", "ateam-a"]),
            (&["{shop,pay}-[0-9]", "kube-?"], &["shop-1", "pay-7", "kube-x"], &["shop-x", "kube-xy"]),
            (&["*"], &["a", "kube-system"], &[]),
        ] {
            let set = set(items);
            assert!(set.asks());
            for name in has {
                assert!(set.has(name), "{items:?} {name}");
            }
            for name in other {
                assert!(!set.has(name), "{items:?} {name}");
            }
        }
        assert!(!Namespaces::default().asks());
    }

    #[test]
    fn what_no_namespace_can_match_is_refused() {
        for text in ["", "Shop", "shop/web", "a_b", "a.b", "/shop", "sh op", "a{b", "[a", "a**"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
