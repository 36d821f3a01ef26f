use std::{path::Path, time::Duration};

use nix::time::{ClockId, clock_gettime};

use crate::{Error, Operation, Result};

/// CPU time that the process has used so far, all of its threads, in user and kernel mode.
pub fn process_cpu() -> Result<Duration> {
    clock(ClockId::CLOCK_PROCESS_CPUTIME_ID, "CLOCK_PROCESS_CPUTIME_ID")
}

/// CPU time that the calling thread has used so far, in user and kernel mode: the difference around a write
/// is what the kernel worked for it. Asynchronous work that the write only begins, such as a disk's, is not
/// in it.
pub fn thread_cpu() -> Result<Duration> {
    clock(ClockId::CLOCK_THREAD_CPUTIME_ID, "CLOCK_THREAD_CPUTIME_ID")
}

fn clock(id: ClockId, name: &str) -> Result<Duration> {
    clock_gettime(id).map(Duration::from).map_err(|errno| Error::System {
        operation: Operation::Read,
        path: Path::new(name).into(),
        errno,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_work_and_not_with_sleep() {
        let before = thread_cpu().unwrap();
        let used = || thread_cpu().unwrap().saturating_sub(before);
        std::thread::sleep(Duration::from_millis(200));
        let slept = used();
        assert!(slept < Duration::from_millis(100), "{slept:?}");
        let mut turns = 0_u64;
        while used() < Duration::from_millis(10) + slept {
            turns += 1;
        }
        assert!(turns > 0);
        assert!(process_cpu().unwrap() >= thread_cpu().unwrap(), "this thread is one of its own");
    }
}
