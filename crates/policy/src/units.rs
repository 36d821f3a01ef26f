//! Quantities as operators write them, with the reason where one is refused.

use std::time::Duration;

use lowtide_core::{ByteRate, Bytes, Line, Ratio, units::time_span};

use crate::Amount;

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

/// How a size per day is written.
pub(crate) const SIZE_PER_DAY: &str =
    "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*([KkMmGgTtPp][Ii]?[Bb]?|[Bb])\\s*/\\s*(d|day)\\s*$";

const TIME_UNITS: &[&str] = &[
    "ms", "msec", "s", "sec", "second", "seconds", "m", "min", "minute", "minutes", "h", "hour", "hours",
    "d", "day", "days",
];

/// At most this much of what was read is repeated in a message.
const SHOWN: usize = 64;

/// `text` for a message, not too long.
pub(crate) fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
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
    let time = time_span(text.trim()).map_err(|error| {
        let why = match error {
            humantime::DurationError::NumberOverflow => "is too large, or has more digits than count",
            _ => "is not a time",
        };
        format!("`{}` {why}", short(text))
    })?;
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

/// A share above nothing, which may be more than all: work can take many times as long.
pub(crate) fn above_nothing(text: &str) -> Result<Ratio, String> {
    let share = any_share(text)?;
    if share > Ratio::ZERO { Ok(share) } else { Err(format!("`{}` is not above 0%", short(text))) }
}

/// A share that leaves something.
pub(crate) fn share_below_all(text: &str) -> Result<Ratio, String> {
    let share = any_share(text)?;
    if share < Ratio::ONE { Ok(share) } else { Err(format!("`{}` leaves nothing", short(text))) }
}

/// A share from nothing to a half.
pub(crate) fn up_to_half(text: &str) -> Result<Ratio, String> {
    let share = any_share(text)?;
    if share > Ratio::new(0.5) { Err(format!("`{}` is more than 50%", short(text))) } else { Ok(share) }
}

/// A share from nothing to all.
pub(crate) fn share_up_to_all(text: &str) -> Result<Ratio, String> {
    let share = any_share(text)?;
    if share > Ratio::ONE { Err(format!("`{}` is more than 100%", short(text))) } else { Ok(share) }
}

