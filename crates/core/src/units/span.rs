use std::time::Duration;

use humantime::{DurationError, parse_duration};

/// 99 999 999 999 years are 3·10^18 s, so no text with so many digits comes near 2^64 s.
const MOST_DIGITS: usize = 11;

/// A span of time as people write it: `1h 30m`, `250ms`.
///
/// humantime 2.4 panics at some sums beyond 2^64 s (`0.5s18446744073709551615.5s`) and refuses the others:
/// whatever has more than eleven digits is refused before.
pub fn time_span(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits > MOST_DIGITS { Err(DurationError::NumberOverflow) } else { parse_duration(text) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_as_people_write_them() {
        assert_eq!(time_span("1h 30m").unwrap(), Duration::from_mins(90));
        assert_eq!(time_span("1h 30m 15s 250ms 500us").unwrap(), Duration::from_micros(5_415_250_500));
        assert!(
            time_span("99999999999years").is_ok()
                && time_span("").is_err()
                && time_span("1 fortnight").is_err()
        );
    }

    /// Found by `cargo xtask fuzz --parser policy/span`.
    #[test]
    fn what_is_longer_than_any_time_is_refused() {
        for text in ["0.5s18446744073709551615.5s", "18446744073709551615s 1s", "1000000000000s"] {
            assert_eq!(time_span(text), Err(DurationError::NumberOverflow), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([0-9]{1,11}(\\.[0-9]{1,6})?(ns|us|ms|s|m|h|d|w|M|y) ?){1,6}|.{0,30}") {
            let _ = time_span(&text);
        }
    }
}
