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

/// Bits 1 to 31 of EFLAGS that have one value on every processor: bit 1 is set; 3, 5, 15 and 22 to 31 are
/// clear (Intel SDM, volume 1, 3.4.3).
const RESERVED: (u32, u32) = (0x0000_0002, 0xffc0_802a);

/// The line of an oops with flags that no processor can have: the emulator lost them, and what followed says
/// nothing.
///
/// QEMU 7.2 keeps flags in pieces and puts them together when an interrupt comes; at times, between a
/// cmpxchg16b and the branch after it, it puts in what is left of something else. Seen once in some hundred
/// machines, in the slab allocator, with the low half of a pointer for flags.
#[must_use]
pub fn emulator_fault(log: &str) -> Option<String> {
    let lost = |line: &&str| {
        let flags = line.split("EFLAGS: ").nth(1).and_then(|rest| rest.split_ascii_whitespace().next());
        let flags = flags.and_then(|flags| u32::from_str_radix(flags, 16).ok());
        flags.is_some_and(|flags| flags & RESERVED.1 != RESERVED.0)
    };
    log.lines().find(lost).map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_cannot_be_are_the_emulators() {
        let lost = "[   46.400424] RSP: 0018:ffa000000046b160 EFLAGS: 7e22fbda";
        assert_eq!(emulator_fault(&format!("[ 1.0] boot\n{lost}\n")), Some(lost.to_owned()));
        for sound in ["00000202", "00010246", "00000002", "00200286"] {
            assert_eq!(emulator_fault(&format!("RSP: 0018:ff EFLAGS: {sound}\n")), None, "{sound}");
        }
        assert_eq!(emulator_fault("[ 2.0] Kernel panic - not syncing: sysrq\n"), None);
    }

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
