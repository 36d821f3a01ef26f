//! A minute as bytes, and back. Pure.

use std::sync::Arc;

use crate::{
    names::{Interned, Known},
    record::Minute,
};

/// What a frame holds.
#[derive(serde::Serialize, serde::Deserialize)]
struct Payload {
    /// The number of the first of `names`.
    first: u32,
    /// Names that no record before it in the segment has.
    names: Vec<Arc<str>>,
    minute: Minute<u32>,
}

/// Why a payload is no minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undecodable {
    /// It is no payload of this version.
    Wrong,
    /// A record that brought one of its names was lost.
    Nameless,
}

/// The payload. The names that it brings are fresh in `names` until that is told what became of the record.
pub(crate) fn payload(minute: Minute, names: &mut Interned) -> Result<Vec<u8>, postcard::Error> {
    let mut number = |name: Arc<str>| Ok::<_, postcard::Error>(names.number(&name));
    let minute = minute.renamed(&mut number)?;
    postcard::to_stdvec(&Payload { first: names.first_fresh(), names: names.fresh().to_vec(), minute })
}

/// The minute of a payload. Its names are learnt for the ones after it.
pub(crate) fn minute(payload: &[u8], known: &mut Known) -> Result<Minute, Undecodable> {
    let (Payload { first, names, minute }, rest) =
        postcard::take_from_bytes(payload).map_err(|_| Undecodable::Wrong)?;
    if !rest.is_empty() {
        return Err(Undecodable::Wrong);
    }
    known.learn(first, names);
    minute.renamed(&mut |number| known.name(number).ok_or(Undecodable::Nameless))
}
