//! Quantities as operators write them, with the reason where one is refused.

use std::time::Duration;

use lowtide_core::{ByteRate, Bytes, Ratio};

/// How a time is written.
pub(crate) const TIME: &str = "^\\s*([0-9]+(\\.[0-9]+)?\\s*(ms|msec|s|sec|second|seconds|m|min|minute|minutes|h|hour|hours|d|day|days)\\s*)+$";
/// How a share is written.
pub(crate) const SHARE: &str = "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*%\\s*$";
/// How a share per time is written.
pub(crate) const SHARE_RATE: &str =
    "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*%\\s*/\\s*(s|sec|second|m|min|minute|h|hour|d|day)\\s*$";
/// How a size is written.
pub(crate) const SIZE: &str = "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*([KkMmGgTtPp][Ii]?[Bb]?|[Bb])\\s*$";
/// How a size per time is written.
pub(crate) const SIZE_RATE: &str = "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*([KkMmGgTtPp][Ii]?[Bb]?|[Bb])\\s*/\\s*(s|sec|second|m|min|minute|h|hour|d|day)\\s*$";

const TIME_UNITS: &[&str] = &[
    "ms", "msec", "s", "sec", "second", "seconds", "m", "min", "minute", "minutes", "h", "hour", "hours",
    "d", "day", "days",
];

/// At most this much of what was read is repeated in a message.
const SHOWN: usize = 64;

/// `text` for a message: printable, and not too long.
pub(crate) fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).map(crate::source::printable).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// What is wrong with any quantity that begins like this.
fn refuse_number(text: &str) -> Result<(), String> {
    let trimmed = text.trim();
    let word = trimmed.trim_start_matches(['-', '+', '.']).to_ascii_lowercase();
    if trimmed.is_empty() {
        Err("the text is empty".into())
    } else if word.starts_with("nan") || word.starts_with("inf") {
        Err(format!("`{}` is not a finite number", short(text)))
    } else if trimmed.starts_with('-') {
        Err(format!("`{}` is negative", short(text)))
    } else if trimmed.parse::<f64>().is_ok() {
        Err(format!("`{}` has no unit", short(text)))
    } else {
        Ok(())
    }
}

/// A time within the bounds.
pub(crate) fn time(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    refuse_number(text)?;
    let letters = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    for unit in letters {
        // What humantime would take for months (`M`) or years is a slip here.
        if !TIME_UNITS.contains(&unit) {
            return Err(format!("`{}` is not a time: unknown unit `{}`", short(text), short(unit)));
        }
    }
    let time =
        humantime::parse_duration(text.trim()).map_err(|_| format!("`{}` is not a time", short(text)))?;
    if time < least {
        Err(format!("`{}` is less than {}", short(text), humantime::format_duration(least)))
    } else if time > most {
        Err(format!("`{}` is more than {}", short(text), humantime::format_duration(most)))
    } else {
        Ok(time)
    }
}

/// A share, of any size.
fn any_share(text: &str) -> Result<Ratio, String> {
    refuse_number(text)?;
    text.parse().map_err(|_| format!("`{}` is not a share", short(text)))
}

/// A share above nothing, and at most all.
pub(crate) fn some_share(text: &str) -> Result<Ratio, String> {
    not_none_not_more_than_all(text, any_share(text)?)
}

fn not_none_not_more_than_all(text: &str, share: Ratio) -> Result<Ratio, String> {
    if share == Ratio::ZERO {
        Err(format!("`{}` is not above 0%", short(text)))
    } else if share > Ratio::ONE {
        Err(format!("`{}` is more than 100%", short(text)))
    } else {
        Ok(share)
    }
}

/// A share that leaves something.
pub(crate) fn share_below_all(text: &str) -> Result<Ratio, String> {
    let share = any_share(text)?;
    if share < Ratio::ONE { Ok(share) } else { Err(format!("`{}` leaves nothing", short(text))) }
}

/// A share per time, as a share per minute: above nothing, at most all.
pub(crate) fn share_per_minute(text: &str) -> Result<Ratio, String> {
    refuse_number(text)?;
    let Some((share, unit)) = text.split_once('/') else {
        any_share(text)?;
        return Err(format!("`{}` does not say per which time", short(text)));
    };
    let share = any_share(share)?;
    let minutes = match unit.trim() {
        "s" | "sec" | "second" => 1.0 / 60.0,
        "m" | "min" | "minute" => 1.0,
        "h" | "hour" => 60.0,
        "d" | "day" => 1440.0,
        other => return Err(format!("`{}`: unknown time `{}`", short(text), short(other))),
    };
    let per_minute = Ratio::new(share.get() / minutes);
    if per_minute > Ratio::ONE {
        return Err(format!("`{}` is more than 100%/min", short(text)));
    }
    not_none_not_more_than_all(text, per_minute)
}

/// A size.
pub(crate) fn size(text: &str) -> Result<Bytes, String> {
    refuse_number(text)?;
    text.parse().map_err(|_| {
        let why = if is_overflow(text) { "is more than 16EiB" } else { "is not a size" };
        format!("`{}` {why}", short(text))
    })
}

/// Whether `text`, which is not taken for a size, would be one with another number.
fn is_overflow(text: &str) -> bool {
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text.strip_suffix(unit).unwrap_or_default();
    number.parse::<f64>().is_ok() && format!("1{unit}").parse::<Bytes>().is_ok()
}

/// A size per time.
pub(crate) fn size_rate(text: &str) -> Result<ByteRate, String> {
    refuse_number(text)?;
    let Some((amount, unit)) = text.split_once('/') else {
        let why = if size(text).is_ok() { "does not say per which time" } else { "is not a rate" };
        return Err(format!("`{}` {why}", short(text)));
    };
    size(amount)?;
    text.parse().map_err(|_| format!("`{}`: unknown time `{}`", short(text), short(unit.trim())))
}

/// A size per time, above nothing.
pub(crate) fn some_size_rate(text: &str) -> Result<ByteRate, String> {
    let rate = size_rate(text)?;
    if rate.bytes.is_zero() { Err(format!("`{}` is not above 0", short(text))) } else { Ok(rate) }
}
