//! Pressure stall information: totals read each interval, triggers awaited with poll.
//!
//! A total is cumulative and fresh at every read (`psi_show` runs the averages first, kernel/sched/psi.c), so
//! rates are made from two totals; the averages of 10, 60 and 300 seconds are not read at all.

mod read;
mod trigger;

pub use read::{parse, read};
pub use trigger::{ArmError, Event, Kind, Trigger, WINDOW_MAX};

/// What tasks wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// A processor.
    Cpu,
    /// Memory: reclaim, refaults of the working set, compaction.
    Memory,
    /// Block I/O.
    Io,
    /// Interrupts; 6.1 and later where the kernel accounts interrupt time.
    Irq,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cpu, Self::Memory, Self::Io, Self::Irq];

    /// The word in file names and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Io => "io",
            Self::Irq => "irq",
        }
    }

    /// The file in a cgroup's directory.
    #[must_use]
    pub const fn cgroup_file(self) -> &'static str {
        match self {
            Self::Cpu => "cpu.pressure",
            Self::Memory => "memory.pressure",
            Self::Io => "io.pressure",
            Self::Irq => "irq.pressure",
        }
    }

    /// The host's file, from the root directory.
    #[must_use]
    pub const fn host_file(self) -> &'static str {
        match self {
            Self::Cpu => "proc/pressure/cpu",
            Self::Memory => "proc/pressure/memory",
            Self::Io => "proc/pressure/io",
            Self::Irq => "proc/pressure/irq",
        }
    }
}
