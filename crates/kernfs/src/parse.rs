//! The few forms that kernel files have. By name, never by position; what is unknown is passed over.

use std::time::Duration;

use lowtide_core::{Bytes, Limit};

use crate::{Fault, Result};

const NUMBER: &str = "a whole number";

/// A file that holds one whole number.
pub fn integer(text: &str) -> Result<u64, Fault> {
    number(1, single_line(text, NUMBER)?)
}

/// A file that holds one number of bytes.
pub fn bytes(text: &str) -> Result<Bytes, Fault> {
    integer(text).map(Bytes::new)
}

/// A file that holds one number of bytes, or `max`.
pub fn limit(text: &str) -> Result<Limit, Fault> {
    const EXPECTED: &str = "a whole number or `max`";
    match single_line(text, EXPECTED)? {
        "max" => Ok(Limit::Max),
        word => digits(word).map(|count| Limit::At(Bytes::new(count))).ok_or(Fault::new(1, word, EXPECTED)),
    }
}

/// A module parameter that is `Y` or `N` (or, in sysfs, `1` or `0`, `true` or `false`).
pub fn switch(text: &str) -> Result<bool, Fault> {
    const EXPECTED: &str = "`Y` or `N`";
    match single_line(text, EXPECTED)? {
        "Y" | "1" | "true" => Ok(true),
        "N" | "0" | "false" => Ok(false),
        word => Err(Fault::new(1, word, EXPECTED)),
    }
}

/// A word that is a whole number; a sign, a fraction, and what does not fit into 64 bits are faults.
pub fn number(line: usize, word: &str) -> Result<u64, Fault> {
    digits(word).ok_or_else(|| Fault::new(line, word, NUMBER))
}

/// Whole numbers separated by white space, at least `N` of them; what follows is left to newer kernels.
pub fn columns<const N: usize>(text: &str) -> Result<[u64; N], Fault> {
    let line = text.lines().next().unwrap_or_default();
    let mut words = line.split_ascii_whitespace();
    let mut columns = [0; N];
    for column in &mut columns {
        let word = words.next().ok_or_else(|| Fault::new(1, line, "a line with more numbers"))?;
        *column = number(1, word)?;
    }
    Ok(columns)
}

/// A list of numbers and ranges such as `0-3,5`, as in cpulist and nodelist; an empty one has none.
pub fn list(text: &str) -> Result<Vec<u32>, Fault> {
    let words = text.trim_ascii().split(',').filter(|word| !word.is_empty());
    let mut numbers: Vec<u32> = Vec::new();
    for word in words {
        let range = range(word).ok_or_else(|| Fault::new(1, word, "a number or a range such as 0-3"))?;
        // A line of `0-8191,0-8191,…` would be more than there is memory.
        if numbers.len() + range.len() > MOST_IN_LIST as usize {
            return Err(Fault::new(1, word, "within the numbers that there can be"));
        }
        numbers.extend(range);
    }
    Ok(numbers)
}

/// No kernel knows more CPUs (NR_CPUS, arch/*/Kconfig: 8192 at most) or nodes (NODES_SHIFT: 1024). Of each
/// some files are read in every turn.
const MOST_IN_LIST: u32 = 1 << 13;

fn range(word: &str) -> Option<std::ops::Range<u32>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let bound = |word| {
        digits(word).and_then(|number| u32::try_from(number).ok()).filter(|number| *number < MOST_IN_LIST)
    };
    let (first, last) = (bound(first)?, bound(last)?);
    (first <= last).then_some(first..last + 1)
}

/// The lines `key value…` of a flat keyed file; the colon after a key, as in /proc/meminfo, is dropped.
pub fn keyed(text: &str) -> impl Iterator<Item = Keyed<'_>> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.trim_ascii();
        // By bytes: memory.stat is half of what a turn parses, and white space is never a part of a longer
        // character.
        let end = line.bytes().position(|byte| byte.is_ascii_whitespace()).unwrap_or(line.len());
        let (key, value) = line.split_at(end);
        let key = key.strip_suffix(':').unwrap_or(key);
        (!key.is_empty()).then_some(Keyed { line: index + 1, key, value: value.trim_ascii() })
    })
}

/// One line of a flat keyed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyed<'a> {
    /// Its number, counted from one.
    pub line: usize,
    /// The first word.
    pub key: &'a str,
    /// The rest, trimmed; empty in a truncated line.
    pub value: &'a str,
}

impl Keyed<'_> {
    /// The value as a whole number.
    pub fn number(&self) -> Result<u64, Fault> {
        number(self.line, self.value)
    }

    /// The value as a number of bytes.
    pub fn bytes(&self) -> Result<Bytes, Fault> {
        self.number().map(Bytes::new)
    }

    /// The value as a number of pages, given in bytes.
    pub fn pages(&self) -> Result<Bytes, Fault> {
        self.number().map(Bytes::pages)
    }

    /// The value as `N kB`, given in bytes; the kernel's kB is a KiB.
    pub fn kib(&self) -> Result<Bytes, Fault> {
        let fault = || Fault::new(self.line, self.value, "a whole number of kB");
        let count = self.value.strip_suffix("kB").ok_or_else(fault)?;
        digits(count.trim_ascii_end()).map(Bytes::kib).ok_or_else(fault)
    }

    /// The value as `0` or `1`.
    pub fn flag(&self) -> Result<bool, Fault> {
        match self.value {
            "0" => Ok(false),
            "1" => Ok(true),
            other => Err(Fault::new(self.line, other, "`0` or `1`")),
        }
    }
}

/// A number of microseconds.
pub fn micros(line: usize, word: &str) -> Result<Duration, Fault> {
    digits(word).map(Duration::from_micros).ok_or_else(|| Fault::new(line, word, "a number of microseconds"))
}

/// Undoes the octal escapes of mountinfo, swaps and their kin (fs/seq_file.c, `mangle_path`): `\040` is a
/// space. All other bytes are as they are: a path need not be text.
#[must_use]
pub fn unescape(word: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        if let Some(byte) = octal(after).filter(|_| *first == b'\\') {
            bytes.push(byte);
            rest = &after[3..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

fn octal(bytes: &[u8]) -> Option<u8> {
    let digits = bytes.get(..3)?;
    digits.iter().try_fold(0_u8, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        value.checked_mul(8)?.checked_add(digit)
    })
}

/// `u64::from_str` would take a leading `+`.
fn digits(word: &str) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.bytes().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

fn single_line<'a>(text: &'a str, expected: &'static str) -> Result<&'a str, Fault> {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().trim_ascii();
    match lines.next() {
        Some(second) => Err(Fault::new(2, second, "the end of the file")),
        None if first.is_empty() => Err(Fault::new(1, first, expected)),
        None => Ok(first),
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
