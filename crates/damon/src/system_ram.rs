use lowtide_kernfs::{Fault, Files, Root};

use crate::{AddressRange, Error, Result};

const IOMEM: &str = "proc/iomem";

/// The ranges of physical memory that are System RAM, in order, from /proc/iomem.
pub fn system_ram(root: &Root) -> Result<Vec<AddressRange>> {
    let ranges = root.parse(IOMEM, parse_system_ram)?;
    // Without CAP_SYS_ADMIN all addresses read as zeros (kernel/resource.c, `r_show`).
    let shown = ranges.iter().any(|range| range.end() > 1);
    if shown { Ok(ranges) } else { Err(Error::NotPermitted { path: root.shown(IOMEM.as_ref()) }) }
}

/// The lines `START-END : System RAM` of /proc/iomem, in hexadecimal, the end included.
pub fn parse_system_ram(text: &str) -> Result<Vec<AddressRange>, Fault> {
    let lines = text.lines().enumerate().filter_map(|(index, line)| {
        let (range, name) = line.split_once(" : ")?;
        (name == "System RAM" && !line.starts_with(' ')).then_some((index + 1, range))
    });
    lines.map(|(line, range)| address_range(range).ok_or_else(|| fault(line, range))).collect()
}

fn address_range(text: &str) -> Option<AddressRange> {
    let (start, end) = text.split_once('-')?;
    AddressRange::new(hexadecimal(start)?, hexadecimal(end)?.checked_add(1)?)
}

fn hexadecimal(word: &str) -> Option<u64> {
    word.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(word, 16).ok()).flatten()
}

fn fault(line: usize, range: &str) -> Fault {
    Fault::new(line, range, "a range of addresses")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
  00002000-00002fff : System RAM
000a0000-000bffff : PCI Bus 0000:00
00100000-7ffdffff : System RAM
  01000000-01ffffff : Kernel code
";

    #[test]
    fn ranges_of_the_first_level_with_their_last_byte() {
        let ranges = parse_system_ram(TEXT).unwrap();
        let expected = [(0x1000, 0x9fc00), (0x10_0000, 0x7ffe_0000)];
        assert_eq!(ranges, expected.map(|(start, end)| AddressRange::new(start, end).unwrap()));
    }

    #[test]
    fn hidden_addresses_are_not_taken_for_memory() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("proc")).unwrap();
        std::fs::write(tree.path().join(IOMEM), "00000000-00000000 : System RAM\n").unwrap();
        let error = system_ram(&Root::open(tree.path()).unwrap()).unwrap_err();
        assert!(matches!(error, Error::NotPermitted { .. }), "{error}");
    }

    #[test]
    fn garbage_is_a_fault_with_its_line() {
        for range in ["1000", "2000-1000", "+1-2", "-", "x-y", "0-ffffffffffffffff"] {
            let fault = parse_system_ram(&format!("\n{range} : System RAM\n")).unwrap_err();
            assert_eq!(fault.line, 2, "{range}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([0-9a-f]{0,17}-[0-9a-f]{0,17} : System RAM\n|.{0,20}\n){0,5}") {
            let _ = parse_system_ram(&text);
        }
    }
}
