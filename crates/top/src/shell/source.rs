use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant, SystemTime},
};

use lowtide_kernfs::{Result, Root};

use super::{Ask, inquiry::Inquiry};
use crate::{
    model::{Model, Past},
    sample::{Daemon, Kernel, Sample},
};

/// Where samples come from: the kernel's files and the daemon's socket.
pub struct Source {
    kernel: Kernel,
    daemon: Inquiry,
    note: Option<String>,
    began: Instant,
}

impl Source {
    /// Below `root`; `ask` asks the daemon at `socket`. A `note` is a problem of every sample.
    #[must_use]
    pub fn new(root: Root, socket: PathBuf, ask: Ask, note: Option<String>) -> Self {
        Self { kernel: Kernel::new(root), daemon: Inquiry::new(socket, ask), note, began: Instant::now() }
    }

    /// Everything now. Fails where /proc/meminfo cannot be read.
    pub fn look(&mut self) -> Result<Sample> {
        let daemon = self.daemon.answer();
        self.with(daemon)
    }

    /// As [`look`](Self::look), for one who looks again and again: the daemon is asked about once in each of
    /// its turns.
    pub fn look_in_turn(&mut self) -> Result<Sample> {
        let daemon = self.daemon.answer_in_turn(self.began.elapsed());
        self.with(daemon)
    }

    fn with(&mut self, daemon: Daemon) -> Result<Sample> {
        // The time of the kernel's counters, which rates are made of.
        let (at, clock) = (SystemTime::now(), self.began.elapsed());
        let mut host = self.kernel.look()?;
        host.problems.extend(self.note.clone());
        Ok(Sample { at, clock, host, daemon })
    }
}

/// What two looks say, with `interval` between them: one alone has no rates.
pub fn twice(source: &mut Source, interval: Duration) -> Result<Model> {
    let mut past = Past::default();
    past.take(source.look()?);
    thread::sleep(interval);
    Ok(past.take(source.look()?))
}
