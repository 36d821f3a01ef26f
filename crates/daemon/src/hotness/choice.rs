//! Which source of idle ages this kernel has: the best of those that the configuration allows.

use lowtide_cgroup::Mount;
use lowtide_core::idle::Source;
use lowtide_kernfs::Root;
use lowtide_mglru::{LruGen, Support};
use lowtide_policy::SourceChoice;

use super::{Ager, mglru::Mglru};

/// A source, and why it is this one.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) source: Option<Source>,
    pub(super) why: String,
    pub(super) ager: Option<Box<dyn Ager>>,
}

impl Choice {
    fn none(why: impl Into<String>) -> Self {
        Self { source: None, why: why.into(), ager: None }
    }
}

/// Looks what there is; writes nothing.
pub(super) fn choose(root: &Root, mount: &Mount, wanted: SourceChoice) -> Choice {
    match wanted {
        SourceChoice::None => Choice::none("`hotness.source` is none"),
        SourceChoice::Mglru | SourceChoice::Auto => mglru(root, mount),
        SourceChoice::Damon => Choice::none("DAMON is not supported by this version of lowtide"),
    }
}

fn mglru(root: &Root, mount: &Mount) -> Choice {
    let support = match Support::probe(root) {
        Ok(support) => support,
        Err(error) => return Choice::none(error.to_string()),
    };
    if !support.is_available() {
        let remedy = support.remedy().map(|remedy| format!("; {remedy}")).unwrap_or_default();
        return Choice::none(format!("{support}{remedy}"));
    }
    let ager = Mglru::new(LruGen::new(root.clone()), mount.clone());
    Choice { source: Some(Source::Mglru), why: support.to_string(), ager: Some(Box::new(ager)) }
}
