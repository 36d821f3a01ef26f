//! Names as numbers, counted from nought within a segment: each is written once.

use std::{collections::HashMap, sync::Arc};

/// The writer's end.
#[derive(Debug, Default)]
pub(crate) struct Interned {
    numbers: HashMap<Arc<str>, u32>,
    /// Those that the record being made has brought, in the order of their numbers, which are the last ones.
    fresh: Vec<Arc<str>>,
}

impl Interned {
    /// The name's number.
    pub(crate) fn number(&mut self, name: &Arc<str>) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = count(self.numbers.len());
        self.numbers.insert(Arc::clone(name), number);
        self.fresh.push(Arc::clone(name));
        number
    }

    /// Those that the record being made has brought.
    pub(crate) fn fresh(&self) -> &[Arc<str>] {
        &self.fresh
    }

    /// The number of the first of them.
    pub(crate) fn first_fresh(&self) -> u32 {
        count(self.numbers.len() - self.fresh.len())
    }

    /// The record is on the disk.
    pub(crate) fn keep(&mut self) {
        self.fresh.clear();
    }

    /// The record is not on the disk: the next one brings its names again.
    pub(crate) fn forget(&mut self) {
        for name in self.fresh.drain(..) {
            self.numbers.remove(&name);
        }
    }
}

/// No segment has room for as many.
fn count(names: usize) -> u32 {
    u32::try_from(names).unwrap_or(u32::MAX)
}

/// The reader's end.
#[derive(Debug, Default)]
pub(crate) struct Known {
    names: HashMap<u32, Arc<str>>,
}

impl Known {
    /// Takes the names in that a record brings.
    pub(crate) fn learn(&mut self, first: u32, names: Vec<Arc<str>>) {
        for (offset, name) in (0..).zip(names) {
            self.names.insert(first.saturating_add(offset), name);
        }
    }

    /// The name; `None` if the record that brought it was lost.
    pub(crate) fn name(&self, number: u32) -> Option<Arc<str>> {
        self.names.get(&number).cloned()
    }
}
