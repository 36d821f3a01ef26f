//! Quantities that cannot be mistaken for one another.

mod byte_time;
mod bytes;
mod limit;
mod rate;
mod ratio;
mod span;

pub use byte_time::ByteTime;
pub use bytes::Bytes;
pub use limit::Limit;
pub use rate::ByteRate;
pub use ratio::Ratio;
pub use span::time_span;

/// Text that is not the quantity it should be.
///
/// The message says what was read and what is allowed; the caller adds where it stood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {expected}")]
pub struct UnitError {
    /// The text as it was read.
    pub found: String,
    /// What is allowed here, with an example.
    pub expected: &'static str,
}

impl UnitError {
    pub(crate) fn new(found: &str, expected: &'static str) -> Self {
        Self { found: found.chars().take(64).collect(), expected }
    }
}

/// Splits `"64MiB"` into `("64", "MiB")`; white space between and around is dropped.
fn split_number(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}
