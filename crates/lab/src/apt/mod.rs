//! Debian packages fetched through the machine's own apt source, without installing them.

mod private;
mod source;
mod version;

pub use private::{PrivateApt, codename};
pub use source::{Source, parse_sources, rewrite};
pub use version::newest_of_series;
