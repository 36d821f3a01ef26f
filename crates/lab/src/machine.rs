//! What a virtual machine is made of.

use crate::size::MIB;
use std::time::Duration;

/// How the guest's clock runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Counts instructions, one a nanosecond, and skips idle time: the same figures on every run.
    Deterministic,
    /// The host's clock; KVM where it works. For looking around, not for figures.
    Plain,
}

/// Where the guest's root file system comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// A copy-on-write view of this machine's own: everything that is installed here is there. Reading it
    /// takes host time, which counted time does not know: it jumps while a program is loaded.
    Host,
    /// The same, with this machine's systemd as process 1, which brings the host up and starts the job as a
    /// service.
    HostWithSystemd,
    /// A small one in memory, packed before the boot: the lab's programs, those of the job, what they are
    /// linked with, tools for swap and file systems, and the modules. No host I/O at all.
    Sealed,
}

/// A machine to boot. Build it with the `with_*` methods.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Kernel series.
    pub kernel: String,
    /// DRAM in bytes.
    pub memory: u64,
    /// Virtual processors.
    pub cpus: u32,
    /// NUMA nodes, from 0, that DRAM and processors are shared out to equally.
    pub nodes: u32,
    /// How time passes.
    pub clock: Clock,
    /// Bytes of one more NUMA node, slower and without a processor; it is nearest to the last of the others.
    pub cxl: Option<u64>,
    /// Virtio disks, in bytes each; they are `/dev/vda`, `/dev/vdb`, ... and start out as zeros.
    pub disks: Vec<u64>,
    /// More words for the kernel's command line.
    pub kernel_args: Vec<String>,
    /// Wall-clock limit, after which the machine is killed.
    pub limit: Duration,
    /// Where its files come from.
    pub root: Root,
    /// For a sealed root: more programs of this machine to pack, by name or path.
    pub packed: Vec<String>,
    /// A kill by the guest's OOM killer is part of the plan.
    pub oom_expected: bool,
    /// Print every kernel message, not only warnings.
    pub verbose: bool,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            kernel: crate::kernel::DEFAULT.to_owned(),
            memory: 2048 * MIB,
            cpus: 2,
            nodes: 1,
            clock: Clock::Plain,
            cxl: None,
            disks: Vec::new(),
            kernel_args: Vec::new(),
            limit: Duration::from_mins(5),
            root: Root::Host,
            packed: Vec::new(),
            oom_expected: false,
            verbose: false,
        }
    }
}

impl Machine {
    /// A machine whose figures are the same on every run: counted time and a sealed root.
    #[must_use]
    pub fn deterministic() -> Self {
        Self { clock: Clock::Deterministic, root: Root::Sealed, ..Self::default() }
    }

    /// Packs another program of this machine into a sealed root.
    #[must_use]
    pub fn with_packed(mut self, program: &str) -> Self {
        self.packed.push(program.to_owned());
        self
    }

    /// Chooses where the root comes from.
    #[must_use]
    pub fn with_root(mut self, root: Root) -> Self {
        self.root = root;
        self
    }

    /// Boots another kernel series.
    #[must_use]
    pub fn with_kernel(mut self, series: &str) -> Self {
        series.clone_into(&mut self.kernel);
        self
    }

    /// Sets DRAM, in bytes.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Sets the number of processors.
    #[must_use]
    pub fn with_cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// Shares DRAM and processors out to so many NUMA nodes.
    #[must_use]
    pub fn with_nodes(mut self, nodes: u32) -> Self {
        self.nodes = nodes;
        self
    }

    /// Adds a CPU-less node of so many bytes in a lower memory tier.
    #[must_use]
    pub fn with_cxl(mut self, bytes: u64) -> Self {
        self.cxl = Some(bytes);
        self
    }

    /// Adds an empty virtio disk of so many bytes.
    #[must_use]
    pub fn with_disk(mut self, bytes: u64) -> Self {
        self.disks.push(bytes);
        self
    }

    /// Adds a word to the kernel's command line.
    #[must_use]
    pub fn with_kernel_arg(mut self, word: &str) -> Self {
        self.kernel_args.push(word.to_owned());
        self
    }

    /// Sets the wall-clock limit.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}
