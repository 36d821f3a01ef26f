//! Times as people write them.

use jiff::{Span, Timestamp, Zoned, civil};

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// It is nothing that is understood.
    #[error(
        "`{0}` is no time: write 03:00 for the last three o'clock, \"2h ago\", 2026-11-27T03:00, or RFC 3339 as in 2026-11-27T03:00:00Z"
    )]
    NoTime(String),
    /// Nothing has happened then yet.
    #[error("`{text}` is {at}, and that is to come: there is no history of it")]
    ToCome {
        /// As it was given.
        text: String,
        /// As it was understood.
        at: Zoned,
    },
    /// The end is before the beginning.
    #[error("the period ends at {until}, before it begins at {since}")]
    Backwards {
        /// Its beginning.
        since: Zoned,
        /// Its end.
        until: Zoned,
    },
}

/// The moment that `text` means at `now`: an hour (the last one that was so called), a time span before now,
/// with or without `ago` or a minus, a date, a local time, or RFC 3339.
pub fn moment(text: &str, now: &Zoned) -> Result<Zoned, TimeError> {
    let trimmed = text.trim();
    let found = instant(trimmed, now)
        .or_else(|| hour(trimmed, now))
        .or_else(|| local(trimmed, now))
        .or_else(|| ago(trimmed, now));
    let at = found.ok_or_else(|| TimeError::NoTime(text.chars().take(60).collect()))?;
    if at > *now { Err(TimeError::ToCome { text: text.to_owned(), at }) } else { Ok(at) }
}

/// The moments that a period is between; without a beginning everything there is.
pub fn period(
    since: Option<&str>,
    until: Option<&str>,
    now: &Zoned,
) -> Result<std::ops::RangeInclusive<u64>, TimeError> {
    let since = since.map(|text| moment(text, now)).transpose()?;
    let until = until.map(|text| moment(text, now)).transpose()?.unwrap_or_else(|| now.clone());
    let begin = since.as_ref().map_or(0, seconds);
    match since {
        Some(since) if since > until => Err(TimeError::Backwards { since, until }),
        _ => Ok(begin..=seconds(&until)),
    }
}

/// Seconds since 1970; nought before.
#[must_use]
pub fn seconds(at: &Zoned) -> u64 {
    u64::try_from(at.timestamp().as_second()).unwrap_or(0)
}

/// In the zone of this host, as people read it.
#[must_use]
pub fn shown(seconds: u64) -> String {
    let stamp = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    stamp.map_or_else(
        || format!("{seconds} s after 1970"),
        |stamp| stamp.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
    )
}

fn instant(text: &str, now: &Zoned) -> Option<Zoned> {
    text.parse::<Timestamp>().ok().map(|stamp| stamp.to_zoned(now.time_zone().clone()))
}

fn hour(text: &str, now: &Zoned) -> Option<Zoned> {
    // A date has an hour of its own.
    let time: civil::Time = text.parse().ok().filter(|_| text.contains(':') && !text.contains('-'))?;
    let on = |date: civil::Date| date.to_datetime(time).to_zoned(now.time_zone().clone()).ok();
    on(now.date()).filter(|at| at <= now).or_else(|| on(now.date().yesterday().ok()?))
}

fn local(text: &str, now: &Zoned) -> Option<Zoned> {
    let parsed: civil::DateTime = text.parse().ok()?;
    parsed.to_zoned(now.time_zone().clone()).ok()
}

fn ago(text: &str, now: &Zoned) -> Option<Zoned> {
    let span: Span = text.parse().ok()?;
    now.checked_sub(span.abs()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Zoned {
        "2026-11-27T14:30:00+01:00[Europe/Berlin]".parse().unwrap()
    }

    #[test]
    fn times_as_people_write_them() {
        for (text, at) in [
            ("03:00", "2026-11-27T03:00:00+01:00"),
            ("14:30", "2026-11-27T14:30:00+01:00"),
            ("23:15:30", "2026-11-26T23:15:30+01:00"),
            ("2h ago", "2026-11-27T12:30:00+01:00"),
            ("-2h", "2026-11-27T12:30:00+01:00"),
            ("2h", "2026-11-27T12:30:00+01:00"),
            ("90m ago", "2026-11-27T13:00:00+01:00"),
            ("1h 30m ago", "2026-11-27T13:00:00+01:00"),
            ("7d ago", "2026-11-20T14:30:00+01:00"),
            ("2026-11-27T03:00:00Z", "2026-11-27T04:00:00+01:00"),
            ("2026-11-27T03:00:00.5+02:00", "2026-11-27T02:00:00.5+01:00"),
            ("2026-11-27T03:00", "2026-11-27T03:00:00+01:00"),
            ("2026-11-27 03:00", "2026-11-27T03:00:00+01:00"),
            ("2026-11-20", "2026-11-20T00:00:00+01:00"),
            (" 03:00 ", "2026-11-27T03:00:00+01:00"),
        ] {
            let expected: Timestamp = at.parse().unwrap();
            assert_eq!(moment(text, &now()).map(|at| at.timestamp()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_said_with_examples() {
        for text in [
            "",
            "3",
            "yesterday",
            "25:00",
            "03:61",
            "2026-13-01",
            "3 o'clock",
            "-",
            "ago",
            "2026-11-27T25:00Z",
        ] {
            let error = moment(text, &now()).unwrap_err();
            assert_eq!(error, TimeError::NoTime(text.to_owned()));
            assert!(error.to_string().contains("2h ago"), "{error}");
        }
        let error = moment("2026-11-28", &now()).unwrap_err().to_string();
        assert!(error.contains("2026-11-28T00:00:00+01:00") && error.contains("to come"), "{error}");
        let backwards = period(Some("1h ago"), Some("2h ago"), &now()).unwrap_err();
        assert!(matches!(backwards, TimeError::Backwards { .. }), "{backwards}");
    }

    #[test]
    fn the_hour_that_summer_time_leaves_out_is_found_all_the_same() {
        let now: Zoned = "2026-03-29T12:00:00+02:00[Europe/Berlin]".parse().unwrap();
        assert_eq!(moment("02:30", &now).unwrap().to_string(), "2026-03-29T03:30:00+02:00[Europe/Berlin]");
    }

    #[test]
    fn a_period_without_a_beginning_has_everything() {
        assert_eq!(period(None, None, &now()), Ok(0..=seconds(&now())));
        let hour = period(Some("2h ago"), Some("1h ago"), &now()).unwrap();
        assert_eq!(hour.end() - hour.start(), 3600);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = moment(&text, &now());
        }
    }
}
