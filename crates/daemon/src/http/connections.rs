//! Who is connected: so many at a time, and one that has been idle or slow the longest is closed for another
//! one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// Scrapers are few. Every connection holds a descriptor and a few KiB.
const MOST: usize = 80;
/// Of these may wait for the page. The others are for who asks whether the daemon lives.
pub(super) const WAITING: usize = 64;

/// The connections that are open, the oldest first. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Connections(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    number: u64,
    at: Stage,
    task: AbortHandle,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing was asked yet.
    Idle,
    /// For its turn.
    Waits,
    /// What it asked for is on its way.
    Reads,
}

impl Connections {
    /// Takes in a connection, whose task `start` begins with the number that it is known by; another one is
    /// closed for it if there are [`MOST`]: the oldest idle one, else the oldest that reads, and only then
    /// one that waits, the newest: those before it have waited longer.
    pub(super) fn open(&self, start: impl FnOnce(u64) -> AbortHandle) {
        let mut table = self.table();
        if table.open.len() >= MOST {
            // Who asks and does not read would else hold all of them for ten seconds at a time.
            let oldest = |at| table.open.iter().position(|open| open.at == at);
            let place = oldest(Stage::Idle).or_else(|| oldest(Stage::Reads)).unwrap_or(MOST - 1);
            table.open.remove(place).task.abort();
        }
        table.next += 1;
        let number = table.next;
        let task = start(number);
        table.open.push(Open { number, at: Stage::Idle, task });
    }

    /// It has come so far.
    pub(super) fn is_at(&self, number: u64, stage: Stage) {
        if let Some(open) = self.table().open.iter_mut().find(|open| open.number == number) {
            open.at = stage;
        }
    }

    /// It has ended.
    pub(super) fn closed(&self, number: u64) {
        self.table().open.retain(|open| open.number != number);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_idle_one_makes_room_then_the_oldest_that_reads() {
        let connections = Connections::default();
        let mut tasks = Vec::new();
        let mut open = || {
            connections.open(|_| {
                let task = tokio::spawn(std::future::pending::<()>());
                tasks.push(task.abort_handle());
                task.abort_handle()
            });
        };
        (0..MOST).for_each(|_| open());
        connections.is_at(1, Stage::Waits);
        connections.closed(3);
        (0..3).for_each(|_| open());
        // All have asked by now, and two are read.
        (1..=MOST as u64 + 3).for_each(|number| connections.is_at(number, Stage::Waits));
        connections.is_at(20, Stage::Reads);
        connections.is_at(10, Stage::Reads);
        (0..2).for_each(|_| open());
        for _ in 0..MOST {
            tokio::task::yield_now().await;
        }
        let ended: Vec<_> = tasks
            .iter()
            .enumerate()
            .filter(|(_, task)| task.is_finished())
            .map(|(place, _)| place + 1)
            .collect();
        // The third made room by itself for one; then two idle ones had to go, and not the first. Of the last
        // two one was idle when the other came.
        assert_eq!(ended, [2, 4, 10, MOST + 4]);
    }
}
