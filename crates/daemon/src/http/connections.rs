//! Who is connected: so many at a time, and of more the one that has been idle the longest is closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// Scrapers are few, and each is answered at once. Every one holds a descriptor and a few KiB.
pub(super) const MOST: usize = 64;

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
    /// Nothing was asked yet.
    idle: bool,
    task: AbortHandle,
}

impl Connections {
    /// Takes in a connection, whose task `start` begins with the number that it is known by; another one is closed for it if there are
    /// [`MOST`]: the oldest idle one, or the oldest if all were asked something.
    pub(super) fn open(&self, start: impl FnOnce(u64) -> AbortHandle) {
        let mut table = self.table();
        if table.open.len() >= MOST {
            // Who asks and does not read would else hold all of them for ten seconds at a time.
            let place = table.open.iter().position(|open| open.idle).unwrap_or(0);
            table.open.remove(place).task.abort();
        }
        table.next += 1;
        let number = table.next;
        let task = start(number);
        table.open.push(Open { number, idle: true, task });
    }

    /// Something was asked on it.
    pub(super) fn asks(&self, number: u64) {
        if let Some(open) = self.table().open.iter_mut().find(|open| open.number == number) {
            open.idle = false;
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
    async fn the_oldest_idle_one_makes_room() {
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
        connections.asks(1);
        connections.closed(3);
        (0..3).for_each(|_| open());
        tokio::task::yield_now().await;
        let ended: Vec<_> = tasks
            .iter()
            .enumerate()
            .filter(|(_, task)| task.is_finished())
            .map(|(place, _)| place + 1)
            .collect();
        // The third made room by itself for one; then two idle ones had to go, and not the first.
        assert_eq!(ended, [2, 4]);
    }
}
