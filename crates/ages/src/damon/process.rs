//! What /proc tells of a watched process: how much of it is in memory, and what its addresses are.

use lowtide_core::{ByType, Bytes};
use lowtide_damon::AddressRange;
use lowtide_kernfs::{Errno, Fault, Files, READ_LIMIT, Root, parse::keyed};

pub use crate::places::parse_pids;

/// Its memory in DRAM by type; `None` if it is gone, or a kernel thread.
pub fn resident(root: &Root, pid: u32) -> Result<Option<ByType>, lowtide_kernfs::Error> {
    let path = format!("proc/{pid}/status");
    let Some(text) = text(root, &path)? else { return Ok(None) };
    parse_status(&text).map_err(|fault| root.malformed(path, fault))
}

/// A file of a process in which a name may stand that is no text: its own, which the kernel cuts after 15
/// bytes, inside a character too (`strscpy_pad` to TASK_COMM_LEN, fs/exec.c `__set_task_comm`), or that of a
/// file that it maps. `None` if it is gone.
fn text(root: &Root, path: &str) -> Result<Option<String>, lowtide_kernfs::Error> {
    let mut text = String::new();
    let read = root.read_lines(path, |line| {
        // What is longer is of no use, and how long it is a tenant chooses.
        if text.len() <= READ_LIMIT {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
    });
    match read {
        // ESRCH: it ended between open and read.
        Err(error) if error.is_gone() || error.errno() == Some(Errno::ESRCH) => Ok(None),
        Err(error) => Err(error),
        Ok(_) => Ok(Some(text)),
    }
}

/// Its mappings in the order of their addresses; `None` if it is gone, or they may not be read, which takes
/// CAP_SYS_PTRACE, or there are too many.
pub fn mappings(root: &Root, pid: u32) -> Result<Option<Vec<Mapping>>, lowtide_kernfs::Error> {
    let path = format!("proc/{pid}/maps");
    match text(root, &path) {
        Err(error) if matches!(error.errno(), Some(Errno::EACCES | Errno::EPERM)) => Ok(None),
        Ok(Some(text)) if text.len() <= READ_LIMIT => {
            parse_maps(&text).map(Some).map_err(|fault| root.malformed(path, fault))
        }
        other => other.map(|_| None),
    }
}

/// `RssAnon`, `RssFile` and `RssShmem`, which a process without memory of its own does not have.
fn parse_status(text: &str) -> Result<Option<ByType>, Fault> {
    let mut resident: Option<ByType> = None;
    for line in keyed(text) {
        match line.key.trim_end_matches(':') {
            // The kernel takes shared memory for anonymous: it goes to swap.
            "RssAnon" | "RssShmem" => resident.get_or_insert_default().anon += line.kib()?,
            "RssFile" => resident.get_or_insert_default().file += line.kib()?,
            _ => {}
        }
    }
    Ok(resident)
}

/// Addresses behind which there may be memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Which.
    pub range: AddressRange,
    /// What is there is page cache, and no anonymous memory.
    pub is_file: bool,
}

/// Understands /proc/PID/maps. What nobody may access (guard pages, what allocators reserve) is left out, and
/// so is the kernel's own, which is never reclaimed.
fn parse_maps(text: &str) -> Result<Vec<Mapping>, Fault> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.filter_map(|(number, line)| parse_mapping(number, line).transpose()).collect()
}

fn parse_mapping(number: usize, line: &str) -> Result<Option<Mapping>, Fault> {
    let fault = || Fault::new(number, line, "a mapping");
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next().and_then(|range| range.split_once('-')).ok_or_else(fault)?;
    let hexadecimal = |word| u64::from_str_radix(word, 16).map_err(|_| fault());
    let range = AddressRange::new(hexadecimal(start)?, hexadecimal(end)?).ok_or_else(fault)?;
    let access = words.next().ok_or_else(fault)?;
    let path = words.nth(3).unwrap_or_default();
    let is_of_the_kernel = path.starts_with("[v");
    if access.starts_with("---") || is_of_the_kernel {
        return Ok(None);
    }
    Ok(Some(Mapping { range, is_file: is_file(access, path) }))
}

/// A private mapping that may be written holds copies, which are anonymous; shared memory is a file by name
/// only (`shmem_kernel_file_setup`, mm/shmem.c).
pub(crate) fn is_file(access: &str, path: &str) -> bool {
    const SHARED_MEMORY: [&str; 4] = ["/dev/zero", "/dev/shm/", "/memfd:", "/SYSV"];
    let is_copy = access.contains('w') && access.ends_with('p');
    path.starts_with('/') && !is_copy && !SHARED_MEMORY.iter().any(|name| path.starts_with(name))
}

