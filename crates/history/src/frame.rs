//! Frames: a mark, the payload's length, a checksum of both, the payload. Pure.
//!
//! After a frame that is wrong the next mark is searched for, so that one bad sector costs one minute.

/// Neither byte at the ends occurs in UTF-8, so no name of a tenant has it.
const MARK: [u8; 4] = [0xff, b'L', b'T', 0xfe];
const HEAD: usize = 12;

/// A frame around `payload`.
pub(crate) fn frame(payload: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(payload.len()).ok()?.to_le_bytes();
    let mut frame = Vec::with_capacity(HEAD + payload.len());
    frame.extend_from_slice(&MARK);
    frame.extend_from_slice(&length);
    frame.extend_from_slice(&checksum(length, payload).to_le_bytes());
    frame.extend_from_slice(payload);
    Some(frame)
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// What stands at some place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A payload as it was written.
    Payload(&'a [u8]),
    /// Bytes that are no frame, up to the next one.
    Wrong,
    /// Bytes that are no frame, up to the end: a write that was cut, or is under way.
    Cut,
}

/// Every frame of `bytes`, and what is between them.
pub(crate) fn frames(bytes: &[u8]) -> Frames<'_> {
    Frames { rest: bytes }
}

/// See [`frames`].
pub(crate) struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Frames<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some(payload) = begin(self.rest) {
            self.rest = &self.rest[HEAD + payload.len()..];
            return Some(Found::Payload(payload));
        }
        let next = (1..self.rest.len()).find(|at| begin(&self.rest[*at..]).is_some());
        self.rest = next.map_or(&[], |at| &self.rest[at..]);
        Some(if next.is_some() { Found::Wrong } else { Found::Cut })
    }
}

/// The payload of the frame that `bytes` begin with.
fn begin(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&MARK)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let payload = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    (checksum(*length, payload) == u32::from_le_bytes(*sum)).then_some(payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(payloads: &[Vec<u8>]) -> Vec<u8> {
        payloads.iter().flat_map(|payload| frame(payload).unwrap()).collect()
    }

    fn found(bytes: &[u8]) -> Vec<Vec<u8>> {
        let payload = |found| match found {
            Found::Payload(payload) => Some(payload.to_vec()),
            Found::Wrong | Found::Cut => None,
        };
        frames(bytes).filter_map(payload).collect()
    }

    #[test]
    fn cut_at_every_byte_nothing_before_is_lost() {
        let payloads = [b"one".to_vec(), Vec::new(), b"three".to_vec()];
        let bytes = whole(&payloads);
        let ends: Vec<usize> = (1..=payloads.len()).map(|count| whole(&payloads[..count]).len()).collect();
        for cut in 0..bytes.len() {
            let kept = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(found(&bytes[..cut]), payloads[..kept], "{cut}");
            let torn = frames(&bytes[..cut]).filter(|found| *found == Found::Cut).count();
            assert_eq!(torn, usize::from(cut != 0 && !ends.contains(&cut)), "{cut}");
        }
    }

    #[test]
    fn a_bit_that_fell_over_costs_one_frame() {
        let payloads = [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
        let good = whole(&payloads);
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = found(&bytes);
            assert_eq!(found.len(), 2, "{bit}");
            assert!(found.iter().all(|payload| payloads.contains(payload)), "{bit}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(frames(&bytes).count() <= bytes.len());
        }

        #[test]
        fn what_is_framed_is_found(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..20),
        ) {
            prop_assert_eq!(found(&whole(&payloads)), payloads);
        }
    }
}
