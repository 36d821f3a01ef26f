//! Lines of a file that is read again after a crash: a checksum and JSON each, so that what a failing disk made of one is
//! not taken for true.

use serde::{Serialize, de::DeserializeOwned};

/// A record as a line. It is made of strings, numbers and switches, so it has a JSON form.
pub fn line(record: &impl Serialize) -> String {
    let json = serde_json::to_string(record).unwrap_or_default();
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
}

/// All records, or the number of the line that is damaged.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<Vec<T>, usize> {
    let lines = text.split_inclusive(|byte| *byte == b'\n').enumerate();
    lines.map(|(index, line)| parse_line(line).ok_or(index + 1)).collect()
}

fn parse_line<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sum, json) = line.split_once(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    if sum != crc32fast::hash(json.as_bytes()) {
        return None;
    }
    serde_json::from_str(json).ok()
}
