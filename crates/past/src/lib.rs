//! What happened then, from the history alone: [`explain`](then::Then) of a cgroup at a time, and the
//! [report](Period) of a period, as text, as data, and as a page with plots.

mod against;
mod chart;
mod html;
mod markup;
mod parts;
mod period;
mod series;
mod sums;
mod text;
pub mod then;
pub mod time;

pub use against::{Against, Difference};
pub use chart::ChartError;
pub use html::html;
pub use parts::{CgroupPart, Cost, GibHours, Part, Worth};
pub use period::{Period, PeriodError};
pub use series::{Curve, Series};
pub use text::{passed_over, text};