/// Bytes of a range that are mapped, by type. Mappings are in the order of their addresses.
pub(crate) fn mapped(range: AddressRange, mappings: &[Mapping]) -> ByType {
    let first = mappings.partition_point(|mapping| mapping.range.end() <= range.start());
    let within = mappings[first..].iter().take_while(|mapping| mapping.range.start() < range.end());
    within.fold(ByType::default(), |mut sum, mapping| {
        let (start, end) = (mapping.range.start().max(range.start()), mapping.range.end().min(range.end()));
        *(if mapping.is_file { &mut sum.file } else { &mut sum.anon }) +=
            Bytes::new(end.saturating_sub(start));
        sum
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAPS: &str = "\
00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon
00651000-00652000 rw-p 00051000 08:02 173521      /usr/bin/dbus-daemon
00e03000-00e24000 rw-p 00000000 00:00 0           [heap]
35b1a21000-35b1a22000 ---p 001a2000 08:02 135870  /usr/lib64/libc-2.15.so
35b1c00000-35b1c01000 rw-s 00000000 00:01 4       /dev/zero (deleted)
35b1d00000-35b1d01000 rw-s 00000000 08:02 5       /var/lib/a b
7fff00000000-7fff00001000 rw-p 00000000 00:00 0
7fffb2d48000-7fffb2d49000 r-xp 00000000 00:00 0   [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
";

    fn range(start: u64, end: u64) -> AddressRange {
        AddressRange::new(start, end).unwrap()
    }

    #[test]
    fn mappings_by_type() {
        let maps = parse_maps(MAPS).unwrap();
        let files: Vec<bool> = maps.iter().map(|mapping| mapping.is_file).collect();
        assert_eq!(files, [true, false, false, false, true, false]);
        assert_eq!(maps[0].range, range(0x40_0000, 0x45_2000));
    }

    #[test]
    fn a_range_counts_where_it_is_mapped() {
        let maps = parse_maps(MAPS).unwrap();
        let count = |start, end| {
            let ByType { anon, file } = mapped(range(start, end), &maps);
            (anon.get(), file.get())
        };
        assert_eq!(count(0x45_1000, 0xe0_4000), (0x2000, 0x1000));
        assert_eq!(count(0x45_2000, 0x65_1000), (0, 0));
        assert_eq!(count(0, u64::MAX), (0x2_4000, 0x5_3000));
        assert_eq!(mapped(range(0, 4096), &[]), ByType::default());
    }

    #[test]
    fn memory_by_type() {
        let text = "Name:\ta\nVmRSS:\t 60 kB\nRssAnon:\t  40 kB\nRssFile:\t 12 kB\nRssShmem:\t   8 kB\n";
        let expected = ByType { anon: Bytes::kib(48), file: Bytes::kib(12) };
        assert_eq!(parse_status(text), Ok(Some(expected)));
        assert_eq!(parse_status("Name:\tkthreadd\nThreads:\t1\n"), Ok(None));
        assert_eq!(parse_status(""), Ok(None));
        for garbage in
            ["RssAnon:\n", "RssAnon: x kB\n", "RssAnon: -1 kB\n", "RssFile: 99999999999999999999 kB\n"]
        {
            assert!(parse_status(garbage).is_err(), "{garbage}");
        }
    }

    /// Kind 4: a name of eight letters of two bytes is cut after the fifteenth byte.
    #[test]
    fn a_name_cut_inside_a_character_is_no_reason_to_see_nothing() {
        let tree = tempfile::tempdir().unwrap();
        let directory = tree.path().join("proc/7");
        std::fs::create_dir_all(&directory).unwrap();
        let name = &"üüüüüüüü".as_bytes()[..15];
        let status = [b"Name:\t", name, b"\nRssAnon:\t  40 kB\n"].concat();
        std::fs::write(directory.join("status"), status).unwrap();
        std::fs::write(directory.join("maps"), b"1000-2000 rw-p 00000000 08:02 5 /caf\xe9\n").unwrap();
        let root = Root::open(tree.path()).unwrap();
        assert_eq!(resident(&root, 7).unwrap().unwrap().anon, Bytes::kib(40));
        assert_eq!(mappings(&root, 7).unwrap().unwrap().len(), 1);
        assert_eq!((resident(&root, 8), mappings(&root, 8)), (Ok(None), Ok(None)));
    }

    #[test]
    fn garbage_is_a_fault_with_its_line() {
        for line in ["x", "1-x rw-p", "2000-1000 rw-p 0 0:0 0", "1000-2000", "1000"] {
            assert_eq!(
                parse_maps(&format!("1000-2000 rw-p 0 0:0 0\n{line}\n")).unwrap_err().line,
                2,
                "{line}"
            );
        }
        assert_eq!(parse_pids("1\n22\n"), Ok(vec![1, 22]));
        assert_eq!(parse_pids(""), Ok(vec![]));
        assert_eq!(parse_pids("1\nx\n").unwrap_err().line, 2);
    }

    #[test]
    fn this_process_has_memory_and_mappings() {
        let root = Root::open("/").unwrap();
        let pid = std::process::id();
        let resident = resident(&root, pid).unwrap().unwrap();
        let maps = mappings(&root, pid).unwrap().unwrap();
        let all = mapped(range(0, u64::MAX), &maps);
        assert!(!resident.anon.is_zero() && all.anon >= resident.anon, "{all:?} of {resident:?}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([0-9a-f]{0,9}-[0-9a-f]{0,9} [-rwxsp]{0,4} 0 0:0 0 [/a-z]{0,9}\n|.{0,20}\n){0,5}") {
            let _ = (parse_maps(&text), parse_status(&text), parse_pids(&text));
        }
    }
}
