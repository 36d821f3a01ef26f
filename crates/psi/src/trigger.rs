use std::{
    fmt,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::{Path, PathBuf},
    time::Duration,
};

use lowtide_kernfs::{Errno, Error, Files, Operation, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The longest window that any kernel takes (`WINDOW_MAX_US`, kernel/sched/psi.c).
pub const WINDOW_MAX: Duration = Duration::from_secs(10);

/// Who has to be stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// At least one task.
    Some,
    /// All non-idle tasks at once.
    Full,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Some => "some",
            Self::Full => "full",
        })
    }
}

/// Why a trigger could not be armed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArmError {
    /// Without `CAP_SYS_RESOURCE` the window has to be a multiple of 2 s, which the kernel says with EINVAL
    /// (seen on 6.1, 6.12 and 6.18); a 6.1 without the stable series' backport of that refuses to open the
    /// file for writing, EPERM.
    #[error(
        "no trigger on {} with a window of {window:?}: without CAP_SYS_RESOURCE it has to be a multiple of 2 s",
        path.display()
    )]
    NotPermitted {
        /// The pressure file.
        path: PathBuf,
        /// The window asked for.
        window: Duration,
    },
    /// The stall is none or longer than the window, or the window is longer than [`WINDOW_MAX`] or, on
    /// kernels that have a minimum (0.5 s, 6.1), too short.
    #[error("no trigger on {} for {stall:?} in a window of {window:?}: out of range", path.display())]
    OutOfRange {
        /// The pressure file.
        path: PathBuf,
        /// The stall asked for.
        stall: Duration,
        /// The window asked for.
        window: Duration,
    },
    /// The descriptor has a trigger already.
    #[error("{} has a trigger on this descriptor already", path.display())]
    Busy {
        /// The pressure file.
        path: PathBuf,
    },
    /// Pressure is not measured: off at boot, off for this cgroup, or not built.
    #[error("{}: pressure is not measured here", path.display())]
    Off {
        /// The pressure file.
        path: PathBuf,
    },
    /// The cgroup vanished.
    #[error("{}: the cgroup is gone", path.display())]
    Gone {
        /// The pressure file.
        path: PathBuf,
    },
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

/// What poll(2) said about a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The threshold was crossed within the last window. The first one can be false: read the total again.
    Fired,
    /// The cgroup is gone (or the descriptor has no trigger): poll says so for ever, so stop watching.
    Gone,
    /// Nothing happened in time.
    TimedOut,
}

impl Event {
    /// `psi_trigger_poll` answers `POLLERR | POLLPRI` for what can never fire (again), `POLLPRI` for a
    /// crossing.
    #[must_use]
    pub const fn from_revents(revents: PollFlags) -> Self {
        let dead = PollFlags::POLLERR.union(PollFlags::POLLHUP).union(PollFlags::POLLNVAL);
        if revents.intersects(dead) {
            Self::Gone
        } else if revents.contains(PollFlags::POLLPRI) {
            Self::Fired
        } else {
            Self::TimedOut
        }
    }
}

/// A threshold that the kernel watches; ready for `POLLPRI` when it is crossed, at most once a window.
///
/// The kernel reports rises only, so who waits steps the level down by a timer. Dropping it disarms it.
#[derive(Debug)]
pub struct Trigger {
    file: OwnedFd,
    path: PathBuf,
}

impl Trigger {
    /// Asks the kernel to report when tasks were stalled for `stall` within `window`. Both count in
    /// microseconds.
    pub fn arm(
        files: &impl Files,
        path: impl AsRef<Path>,
        kind: Kind,
        stall: Duration,
        window: Duration,
    ) -> Result<Self, ArmError> {
        let relative = path.as_ref();
        let path = files.shown(relative);
        if stall.as_micros() == 0 || stall > window || window > WINDOW_MAX {
            return Err(ArmError::OutOfRange { path, stall, window });
        }
        // /proc/pressure/* replaces the last byte written by NUL (`psi_write`), so without one of its own
        // "1000000" would become "100000".
        let request = format!("{kind} {} {}\0", stall.as_micros(), window.as_micros());
        let armed = files.open_rw(relative).and_then(|file| {
            files.write_to(&file, relative, request.as_bytes())?;
            Ok(file)
        });
        match armed {
            Ok(file) => Ok(Self { file, path }),
            Err(error) => Err(refused(files, error, path, stall, window)),
        }
    }

    /// The pressure file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until it fires, its cgroup goes, or `timeout` is over; without one, as long as it takes.
    ///
    /// Rounded up to milliseconds. A signal ends the wait early, as if it had timed out.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<Event> {
        let timeout = timeout.map_or(PollTimeout::NONE, |timeout| {
            let millis = timeout.as_nanos().div_ceil(1_000_000);
            i32::try_from(millis)
                .ok()
                .and_then(|ms| PollTimeout::try_from(ms).ok())
                .unwrap_or(PollTimeout::MAX)
        });
        let mut polled = [PollFd::new(self.file.as_fd(), PollFlags::POLLPRI)];
        match poll(&mut polled, timeout) {
            Ok(_) => {
                let revents = polled[0].revents().unwrap_or(PollFlags::POLLERR);
                Ok(Event::from_revents(revents))
            }
            Err(Errno::EINTR) => Ok(Event::TimedOut),
            Err(errno) => {
                Err(Error::System { operation: Operation::Read, path: self.path.as_path().into(), errno })
            }
        }
    }
}

impl AsFd for Trigger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for Trigger {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// Makes a typed error of the kernel's answer; see `psi_trigger_create` and `psi_write` in
/// kernel/sched/psi.c.
fn refused(files: &impl Files, error: Error, path: PathBuf, stall: Duration, window: Duration) -> ArmError {
    match error.errno() {
        // A removed cgroup and one with `cgroup.pressure` 0 differ by the files that every cgroup has; the
        // host's own files do not go away.
        Some(Errno::ENOENT) => {
            if files.exists("cgroup.controllers") == Ok(false) && files.exists("proc") == Ok(false) {
                ArmError::Gone { path }
            } else {
                ArmError::Off { path }
            }
        }
        Some(Errno::ENODEV) => ArmError::Gone { path },
        Some(Errno::EOPNOTSUPP) => ArmError::Off { path },
        Some(Errno::EBUSY) => ArmError::Busy { path },
        Some(Errno::EPERM | Errno::EACCES) => ArmError::NotPermitted { path, window },
        // The ranges that hold everywhere were checked before, so what is left is the minimum or the
        // privilege.
        Some(Errno::EINVAL) if window < Duration::from_millis(500) => {
            ArmError::OutOfRange { path, stall, window }
        }
        Some(Errno::EINVAL) if !window.as_micros().is_multiple_of(2_000_000) => {
            ArmError::NotPermitted { path, window }
        }
        _ => ArmError::Other(error),
    }
}

#[cfg(test)]
#[path = "trigger_tests.rs"]
mod tests;
