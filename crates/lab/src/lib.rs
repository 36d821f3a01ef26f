//! Real kernels in virtual machines, tenants whose truth is known, and what they measure. Development only.
//!
//! Two halves share this crate. The host half (`apt`, `kernel`, `machine`, `run`, `scenarios`' machines and
//! checks) runs on the developer's machine and changes nothing there but files under the lab's own directory
//! and the Debian packages it says it installs. The guest half (`guest`, `tenant`, `scenarios`' steps) runs
//! as root inside the virtual machine, where it may do what it likes.

pub mod accel;
pub mod apt;
pub mod bench;
pub mod console;
pub mod cpio;
pub mod dirs;
pub mod guest;
pub mod initramfs;
pub mod kernel;
pub mod machine;
pub mod outcome;
pub mod process;
pub mod qemu;
pub mod random;
pub mod run;
pub mod scenarios;
pub mod sealed;
pub mod size;
pub mod spec;
pub mod tail;
pub mod tenant;
pub mod tools;
pub mod work;
