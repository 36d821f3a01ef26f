use std::{collections::BTreeMap, sync::Arc};

use lowtide_core::{Bytes, IoReads};
use lowtide_kernfs::{Fault, Files, parse};

use crate::{Cgroup, Result};

impl Cgroup {
    /// What it has read from each block device since it is there, with all that is below it (io.stat).
    ///
    /// Empty where the io controller is not enabled for it, and if the cgroup vanished meanwhile.
    pub fn reads(&self) -> Result<BTreeMap<Arc<str>, IoReads>> {
        Ok(self.dir().parse_record("io.stat", parse_io_stat)?.unwrap_or_default())
    }
}

/// Understands io.stat: lines `8:16 rbytes=1459200 wbytes=0 rios=192 wios=0 dbytes=0 dios=0`.
///
/// A device that was only heard of stands alone in its line up to 6.1, or has other keys (`cost.usage`) and
/// none of these (`blkcg_print_one_stat`, block/blk-cgroup.c): it is left out.
pub fn parse_io_stat(text: &str) -> Result<BTreeMap<Arc<str>, IoReads>, Fault> {
    let mut devices = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_ascii_whitespace();
        let Some(device) = words.next() else { continue };
        let mut reads = None::<IoReads>;
        for word in words {
            match word.split_once('=') {
                Some(("rbytes", size)) => {
                    reads.get_or_insert_default().size = Bytes::new(parse::number(index + 1, size)?);
                }
                Some(("rios", count)) => {
                    reads.get_or_insert_default().count = parse::number(index + 1, count)?;
                }
                _ => {}
            }
        }
        devices.extend(reads.map(|reads| (Arc::from(device), reads)));
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::two("8:16 rbytes=4096 wbytes=9 rios=1 wios=2 dbytes=0 dios=0\n259:0 rbytes=8192 rios=2\n", &[("8:16", 1, 4096), ("259:0", 2, 8192)])]
    #[case::only_heard_of("8:0\n254:0 cost.usage=7\n", &[])]
    #[case::empty("", &[])]
    #[case::other_keys("8:0 rbytes=1 rios=1 cost.vrate=100.00 (null)\n", &[("8:0", 1, 1)])]
    fn reads_by_device(#[case] text: &str, #[case] expected: &[(&str, u64, u64)]) {
        let expected = expected.iter().map(|(device, count, size)| {
            (Arc::from(*device), IoReads { count: *count, size: Bytes::new(*size) })
        });
        assert_eq!(parse_io_stat(text).unwrap(), expected.collect());
    }

    #[rstest]
    #[case("8:0 rbytes=x rios=1\n")]
    #[case("8:0 rbytes=1 rios=-1\n")]
    #[case("8:0 rbytes=\n")]
    #[case("8:0 rbytes=99999999999999999999\n")]
    fn what_is_no_number_is_told(#[case] text: &str) {
        assert_eq!(parse_io_stat(text).unwrap_err().line, 1);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([0-9:]{0,5} (rbytes|rios|x)=[0-9]{0,25}\n|.{0,20}\n){0,4}") {
            let _ = parse_io_stat(&text);
        }
    }
}
