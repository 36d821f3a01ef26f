//! Functions for the inside of a virtual machine: they mount, load modules, create swap and cgroups without
//! asking, because the machine is thrown away. Nothing here is called on the host.

pub mod block;
pub mod cgroup;
pub mod daemon;
pub mod generations;
pub mod helper;
pub mod http;
pub mod init;
pub mod knobs;
pub mod look;
pub mod mapper;
pub mod modules;
pub mod mounts;
pub mod peers;
pub mod process;
pub mod prometheus;
pub mod report;
pub mod snapshot;
pub mod swap;
pub mod syscalls;
pub mod systemd;
pub mod tenants;
pub mod watchdog;
pub mod zram;

pub use block::NullBlock;
pub use cgroup::Cgroup;
pub use daemon::Daemon;
pub use generations::Generations;
pub use look::{Counters, Decided, Look};
pub use mapper::Mapped;
pub use peers::Peer;
pub use process::{CpuTime, ProcessUse};
pub use prometheus::Prometheus;
pub use snapshot::Snapshot;
pub use syscalls::SyscallCount;
pub use tenants::Tenant;
pub use watchdog::Watchdog;
pub use zram::Zram;
