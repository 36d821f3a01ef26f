//! What one source with one setting knew.

use crate::size::mib;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const LOOKS: u32 = 3;
/// From one look to the next: half of what counts as idle, as the daemon looks.
pub(super) const BETWEEN: Duration = Duration::from_secs(15);

/// The mean of its looks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    kind: String,
    setting: String,
    /// What this kernel lacks for it.
    pub(super) missing: Option<String>,
    regions: usize,
    /// MiB of the cold part that are called idle, and of the other parts.
    pub(super) cold: f64,
    wrong: f64,
    /// The least cold that was found, and the most that was wrong, in any look.
    worst: [f64; 2],
    /// Share of one processor.
    cpu: f64,
}

impl Row {
    pub(super) fn new(setting: String) -> Self {
        let (cold, wrong, worst) = (0.0, 0.0, [f64::MAX, 0.0]);
        Self { kind: "row".into(), setting, missing: None, regions: 0, cold, wrong, worst, cpu: 0.0 }
    }

    pub(super) fn missing(self, what: String) -> Self {
        Self { missing: Some(what), ..self }
    }

    /// Adds one look: bytes of the cold part, and of the others.
    pub(super) fn add(&mut self, (cold, wrong): (u64, u64), regions: usize) {
        let (cold, wrong) = (mib(cold), mib(wrong));
        self.cold += cold / f64::from(LOOKS);
        self.wrong += wrong / f64::from(LOOKS);
        self.worst = [self.worst[0].min(cold), self.worst[1].max(wrong)];
        self.regions = regions;
    }

    pub(super) fn cost(mut self, used: Duration, elapsed: Duration) -> Self {
        self.cpu = used.as_secs_f64() / elapsed.as_secs_f64();
        self
    }

    pub(super) fn print_head() {
        println!("{:<36} regions    cold   wrong  (worst look)     of a core", "");
    }

    pub(super) fn print(&self) {
        let Self { setting, regions, cold, wrong, worst: [least, most], cpu, .. } = self;
        match &self.missing {
            Some(part) => println!("{setting:<36} not on this kernel: {part}"),
            None => println!(
                "{setting:<36} {regions:>7} {cold:>7.1} {wrong:>7.1}  ({least:.1}, {most:.1})  {:>8.3} %",
                cpu * 100.0
            ),
        }
    }
}
