use std::{collections::BTreeMap, time::Duration};

use crate::units::Bytes;

const HOUR: Duration = Duration::from_hours(1);
const HOURS_A_DAY: u64 = 24;

/// A moment that can be told from another one of the same boot, and of another.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Moment {
    /// The kernel's boot id.
    pub boot_id: String,
    /// Time since the boot, sleep included (`CLOCK_BOOTTIME`).
    pub since_boot: Duration,
    /// What the wall clock says, since 1970.
    pub wall: Duration,
}

impl Moment {
    /// Time that passed since `before`.
    ///
    /// Within a boot nothing but the kernel's own clock counts, so setting the wall clock changes nothing.
    /// Across boots it is the wall clock, but at least the time since this boot: a clock that starts in 1970
    /// makes the day longer, not shorter.
    fn since(&self, before: &Self) -> Duration {
        if self.boot_id == before.boot_id {
            return self.since_boot.saturating_sub(before.since_boot);
        }
        self.wall.saturating_sub(before.wall).max(self.since_boot)
    }
}

/// The bytes written to one device in the last 24 h.
///
/// Kept by the hour: an hour's bytes count until 24 h after that hour has ended, so in no 24 h, wherever they
/// begin, is more written than was allowed. What is going to be written is reserved before, and on the disk
/// before the kernel is told: whoever is killed then has counted it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Endurance {
    /// Time on a clock of its own, which starts with the account and only ever moves on.
    clock: Duration,
    /// When that was.
    moment: Moment,
    /// Written, by hours of that clock.
    hours: BTreeMap<u64, Bytes>,
    /// Not yet written, and promised.
    reserved: Bytes,
    /// The device's own counter, up to which it is counted.
    counter: Bytes,
}

impl Endurance {
    /// A new account. What the counter says already was written before anybody kept one: nobody knows when.
    #[must_use]
    pub fn new(now: Moment, counter: Bytes) -> Self {
        Self { moment: now, counter, ..Self::default() }
    }

    /// Goes on to `now`. After a boot the counter starts anew, and what was reserved counts as written.
    pub fn advance(&mut self, now: Moment) {
        if now.boot_id != self.moment.boot_id {
            self.write_off();
        }
        self.clock = self.clock.saturating_add(now.since(&self.moment));
        self.moment = now;
        let hour = self.hour();
        self.hours.retain(|begun, _| hour < begun.saturating_add(HOURS_A_DAY + 1));
    }

    /// Counts what the device's counter has gained, whoever wrote it. True if it has gained something.
    pub fn counted(&mut self, counter: Bytes) -> bool {
        if counter < self.counter {
            self.write_off();
        }
        let gained = counter - self.counter;
        self.counter = counter;
        self.reserved = self.reserved - gained;
        self.add(gained);
        !gained.is_zero()
    }

    /// Promises bytes to whoever writes next.
    pub fn reserve(&mut self, amount: Bytes) {
        self.reserved += amount;
    }

    /// Whoever had bytes promised has ended, and all that it wrote is counted. True if some of them were not
    /// used.
    pub fn release(&mut self) -> bool {
        !std::mem::take(&mut self.reserved).is_zero()
    }

    /// Written in the last 24 h, and up to an hour before.
    #[must_use]
    pub fn written(&self) -> Bytes {
        self.hours.values().copied().sum()
    }

    /// What may still be promised of `budget`.
    #[must_use]
    pub fn left(&self, budget: Bytes) -> Bytes {
        budget - self.written() - self.reserved
    }

    /// Nobody can tell any more how much of the promised was written.
    fn write_off(&mut self) {
        self.add(self.reserved);
        self.reserved = Bytes::ZERO;
        self.counter = Bytes::ZERO;
    }

    fn add(&mut self, written: Bytes) {
        if !written.is_zero() {
            *self.hours.entry(self.hour()).or_default() += written;
        }
    }

    fn hour(&self) -> u64 {
        self.clock.as_secs() / HOUR.as_secs()
    }
}

#[cfg(test)]
#[path = "endurance_tests.rs"]
mod tests;
