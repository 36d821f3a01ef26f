use std::time::Duration;

use lowtide_kernfs::{Fault, Files, parse};

use crate::{Cgroup, Result};

impl Cgroup {
    /// Processor time of all of its tasks since it is there, with all that is below it (cpu.stat).
    ///
    /// Without the cpu controller too: the file is there since 5.6 whatever controllers are enabled
    /// (`cgroup_base_stat_cputime_show`, kernel/cgroup/rstat.c). `None` if the cgroup vanished meanwhile.
    pub fn processor_time(&self) -> Result<Option<Duration>> {
        Ok(self.dir().parse_record("cpu.stat", parse_cpu_stat)?)
    }
}

/// Understands cpu.stat: lines such as `usage_usec 1459200`, of which that is the first.
pub fn parse_cpu_stat(text: &str) -> Result<Duration, Fault> {
    for (index, line) in text.lines().enumerate() {
        if let Some(("usage_usec", value)) = line.split_once(' ') {
            return Ok(Duration::from_micros(parse::number(index + 1, value)?));
        }
    }
    Err(Fault::whole(text, "cpu.stat with usage_usec"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usage_is_microseconds_wherever_it_stands() {
        let text = "usage_usec 1459200\nuser_usec 1000000\nsystem_usec 459200\nnice_usec 0\nnr_periods 0\n";
        assert_eq!(parse_cpu_stat(text).unwrap(), Duration::from_micros(1_459_200));
        assert_eq!(parse_cpu_stat("nice_usec 5\nusage_usec 7\n").unwrap(), Duration::from_micros(7));
    }

    #[test]
    fn a_file_without_it_is_told_from_zero() {
        for text in ["", "user_usec 4\n", "usage_usec\n", "usage_usec -1\n", "usage_usec 1 2\n"] {
            assert!(parse_cpu_stat(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*") {
            let _ = parse_cpu_stat(&text);
        }
    }
}
