//! A state directory's disk that hangs until it is told not to.

use std::sync::{Arc, Condvar, Mutex};

use lowtide_journal::{BeforeWrite, Journal};

/// A state directory's disk whose writes hang until they are let through.
#[derive(Clone, Default)]
pub struct SlowDisk(Arc<(Mutex<u32>, Condvar)>);

impl SlowDisk {
    /// For [`Journal::wait_at_most`].
    #[must_use]
    pub fn hook(&self) -> BeforeWrite {
        let Self(gate) = self.clone();
        Arc::new(move || {
            let (open, changed) = &*gate;
            let mut open = changed.wait_while(open.lock().unwrap(), |open| *open == 0).unwrap();
            *open -= 1;
        })
    }

    /// Lets so many writes through.
    pub fn let_through(&self, writes: u32) {
        *self.0.0.lock().unwrap() += writes;
        self.0.1.notify_all();
    }

    /// Until nothing is under way any more.
    pub fn settle(journal: &mut Journal) {
        while journal.late_by().is_some() {
            std::thread::yield_now();
        }
    }
}
