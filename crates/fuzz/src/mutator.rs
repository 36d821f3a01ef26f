//! Texts of lines and words that are nearly right: what a kernel, a tenant or a failing disk could make of a
//! file.

use std::ops::Range;

use lowtide_lab::random::Random;

/// A text that is longer is often cut to a window of its lines: one odd line says as much there, and takes
/// less time to understand.
const WINDOW: usize = 3 << 10;
/// Of another file no more than this is taken.
const MOST_FOREIGN: usize = 8 << 10;
/// Longer than any limit of a line in the product.
const LONGEST: u64 = 70_000;

/// What stands in the place of a number.
const NUMBERS: [&str; 26] = [
    "0",
    "1",
    "-1",
    "+1",
    "18446744073709551615",
    "18446744073709551614",
    "18446744073709551616",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "4294967295",
    "4294967296",
    "2147483648",
    "65536",
    "4503599627370496",
    "36028797018963967",
    "340282366920938463463374607431768211456",
    "00000000000000000000000000000000000000001",
    "0x10",
    "1e400",
    "0.5",
    "NaN",
    "inf",
    "max",
    "ffffffffffffffff",
    "",
];

/// What stands in the place of a word, or is put before one.
const WORDS: [&str; 24] = [
    "max",
    "none",
    "Y",
    "N",
    "kB",
    "=",
    ":",
    ",",
    "-",
    "N0=",
    "(deleted)",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "#",
    "~",
    "*",
    "some",
    "full",
    "zram0",
    "..",
];

/// Bytes that are special to somebody: terminals, C, UTF-8, YAML, JSON, paths.
const BYTES: [u8; 22] = [
    0, 0x1b, 0xff, 0xfe, 0xc3, 0xe2, 0x80, b'\r', b'\n', b'\t', b' ', 0x7f, b'"', b'\\', b'/', b':', b'=',
    b'-', b'{', b'[', 0xef, b'0',
];

/// Makes inputs. The same seed, the same inputs.
#[derive(Debug)]
pub(crate) struct Mutator<'a> {
    random: Random,
    foreign: &'a [Vec<u8>],
}

impl<'a> Mutator<'a> {
    pub(crate) fn new(seed: u64, foreign: &'a [Vec<u8>]) -> Self {
        Self { random: Random::new(seed), foreign }
    }

    /// Less than `end`; zero if that is zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.random.below(end as u64)).unwrap_or_default()
    }

    /// The next input, made from one of the seeds.
    pub(crate) fn next(&mut self, seeds: &[Vec<u8>], text: &mut Vec<u8>) {
        text.clear();
        match self.below(64) {
            0 => {
                let other = self.of(self.foreign).unwrap_or_default();
                text.extend_from_slice(&other[..other.len().min(MOST_FOREIGN)]);
            }
            1 => {}
            _ => {
                let seed = self.of(seeds).unwrap_or_default();
                text.extend_from_slice(self.window(seed));
            }
        }
        for _ in 0..self.below(4) {
            self.edit(text);
        }
    }

    fn of<'b>(&mut self, all: &'b [Vec<u8>]) -> Option<&'b [u8]> {
        all.get(self.below(all.len())).map(Vec::as_slice)
    }

    fn window<'b>(&mut self, seed: &'b [u8]) -> &'b [u8] {
        if seed.len() <= WINDOW || self.below(16) == 0 {
            return seed;
        }
        let start = line_around(seed, self.below(seed.len())).start;
        let end = line_around(seed, (start + self.below(WINDOW)).min(seed.len() - 1)).end;
        &seed[start..end]
    }

    fn edit(&mut self, text: &mut Vec<u8>) {
        match self.below(32) {
            0..=11 => self.number(text),
            12 | 13 => self.drop_line(text),
            14 | 15 => self.repeat_line(text),
            16 | 17 => self.swap_lines(text),
            18 => self.foreign_line(text),
            19 | 20 => {
                let end = self.below(text.len() + 1);
                text.truncate(end);
            }
            21..=23 => {
                let (at, byte) = (self.below(text.len()), BYTES[self.below(BYTES.len())]);
                if let Some(place) = text.get_mut(at) {
                    *place = byte;
                }
            }
            24 | 25 => {
                let (at, byte) = (self.below(text.len() + 1), BYTES[self.below(BYTES.len())]);
                text.insert(at, byte);
            }
            26 => {
                let (at, bit) = (self.below(text.len()), self.below(8));
                if let Some(place) = text.get_mut(at) {
                    *place ^= 1 << bit;
                }
            }
            27 | 28 => self.known_word(text),
            29 | 30 => self.own_word(text),
            _ => self.long(text),
        }
    }

    fn number(&mut self, text: &mut Vec<u8>) {
        let from = self.below(text.len());
        let Some(place) = number_from(text, from).or_else(|| number_from(text, 0)) else { return };
        if self.below(4) == 0 {
            let any = self.random.below(u64::MAX) >> self.random.below(64);
            text.splice(place, any.to_string().into_bytes());
        } else {
            text.splice(place, NUMBERS[self.below(NUMBERS.len())].bytes());
        }
    }

    fn line(&mut self, text: &[u8]) -> Range<usize> {
        line_around(text, self.below(text.len()))
    }

    fn drop_line(&mut self, text: &mut Vec<u8>) {
        let line = self.line(text);
        text.drain(line);
    }

    fn repeat_line(&mut self, text: &mut Vec<u8>) {
        let line = text[self.line(text)].to_vec();
        let many = usize::try_from(LONGEST).unwrap_or_default() / line.len().max(1);
        let (at, times) = (self.line(text).start, if self.below(64) == 0 { many.clamp(1, 200) } else { 1 });
        text.splice(at..at, line.repeat(times));
    }

    fn swap_lines(&mut self, text: &mut Vec<u8>) {
        let (one, other) = (self.line(text), self.line(text));
        let (first, last) = if one.start <= other.start { (one, other) } else { (other, one) };
        if first.end <= last.start {
            let swapped = [&text[last.clone()], &text[first.end..last.start], &text[first.clone()]].concat();
            text.splice(first.start..last.end, swapped);
        }
    }

    fn foreign_line(&mut self, text: &mut Vec<u8>) {
        let other = self.of(self.foreign).unwrap_or_default();
        let (line, at) = (self.line(other), self.line(text).start);
        text.splice(at..at, other[line].iter().copied());
    }

    fn known_word(&mut self, text: &mut Vec<u8>) {
        let place = word_around(text, self.below(text.len()));
        let place = if self.below(2) == 0 { place } else { place.start..place.start };
        text.splice(place, WORDS[self.below(WORDS.len())].bytes());
    }

    /// A word of the text in the place of another.
    fn own_word(&mut self, text: &mut Vec<u8>) {
        let word = text[word_around(text, self.below(text.len()))].to_vec();
        let place = word_around(text, self.below(text.len()));
        text.splice(place, word);
    }

    /// A word or a byte without end. Most are short all the same: it is the limits of the product that are to
    /// be met, not patience.
    fn long(&mut self, text: &mut Vec<u8>) {
        let most = if self.below(64) == 0 { LONGEST } else { 300 };
        let length = usize::try_from(self.random.below(most)).unwrap_or_default();
        let place = word_around(text, self.below(text.len()));
        let piece = match self.below(3) {
            0 => vec![BYTES[self.below(BYTES.len())]],
            1 => b"9".to_vec(),
            _ => text[place.clone()].to_vec(),
        };
        let times = length / piece.len().max(1);
        text.splice(place.start..place.start, piece.repeat(times));
    }
}

