//! What a context asks for and a kernel does not have.

use crate::{
    Action, Capabilities, Context, Error, Layer, Operations, Part, Result, capabilities::PASSED, plan::Plan,
};

const DESTINATIONS: &str = "contexts/N/schemes/N/dests/nr_dests";

impl Capabilities {
    /// What `context` asks for and this kernel does not have.
    #[must_use]
    pub fn missing(&self, context: &Context) -> Vec<Part> {
        let mut parts = Plan::new(context, self.layered()).missing(self);
        let effects = needed_for_effect(context).filter(|file| !self.has_file(file));
        for part in effects.map(|file| Part { file: file.to_owned(), keyword: None }) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts
    }

    pub(crate) fn require(&self, context: &Context) -> Result<()> {
        let parts = self.missing(context);
        if parts.is_empty() { Ok(()) } else { Err(Error::Missing { parts }) }
    }
}

/// Files that are not written but came together with what a description means; without them the kernel takes
/// every write, and does something else.
fn needed_for_effect(context: &Context) -> impl Iterator<Item = &'static str> {
    let of_processes = context.space.operations() != Operations::Paddr;
    context.schemes.iter().filter_map(move |scheme| match scheme.action {
        // Up to 6.13 `stat` asks no filters of the operations.
        Action::Stat if scheme.filters.iter().any(|filter| filter.kind.layer() == Layer::Operations) => {
            Some(PASSED)
        }
        // Up to 6.16 processes' memory is not migrated; the destinations came in the same series.
        Action::MigrateHot(_) | Action::MigrateCold(_) if of_processes => Some(DESTINATIONS),
        _ => None,
    })
}
