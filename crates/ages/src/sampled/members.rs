//! The processes of a target, and how much memory each has in DRAM.

use lowtide_cgroup::Mount;
use lowtide_core::{ByType, Bytes, LeftOut, left_out::Kind};
use lowtide_damon::Thread;
use lowtide_kernfs::Root;

use crate::{Target, damon::process::resident, places::pids};

/// A process with less is not drawn from.
const LEAST: Bytes = Bytes::kib(256);

/// A process of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) process: Thread,
    pub(super) resident: ByType,
}

/// Those at or below a cgroup; `None` if it is gone. A process that cannot be looked at says nothing about
/// the others.
pub(super) fn members(
    root: &Root,
    mount: &Mount,
    target: &Target,
    left_out: &mut LeftOut,
) -> Result<Option<Vec<Member>>, String> {
    let cgroup = match mount.open_as(&target.path, target.id) {
        Ok(Some(cgroup)) => cgroup,
        Ok(None) | Err(lowtide_cgroup::Error::Replaced { .. }) => return Ok(None),
        Err(error) if error.is_gone() => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut members = Vec::new();
    for pid in pids(&cgroup, left_out).map_err(|error| error.to_string())? {
        members.extend(left_out.unless_of(&target.path, Kind::Process, member(root, pid)).flatten());
    }
    Ok(Some(members))
}

fn member(root: &Root, pid: u32) -> Result<Option<Member>, String> {
    let resident = resident(root, pid).map_err(|error| error.to_string())?;
    let Some(resident) = resident.filter(|resident| resident.total() >= LEAST) else { return Ok(None) };
    let process = Thread::find(root, pid).map_err(|error| error.to_string())?;
    Ok(process.map(|process| Member { process, resident }))
}
