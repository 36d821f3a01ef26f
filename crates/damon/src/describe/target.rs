use std::fmt;

use super::Keyword;

/// Which memory is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Space {
    /// `vaddr`: the address spaces of processes, which the kernel follows as they map and unmap (each
    /// [`Intervals::update`](super::Intervals::update)). It sees three ranges per process, from the lowest to
    /// the highest mapping without the two largest gaps, so smaller holes in them are watched as if they were
    /// memory.
    Processes(Vec<Process>),
    /// `fvaddr` (5.19 and later): fixed ranges of processes' address spaces; every process needs some.
    FixedRanges(Vec<Process>),
    /// `paddr`: physical memory; [`system_ram`](crate::system_ram) says which ranges there are.
    Physical(Vec<AddressRange>),
}

impl Space {
    /// The set of operations that watches it.
    #[must_use]
    pub const fn operations(&self) -> Operations {
        match self {
            Self::Processes(_) => Operations::Vaddr,
            Self::FixedRanges(_) => Operations::Fvaddr,
            Self::Physical(_) => Operations::Paddr,
        }
    }

    /// The processes; none for physical memory.
    #[must_use]
    pub fn processes(&self) -> &[Process] {
        match self {
            Self::Processes(processes) | Self::FixedRanges(processes) => processes,
            Self::Physical(_) => &[],
        }
    }
}

/// A set of monitoring operations, by the word in `avail_operations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operations {
    /// Virtual address spaces of processes.
    Vaddr,
    /// Fixed ranges of virtual address spaces.
    Fvaddr,
    /// Physical memory.
    Paddr,
}

impl Operations {
    pub(crate) const ALL: [Self; 3] = [Self::Vaddr, Self::Fvaddr, Self::Paddr];
}

impl Keyword for Operations {
    fn keyword(&self) -> &'static str {
        match self {
            Self::Vaddr => "vaddr",
            Self::Fvaddr => "fvaddr",
            Self::Paddr => "paddr",
        }
    }
}

impl fmt::Display for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.keyword())
    }
}

/// A process that is watched.
///
/// A commit matches targets by their place in the list, and a target that gets another process keeps the
/// regions and ages of the former. So append new ones, and take one away by [`Process::obsolete`], not by
/// moving the others up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process id. The process has to live when the kdamond starts and at each commit.
    pub pid: u32,
    /// The ranges to begin with; for `vaddr` none means that the kernel chooses.
    pub ranges: Vec<AddressRange>,
    /// `obsolete_target` (6.19 and later): a commit removes this target and leaves those behind it as they
    /// are; leave it out of the description from then on.
    pub obsolete: bool,
}

impl Process {
    /// A process with the ranges that the kernel chooses.
    #[must_use]
    pub const fn new(pid: u32) -> Self {
        Self { pid, ranges: Vec::new(), obsolete: false }
    }
}

/// A range of addresses, not empty; the kernel rounds it outwards to whole pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    start: u64,
    end: u64,
}

impl AddressRange {
    /// From `start` up to and without `end`; `None` if that is nothing.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if start < end { Some(Self { start, end }) } else { None }
    }

    /// The first address.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// The address behind the last one.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }
}