/// An age within the bounds, or a share from nothing to all.
pub(crate) fn line(text: &str, least: Duration, most: Duration) -> Result<Line, String> {
    if text.contains('%') {
        return share_up_to_all(text).map(Line::Share);
    }
    time(text, least, most).map(Line::Age)
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

/// A size from `least` to `most`.
pub(crate) fn size_within(text: &str, least: Bytes, most: Bytes) -> Result<Bytes, String> {
    let size = size(text)?;
    if size < least {
        return Err(format!("`{}` is less than {least}", short(text)));
    }
    if size > most {
        return Err(format!("`{}` is more than {most}", short(text)));
    }
    Ok(size)
}

/// Whether `text`, which is not taken for a size, would be one with another number.
fn is_overflow(text: &str) -> bool {
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text.strip_suffix(unit).unwrap_or_default();
    number.parse::<f64>().is_ok() && format!("1{unit}").parse::<Bytes>().is_ok()
}

/// A size or a share of something, above nothing, and a share at most `most`.
pub(crate) fn amount(text: &str, most: Option<Ratio>) -> Result<Amount, String> {
    if text.contains('%') {
        let share = any_share(text)?;
        return match most {
            Some(most) if share > most => Err(format!("`{}` is more than {most}", short(text))),
            _ if share == Ratio::ZERO => Err(format!("`{}` is not above 0%", short(text))),
            _ => Ok(Amount::OfMemory(share)),
        };
    }
    let size = size(text)?;
    if size.is_zero() { Err(format!("`{}` is not above 0", short(text))) } else { Ok(Amount::Bytes(size)) }
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

/// A size per day. Per anything shorter it would not say what was meant for a day.
pub(crate) fn size_per_day(text: &str) -> Result<Bytes, String> {
    const DAY: Duration = Duration::from_hours(24);
    let rate = size_rate(text)?;
    if rate.per == DAY { Ok(rate.bytes) } else { Err(format!("`{}` is not per day", short(text))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, string::string_regex};

    const SECOND: Duration = Duration::from_secs(1);

    fn an_hour_at_most(text: &str) -> Result<Duration, String> {
        time(text, SECOND, Duration::from_hours(1))
    }

    #[test]
    fn times() {
        for (text, seconds) in [("1s", 1), ("1500ms 500ms", 2), ("1.5m", 90), (" 1m 30s ", 90), ("1h", 3600)]
        {
            assert_eq!(an_hour_at_most(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, why) in [
            ("60", "has no unit"),
            ("1M", "unknown unit `M`"),
            ("1y", "unknown unit `y`"),
            ("s", "is not a time"),
            ("1s2", "is not a time"),
            ("999ms", "is less than 1s"),
            ("61m", "is more than 1h"),
            ("99999999999999999999999999d", "is too large"),
            ("-1s", "is negative"),
            ("", "empty"),
            ("inf", "not a finite number"),
        ] {
            let error = an_hour_at_most(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn shares() {
        assert_eq!(some_share("0.1%"), Ok(Ratio::percent(0.1)));
        assert_eq!(some_share("100%"), Ok(Ratio::ONE));
        assert_eq!(share_below_all("0%"), Ok(Ratio::ZERO));
        for text in ["0%", "100.1%", "5", "%", "5 percent", "5%%", "0,1%"] {
            assert!(some_share(text).is_err(), "{text}");
        }
        assert!(share_below_all("100%").is_err());
    }

    #[test]
    fn shares_per_time_become_shares_per_minute() {
        for text in ["0.2%/min", "0.2% / m", "12%/h", "288%/day"] {
            let share = share_per_minute(text).unwrap();
            assert!((share.get() - 0.002).abs() < 1e-12, "{text}: {share}");
        }
        for text in ["0.2%", "0.2/min", "0%/min", "2%/s", "5%/", "5%/year", "/min", "-1%/min"] {
            assert!(share_per_minute(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_line_is_an_age_or_a_share() {
        let read = |text| line(text, SECOND, Duration::from_hours(1));
        assert_eq!(read("5m"), Ok(Line::Age(Duration::from_mins(5))));
        assert_eq!(read(" 25 %"), Ok(Line::Share(Ratio::percent(25.0))));
        assert_eq!(read("0%"), Ok(Line::Share(Ratio::ZERO)));
        assert_eq!(read("100%"), Ok(Line::Share(Ratio::ONE)));
        for (text, why) in [
            ("25", "has no unit"),
            ("101%", "more than 100%"),
            ("2h", "more than 1h"),
            ("0s", "less than 1s"),
            ("-5%", "negative"),
            ("5m%", "not a share"),
            ("4MiB", "not a time"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_and_rates() {
        assert_eq!(size("256MiB"), Ok(Bytes::mib(256)));
        assert_eq!(size("0B"), Ok(Bytes::ZERO));
        assert_eq!(size_rate("0B/s").map(|rate| rate.bytes), Ok(Bytes::ZERO));
        assert!(some_size_rate("0B/s").is_err());
        for (text, why) in [
            ("1024", "no unit"),
            ("99999999T", "more than 16EiB"),
            ("5%", "not a size"),
            ("1.2.3M", "not a size"),
        ] {
            assert!(size(text).unwrap_err().contains(why), "{text}");
        }
        assert_eq!(size_per_day("10MB/day"), Ok(Bytes::mib(10)));
        assert!(size_per_day("10MiB/h").unwrap_err().contains("not per day"));
        assert!(size_per_day("10MiB").unwrap_err().contains("per which time"));
        for (text, why) in
            [("64MiB", "per which time"), ("x", "not a rate"), ("1M/week", "unknown time `week`")]
        {
            assert!(size_rate(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn an_amount_is_a_size_or_a_share() {
        assert_eq!(amount("8GiB", Some(Ratio::ONE)), Ok(Amount::Bytes(Bytes::mib(8 << 10))));
        assert_eq!(amount("250 %", None), Ok(Amount::OfMemory(Ratio::percent(250.0))));
        for (text, why) in [
            ("0%", "not above 0%"),
            ("0B", "not above 0"),
            ("101%", "more than 100%"),
            ("8", "no unit"),
            ("x%", "share"),
        ] {
            assert!(amount(text, Some(Ratio::ONE)).unwrap_err().contains(why), "{text}");
        }
    }

    /// Text that the JSON Schema lets through.
    fn written_as(pattern: &str) -> impl Strategy<Value = String> + use<> {
        string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap()
    }

    /// What an editor with the schema calls right can be out of range, but is no unknown spelling.
    fn only_out_of_range<T>(read: Result<T, String>) -> bool {
        let Err(error) = read else { return true };
        ["is more than", "is less than", "is not above", "leaves nothing", "is too large"]
            .iter()
            .any(|why| error.contains(why))
    }

    proptest! {
        #[test]
        fn the_schema_knows_times(text in written_as(TIME)) {
            prop_assert!(only_out_of_range(an_hour_at_most(&text)), "{}", text);
        }

        #[test]
        fn the_schema_knows_shares(text in written_as(SHARE)) {
            for read in [some_share, share_below_all, share_up_to_all] {
                prop_assert!(only_out_of_range(read(&text)), "{}", text);
            }
        }

        #[test]
        fn the_schema_knows_shares_per_time(text in written_as(SHARE_RATE)) {
            prop_assert!(only_out_of_range(share_per_minute(&text)), "{}", text);
        }

        #[test]
        fn the_schema_knows_sizes(text in written_as(SIZE)) {
            prop_assert!(only_out_of_range(size(&text)), "{}", text);
        }

        #[test]
        fn the_schema_knows_rates(text in written_as(SIZE_RATE)) {
            prop_assert!(only_out_of_range(some_size_rate(&text)), "{}", text);
        }

        #[test]
        fn the_schema_knows_sizes_per_day(text in written_as(SIZE_PER_DAY)) {
            prop_assert!(only_out_of_range(size_per_day(&text)), "{}", text);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = (an_hour_at_most(&text), some_share(&text), share_per_minute(&text), some_size_rate(&text));
        }
    }
}
