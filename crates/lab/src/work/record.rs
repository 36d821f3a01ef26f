//! What keys and files hold: records that look like data, and that lz4 compresses to about a third.

use crate::random::scramble;

/// One record: words that repeat, and bytes that do not.
const WORDS: &[u8] = b"{\"customer\": \"000000\", \"state\": \"sent\", \"sum\":";
const RANDOM: usize = 18;

/// So many bytes of records that belong to `item` of the data set with this seed.
#[must_use]
pub fn records(seed: u64, item: usize, bytes: usize) -> Vec<u8> {
    let mut state = scramble(seed).wrapping_add(item as u64);
    let mut content = Vec::with_capacity(bytes + WORDS.len() + RANDOM);
    while content.len() < bytes {
        content.extend_from_slice(WORDS);
        let noise = std::iter::repeat_with(|| {
            state = scramble(state);
            state.to_ne_bytes()
        });
        content.extend(noise.flatten().take(RANDOM));
    }
    content.truncate(bytes);
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_differ_and_are_repeatable() {
        assert_eq!(records(1, 7, 2048), records(1, 7, 2048));
        assert_ne!(records(1, 7, 2048), records(1, 8, 2048));
        assert_eq!(records(1, 7, 2048).len(), 2048);
    }

    #[test]
    fn about_a_third_of_a_record_does_not_repeat() {
        let percent = RANDOM * 100 / (WORDS.len() + RANDOM);
        assert!((25..33).contains(&percent), "{percent}: a match costs lz4 three bytes more for each record");
    }
}
