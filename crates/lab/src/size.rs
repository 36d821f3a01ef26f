//! Sizes as the lab's command lines take them: `40M`, `2G`, binary units.

use anyhow::{Context, Result, bail};

/// One mebibyte, in bytes.
pub const MIB: u64 = 1 << 20;

/// Bytes of one page on every machine the lab boots (x86-64).
pub const PAGE: usize = 4096;

/// Parses a size in bytes with an optional binary suffix K, M, G or T.
pub fn parse(text: &str) -> Result<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &text[digits.len()..] {
        "" => 1,
        "K" | "KiB" | "k" => 1 << 10,
        "M" | "MiB" | "m" => 1 << 20,
        "G" | "GiB" | "g" => 1 << 30,
        "T" | "TiB" | "t" => 1 << 40,
        other => bail!("unknown unit {other:?} in {text:?}; write a number with K, M, G or T"),
    };
    let number: u64 = digits.parse().with_context(|| format!("{text:?} is not a size such as 40M or 2G"))?;
    number.checked_mul(factor).with_context(|| format!("{text:?} is too large"))
}

/// Bytes as MiB, for people and ratios.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "sizes of a lab machine are far below 2^53")]
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_binary() {
        assert_eq!(parse("40M").unwrap(), 40 << 20);
        assert_eq!(parse("2G").unwrap(), 2 << 30);
        assert_eq!(parse(" 4096 ").unwrap(), 4096);
        assert_eq!(parse("1KiB").unwrap(), 1024);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "M", "1.5G", "-1M", "12X", "99999999999T"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
