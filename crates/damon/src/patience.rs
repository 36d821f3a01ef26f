use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use lowtide_kernfs::{Errno, Result as FileResult};

use crate::{Error, Result};

/// How long a busy tree is waited for.
///
/// One lock guards the whole tree and is only ever tried for (`mutex_trylock(&damon_sysfs_lock)`): whoever
/// comes while another one reads a pid or takes a snapshot is told EBUSY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience(pub(crate) Duration);

impl Default for Patience {
    /// Longer than a snapshot with the intervals that DAMON is usually run with.
    fn default() -> Self {
        Self(Duration::from_secs(5))
    }
}

impl Patience {
    /// Does it until it is not busy. Errors other than EBUSY come back as they are.
    pub(crate) fn with<T>(self, mut attempt: impl FnMut() -> FileResult<T>) -> Result<FileResult<T>> {
        self.unless(&mut attempt, || Ok(()))
    }

    /// The same; after each EBUSY `hindrance` may say that waiting is in vain.
    pub(crate) fn unless<T>(
        self,
        mut attempt: impl FnMut() -> FileResult<T>,
        mut hindrance: impl FnMut() -> Result<()>,
    ) -> Result<FileResult<T>> {
        const LONGEST: Duration = Duration::from_millis(20);
        let start = Instant::now();
        let mut pause = Duration::from_micros(200);
        loop {
            let error = match attempt() {
                Err(error) if error.errno() == Some(Errno::EBUSY) => error,
                done => return Ok(done),
            };
            hindrance()?;
            let waited = start.elapsed();
            if waited >= self.0 {
                return Err(Error::Busy { path: error.path().into(), waited });
            }
            sleep(pause);
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Does it until it is not busy.
    pub(crate) fn get<T>(self, attempt: impl FnMut() -> FileResult<T>) -> Result<T> {
        Ok(self.with(attempt)??)
    }
}
