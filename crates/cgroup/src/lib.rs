//! cgroup v2 memory: discover, read, reclaim.
//!
//! [`Mount`] is where the hierarchy is, [`Mount::walk`] visits all of it, [`Cgroup`] is one directory held
//! open: what is read and written through it belongs to that cgroup and to no other that took its path since.

mod census;
mod cgroup;
mod cpu;
mod error;
mod host;
mod io;
mod memory;
mod mount;
mod mountinfo;
mod numa;
mod own;
mod reclaim;
mod walk;

pub use census::{Census, parse_census};
pub use cgroup::Cgroup;
pub use cpu::parse_cpu_stat;
pub use error::{Error, Result};
pub use io::parse_io_stat;
pub use memory::parse_stat;
pub use mount::Mount;
pub use mountinfo::{MountPoint, mount_point};
pub use numa::parse_numa_stat;
pub use own::{own_path, parse_own_path};
pub use reclaim::{CHUNK, Request};
pub use walk::{Descend, Walked};
