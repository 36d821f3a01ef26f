use lowtide_kernfs::{Files, Root};

use crate::{Capabilities, Result, Thread};

/// What has to be on disk so that whatever ends this process, the next one finds what it left: see
/// [`teardown_recorded`](crate::teardown_recorded).
///
/// Keep [`Reservation::record`](crate::Reservation::record) before claiming,
/// [`Claimed::record`](crate::Claimed::record) before probing, [`Owned::record`](crate::Owned::record) before
/// starting and again after. A process that is killed between claiming and the second leaves an empty
/// directory, which counts as vacant; nothing is filled or runs before it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// `nr_kdamonds` is to be written.
    Creation(Creation),
    /// A kdamond is ours.
    Claim(Claim),
}

/// `nr_kdamonds` written over another number.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Creation {
    /// The kernel's boot id: after a reboot nothing is left.
    pub boot_id: String,
    /// What it held.
    pub was: u32,
    /// What was written.
    pub count: u32,
}

/// A kdamond that is ours, in a form that outlives this process.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Claim {
    /// The kernel's boot id.
    pub boot_id: String,
    /// Its number.
    pub index: u32,
    /// The inode of its directory `kdamonds/N`. On 64 bits sysfs never uses one again (fs/kernfs/dir.c,
    /// `kernfs_ino`: an id with a generation), so a directory that another program made under the same name
    /// is told apart.
    pub kdamond: u64,
    /// The inode of its directory `contexts/0`.
    pub context: u64,
    /// Its thread, once it was started.
    pub thread: Option<Thread>,
    /// What its kernel has, once probed; that takes an idle kdamond, so who takes over a running one needs it
    /// from here.
    pub capabilities: Option<Capabilities>,
}

/// Empty where there is none, which is in a fixture tree.
pub(crate) fn boot_id(root: &Root) -> Result<String> {
    let text = root.read_optional("proc/sys/kernel/random/boot_id")?;
    Ok(text.unwrap_or_default().trim().to_owned())
}
