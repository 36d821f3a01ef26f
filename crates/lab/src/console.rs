//! Signs in the kernel's own messages that a run must not be believed.

/// Texts that no healthy run prints.
const FAULTS: [&str; 8] = [
    "Kernel panic",
    "BUG:",
    "Oops:",
    "general protection fault",
    "soft lockup",
    "hung task",
    "blocked for more than",
    "rcu: INFO: rcu_",
];

const OOM: [&str; 2] = ["Out of memory: Killed", "Memory cgroup out of memory"];

/// The lines of a console log that mean failure.
#[must_use]
pub fn faults(log: &str, oom_expected: bool) -> Vec<String> {
    let is_fault = |line: &&str| {
        FAULTS.iter().any(|sign| line.contains(sign))
            || (!oom_expected && OOM.iter().any(|sign| line.contains(sign)))
    };
    log.lines().filter(is_fault).map(|line| line.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_found() {
        let log = "[    1.0] all well\n[    2.0] Kernel panic - not syncing: sysrq\n";
        assert_eq!(faults(log, false), ["[    2.0] Kernel panic - not syncing: sysrq"]);
    }

    #[test]
    fn an_oom_kill_may_be_expected() {
        let log = "[ 9.0] Memory cgroup out of memory: Killed process 77 (tenant)";
        assert_eq!(faults(log, false).len(), 1);
        assert!(faults(log, true).is_empty());
    }
}
