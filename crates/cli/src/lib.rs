//! The command line of `lowtide` as a library, so that man pages and completions are made from what is
//! parsed.

pub mod man;
#[allow(missing_docs, reason = "a doc comment on a flattened field would be shown as its help")]
pub mod options;
