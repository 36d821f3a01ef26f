//! The text of the file: records of a memcg, its nodes, and their generations.
//!
//! ```text
//! memcg     3 /web/api
//!  node     0
//!           4       8120       1024          0
//! ```
//!
//! Written by `lru_gen_seq_show` in mm/vmscan.c, the same from 6.1 to 7.3: number of the generation,
//! milliseconds since its birth, pages of anonymous memory and of page cache. The path is as it is: blanks
//! and backslashes are not escaped, and the kernel refuses a line break in the name of a cgroup
//! (`cgroup_mkdir`).

use std::time::Duration;

use lowtide_core::{ByType, Bytes};
use lowtide_kernfs::{Fault, parse::number};

use crate::{Generation, Memcg, MemcgId, Node};

/// Far more than any kernel has (MAX_NUMNODES is 1024, MAX_NR_GENS 4): bounds the memory of one record.
const MANY: usize = 4096;

const PAGE: u64 = Bytes::pages(1).get();

/// Understands the whole file.
pub fn parse(text: &str) -> Result<Vec<Memcg>, Fault> {
    let (mut memcgs, mut records) = (Vec::new(), Records::default());
    // Not `lines()`: the name of a cgroup may end with a carriage return.
    for line in text.split_terminator('\n') {
        memcgs.extend(records.line(line)?);
    }
    memcgs.extend(records.end()?);
    Ok(memcgs)
}

/// Puts one memcg after the other together from their lines, and holds no more than one.
#[derive(Debug, Default)]
pub(crate) struct Records {
    number: usize,
    current: Option<Memcg>,
    /// The lines of a memcg whose path is no text are passed over.
    skipping: bool,
    /// There always is the root's memcg.
    any: bool,
}

impl Records {
    /// Takes a line in; returns the memcg that it ends.
    pub(crate) fn line(&mut self, line: &str) -> Result<Option<Memcg>, Fault> {
        self.number += 1;
        if let Some(rest) = line.strip_prefix("memcg ") {
            (self.skipping, self.any) = (false, true);
            let begun = header(rest).ok_or_else(|| self.fault(line, "a line `memcg ID PATH`"))?;
            return self.ended(Some(begun));
        }
        let trimmed = line.trim_ascii();
        if self.skipping || trimmed.is_empty() {
            return Ok(None);
        }
        let Some(memcg) = &mut self.current else {
            return Err(self.fault(line, "a line `memcg ID PATH`"));
        };
        if let Some(word) = trimmed.strip_prefix("node ") {
            let id = number(self.number, word.trim_ascii())?;
            let id = u32::try_from(id).map_err(|_| Fault::new(self.number, word, "the number of a node"))?;
            check(memcg.nodes.last().is_none_or(|last| last.id < id), self.number, line, "a later node")?;
            check(memcg.nodes.len() < MANY, self.number, line, "the next memcg")?;
            memcg.nodes.push(Node { id, generations: Vec::new() });
        } else if !trimmed.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let generation = generation(self.number, trimmed)?;
            let node = memcg.nodes.last_mut();
            let node = node.ok_or_else(|| Fault::new(self.number, line, "a line `node N`"))?;
            let next = node.youngest().is_none_or(|last| last.seq.checked_add(1) == Some(generation.seq));
            check(next, self.number, line, "the next generation")?;
            check(node.generations.len() < MANY, self.number, line, "the next node")?;
            node.generations.push(generation);
        }
        Ok(None)
    }

    /// A line of which nothing is text: the header of a memcg with such a path, which cannot be anybody's
    /// target.
    pub(crate) fn unreadable(&mut self) -> Result<Option<Memcg>, Fault> {
        self.number += 1;
        self.skipping = true;
        self.ended(None)
    }

    /// The last memcg.
    pub(crate) fn end(mut self) -> Result<Option<Memcg>, Fault> {
        check(self.any, self.number.max(1), "", "a line `memcg ID PATH`")?;
        self.ended(None)
    }

    /// Whether a memcg is being put together that has a node.
    pub(crate) fn in_the_middle(&self) -> bool {
        self.current.as_ref().is_some_and(|memcg| !memcg.nodes.is_empty())
    }

    /// A memcg without nodes, or a node with fewer generations than every kernel has, was cut off.
    fn ended(&mut self, next: Option<Memcg>) -> Result<Option<Memcg>, Fault> {
        let ended = std::mem::replace(&mut self.current, next);
        let whole = ended.as_ref().is_none_or(|memcg| {
            !memcg.nodes.is_empty() && memcg.nodes.iter().all(|node| node.generations.len() >= 2)
        });
        check(whole, self.number, "", "at least one node with two generations")?;
        Ok(ended)
    }

    fn fault(&self, line: &str, expected: &'static str) -> Fault {
        Fault::new(self.number, line, expected)
    }
}

fn check(good: bool, number: usize, line: &str, expected: &'static str) -> Result<(), Fault> {
    if good { Ok(()) } else { Err(Fault::new(number, line, expected)) }
}

/// `    3 /web`: right-aligned up to 6.19, then one blank, then the path and nothing else.
fn header(rest: &str) -> Option<Memcg> {
    let (id, path) = rest.trim_ascii_start().split_once(' ')?;
    Some(Memcg { id: MemcgId(number(0, id).ok()?), path: path.to_owned(), nodes: Vec::new() })
}

fn generation(line: usize, text: &str) -> Result<Generation, Fault> {
    let mut words = text.split_ascii_whitespace();
    let mut next = || number(line, words.next().unwrap_or_default());
    let (seq, age) = (next()?, next()?);
    let mut pages = || {
        let count = next()?;
        let bytes = count.checked_mul(PAGE).map(Bytes::new);
        bytes.ok_or_else(|| Fault::new(line, text, "a line with fewer pages than 2^52"))
    };
    let size = ByType { anon: pages()?, file: pages()? };
    Ok(Generation { seq, age: Duration::from_millis(age), size })
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
