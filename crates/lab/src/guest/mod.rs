//! Functions for the inside of a virtual machine: they mount, load modules, create swap and cgroups without
//! asking, because the machine is thrown away. Nothing here is called on the host.

pub mod block;
pub mod cgroup;
pub mod daemon;
pub mod init;
pub mod knobs;
pub mod modules;
pub mod mounts;
pub mod report;
pub mod swap;
pub mod tenants;
pub mod zram;

pub use block::NullBlock;
pub use cgroup::Cgroup;
pub use daemon::Daemon;
pub use tenants::Tenant;
pub use zram::Zram;
