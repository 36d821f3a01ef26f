use std::fmt;

use anyhow::Result;

use crate::Corpus;

/// A parser that can be driven.
#[derive(Debug, Clone, Copy)]
pub struct Parser {
    /// What `--parser` names it by: the crate, and the file.
    pub name: &'static str,
    /// Makes it ready.
    pub(crate) start: fn(&Corpus) -> Result<Driver>,
}

impl Parser {
    /// Makes it ready; reads, and where it needs a tree, writes one.
    pub fn start(&self, corpus: &Corpus) -> Result<Driver> {
        (self.start)(corpus)
    }
}

/// Understands the contents of the slot of this index.
pub type Read = Box<dyn FnMut(usize, &[u8]) -> bool>;

/// A parser that is ready: the files it reads, and how it is given one.
pub struct Driver {
    /// What can be mutated; one of them in each input.
    pub slots: Vec<Slot>,
    /// Understands the contents of the slot of this index, all others as they were captured. True if they
    /// were accepted.
    pub read: Read,
}

/// A file that is mutated.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Its path, or what it is.
    pub name: String,
    /// What it held where it was captured.
    pub seeds: Vec<Vec<u8>>,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("slots", &self.slots).finish_non_exhaustive()
    }
}

/// A parser that takes bytes as they are.
pub(crate) fn bytes(
    name: &str,
    seeds: Vec<Vec<u8>>,
    mut read: impl FnMut(&[u8]) -> bool + 'static,
) -> Driver {
    let slots = vec![Slot { name: name.to_owned(), seeds }];
    Driver { slots, read: Box::new(move |_, input| read(input)) }
}

/// A parser that takes a text: what is none is refused before, as `Files::read` does.
pub(crate) fn text<T, E>(
    name: &str,
    seeds: Vec<Vec<u8>>,
    mut parse: impl FnMut(&str) -> Result<T, E> + 'static,
) -> Driver {
    bytes(name, seeds, move |input| std::str::from_utf8(input).is_ok_and(|text| parse(text).is_ok()))
}

/// The same, with what was captured, and what is typed in where nothing was.
pub(crate) fn seeds(corpus: &Corpus, ending: &str, more: &[&str]) -> Vec<Vec<u8>> {
    let mut seeds = corpus.ending(ending);
    seeds.extend(more.iter().map(|text| text.as_bytes().to_vec()));
    seeds
}
