use std::{marker::PhantomData, path::Path};

use nix::{
    errno::Errno,
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::{Error, Operation, Result};

/// To sched_setaffinity(2) this is the calling thread.
const THIS_THREAD: Pid = Pid::from_raw(0);

/// Keeps the thread that made it to some processors, until it is dropped.
#[derive(Debug)]
pub struct Bound {
    before: CpuSet,
    /// What is put back is put back in the same thread: `!Send`.
    thread: PhantomData<*const ()>,
}

/// Keeps the calling thread to those of `processors` that it may run on now; `None` if it may run on none of
/// them, and everything stays as it is.
///
/// Fails where the kernel knows more than 1024 processors: then its mask does not fit into a `cpu_set_t`, and
/// sched_getaffinity(2) says EINVAL.
pub fn bind_thread(processors: &[u32]) -> Result<Option<Bound>> {
    let before = sched_getaffinity(THIS_THREAD).map_err(|errno| failed(Operation::Read, errno))?;
    let mut wanted = CpuSet::new();
    for processor in processors.iter().filter_map(|processor| usize::try_from(*processor).ok()) {
        if before.is_set(processor).unwrap_or(false) {
            wanted.set(processor).map_err(|errno| failed(Operation::Write, errno))?;
        }
    }
    if wanted == CpuSet::new() {
        return Ok(None);
    }
    sched_setaffinity(THIS_THREAD, &wanted).map_err(|errno| failed(Operation::Write, errno))?;
    Ok(Some(Bound { before, thread: PhantomData }))
}

impl Drop for Bound {
    fn drop(&mut self) {
        // EINVAL if the thread's cpuset has none of them any more: then the kernel has moved it already.
        let _ = sched_setaffinity(THIS_THREAD, &self.before);
    }
}

fn failed(operation: Operation, errno: Errno) -> Error {
    Error::System { operation, path: Path::new("the thread's CPU affinity").into(), errno }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Vec<u32> {
        let set = sched_getaffinity(THIS_THREAD).unwrap();
        let all = 0..u32::try_from(CpuSet::count()).unwrap();
        all.filter(|processor| set.is_set(*processor as usize).unwrap()).collect()
    }

    #[test]
    fn a_thread_stays_where_it_is_told_until_the_end() {
        let before = allowed();
        let last = *before.last().unwrap();
        let bound = bind_thread(&[last, 1023]).unwrap();
        assert_eq!(allowed(), [last]);
        assert!(bind_thread(&[last]).unwrap().is_some(), "within what it may");
        drop(bound);
        assert_eq!(allowed(), before);
    }

    #[test]
    fn it_goes_nowhere_else_than_it_may() {
        let before = allowed();
        let _bound = bind_thread(&before[..1]).unwrap();
        let others: Vec<_> = (0..4096).filter(|processor| *processor != before[0]).collect();
        assert!(bind_thread(&others).unwrap().is_none());
        assert!(bind_thread(&[]).unwrap().is_none());
        assert_eq!(allowed(), before[..1]);
    }
}