/// The line that a byte is in, with its end.
fn line_around(text: &[u8], at: usize) -> Range<usize> {
    let at = at.min(text.len());
    let start = text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let end = text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| at + end + 1);
    start..end
}

fn word_around(text: &[u8], at: usize) -> Range<usize> {
    let at = at.min(text.len());
    let start = text[..at].iter().rposition(u8::is_ascii_whitespace).map_or(0, |end| end + 1);
    let end = text[at..].iter().position(u8::is_ascii_whitespace).map_or(text.len(), |end| at + end);
    start..end
}

/// The first run of digits at or after a place.
fn number_from(text: &[u8], from: usize) -> Option<Range<usize>> {
    let start = from + text.get(from..)?.iter().position(u8::is_ascii_digit)?;
    let length = text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some(start..start + length)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    const SEED: &[u8] = b"anon 4096\nfile 8192\nkernel 7\n";

    fn inputs(seed: u64, count: usize) -> Vec<Vec<u8>> {
        let (seeds, foreign) = ([SEED.to_vec()], [b"some avg10=0.00 total=9\n".to_vec()]);
        let mut mutator = Mutator::new(seed, &foreign);
        let mut text = Vec::new();
        let mut next = || {
            mutator.next(&seeds, &mut text);
            text.clone()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn a_seed_is_a_sequence() {
        assert_eq!(inputs(7, 500), inputs(7, 500));
        assert_ne!(inputs(7, 500), inputs(8, 500));
    }

    #[test]
    fn every_kind_of_oddity_is_made() {
        let inputs = inputs(1, 100_000);
        let has = |what: &[u8]| inputs.iter().any(|input| input.windows(what.len()).any(|part| part == what));
        for number in NUMBERS.iter().filter(|number| !number.is_empty()) {
            assert!(has(format!("anon {number}\n").as_bytes()), "{number}");
        }
        assert!(has(b"kernel 7\nfile 8192\n"), "lines change places");
        assert!(has(b"file 8192\nfile 8192\n"), "a line comes twice");
        assert!(has(b"anon 4096\nkernel"), "a line is missing");
        assert!(has(b"some avg10"), "a line of another file");
        assert!(inputs.iter().any(|input| input == b"anon 4096\nfil"), "cut in a line");
        assert!(inputs.iter().any(Vec::is_empty) && inputs.iter().any(|input| input == SEED));
        assert!(inputs.iter().any(|input| std::str::from_utf8(input).is_err()), "no UTF-8");
        assert!(inputs.iter().any(|input| input.len() > 65_536), "longer than any line");
        assert!(BYTES.iter().all(|byte| inputs.iter().any(|input| input.contains(byte))));
    }

    #[test]
    fn places_are_within_the_text() {
        assert_eq!(line_around(SEED, 12), 10..20);
        assert_eq!(line_around(SEED, SEED.len()), SEED.len()..SEED.len());
        assert_eq!(word_around(SEED, 6), 5..9);
        assert_eq!(number_from(SEED, 6), Some(6..9));
        assert_eq!(number_from(SEED, 28), None);
        assert_eq!((line_around(b"", 0), word_around(b"", 0), number_from(b"", 0)), (0..0, 0..0, None));
    }
}
