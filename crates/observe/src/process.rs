//! What the daemon's own process takes.

use std::time::{Duration, SystemTime};

use lowtide_kernfs::{Root, process_cpu};

/// As the client libraries of Prometheus report it. Memory is in the view.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process {
    /// When the daemon began.
    pub started: Option<SystemTime>,
    /// CPU time of all of its threads.
    pub cpu: Duration,
    /// Descriptors; `None` where the kernel does not say without a list of them all.
    pub open_files: Option<u64>,
}

impl Process {
    /// Looks once: two system calls and a clock.
    #[must_use]
    pub fn look(root: &Root, started: SystemTime) -> Self {
        let open_files = root.dir("proc/self/fd").and_then(|dir| dir.size()).ok();
        Self {
            started: Some(started),
            cpu: process_cpu().unwrap_or_default(),
            // The directory itself is one while it is looked at.
            open_files: open_files.and_then(|count| count.checked_sub(1)).filter(|count| *count > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn descriptors_are_counted_where_the_kernel_does() {
        let root = Root::open("/").unwrap();
        let count = || Process::look(&root, SystemTime::now()).open_files;
        let Some(before) = count() else {
            assert_eq!(root.dir("proc/self/fd").unwrap().size().unwrap(), 0, "a kernel before 6.2");
            return;
        };
        let files: Vec<_> = (0..100).map(|_| File::open("/proc/self/stat").unwrap()).collect();
        // Other tests open and close theirs meanwhile.
        let after = count().unwrap();
        assert!(after.abs_diff(before) > 50, "{before} before, {after} with {} more", files.len());
    }
}
