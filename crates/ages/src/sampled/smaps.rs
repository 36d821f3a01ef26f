//! The mappings of a process with what is resident behind them, from /proc/PID/smaps.
//!
//! /proc/PID/maps alone does not do: of 64 GiB that are mapped and hardly used nearly every address has no
//! page behind it.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use lowtide_core::Bytes;
use lowtide_damon::AddressRange;
use lowtide_kernfs::{Files, Root};
use nix::fcntl::OFlag;

use crate::damon::process::is_file;

/// Nobody has a path as long: more in one line is no smaps.
const LONGEST_LINE: usize = 1 << 16;

/// A mapping of which something is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// Its addresses.
    pub range: AddressRange,
    /// What is there is page cache, and no anonymous memory.
    pub is_file: bool,
    /// In memory.
    pub rss: Bytes,
    /// The same, with each page shared out among those who map it.
    pub pss: Bytes,
}

/// Those of one process; `None` if it is gone. Read as a stream: a process may have 65 530 mappings, and each
/// takes a KiB.
pub(super) fn resident(root: &Root, pid: u32) -> Result<Option<Vec<Resident>>, lowtide_kernfs::Error> {
    match root.open(Path::new(&format!("proc/{pid}/smaps")), OFlag::O_RDONLY) {
        Err(error) if error.is_gone() => Ok(None),
        other => Ok(Some(parse(BufReader::with_capacity(1 << 16, File::from(other?))))),
    }
}

/// What cannot be understood is left out: it is not drawn from. A process that ends meanwhile ends the text.
pub fn parse(mut text: impl BufRead) -> Vec<Resident> {
    let mut found: Vec<Resident> = Vec::new();
    let mut current: Option<Resident> = None;
    let mut line = Vec::new();
    while matches!(text.read_until(b'\n', &mut line), Ok(1..=LONGEST_LINE)) {
        let words = String::from_utf8_lossy(&line);
        let mut words = words.split_ascii_whitespace();
        match (words.next(), &mut current) {
            (Some("Rss:"), Some(mapping)) => mapping.rss = kib(words.next()),
            (Some("Pss:"), Some(mapping)) => mapping.pss = kib(words.next()),
            (Some(first), _) if !first.ends_with(':') => {
                found.extend(current.take().filter(is_drawn_from));
                current = head(first, words);
            }
            _ => {}
        }
        line.clear();
    }
    found.extend(current.filter(is_drawn_from));
    found
}

const fn is_drawn_from(mapping: &Resident) -> bool {
    !mapping.rss.is_zero() && !mapping.pss.is_zero()
}

fn kib(word: Option<&str>) -> Bytes {
    Bytes::kib(word.and_then(|word| word.parse().ok()).unwrap_or_default())
}

/// `START-END PERMS OFFSET DEVICE INODE [PATH]`. What is the kernel's own is never reclaimed, and not drawn.
fn head<'a>(range: &str, mut words: impl Iterator<Item = &'a str>) -> Option<Resident> {
    let (start, end) = range.split_once('-')?;
    let hexadecimal = |word| u64::from_str_radix(word, 16).ok();
    let range = AddressRange::new(hexadecimal(start)?, hexadecimal(end)?)?;
    let access = words.next()?;
    let path = words.nth(3).unwrap_or_default();
    let is_file = is_file(access, path);
    (!path.starts_with("[v")).then_some(Resident { range, is_file, rss: Bytes::ZERO, pss: Bytes::ZERO })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMAPS: &[u8] = b"\
00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon\n\
Size:                328 kB\n\
KernelPageSize:        4 kB\n\
Rss:                 200 kB\n\
Pss:                  50 kB\n\
Pss_Dirty:             0 kB\n\
VmFlags: rd ex mr mw me \n\
7f0000000000-7f1000000000 rw-p 00000000 00:00 0 \n\
Size:           67108864 kB\n\
Rss:                   0 kB\n\
Pss:                   0 kB\n\
7f2000000000-7f2000400000 rw-p 00000000 00:00 0   [heap]\n\
Rss:                4096 kB\n\
Pss:                4096 kB\n\
7f3000000000-7f3000400000 rw-s 00000000 00:01 7   /dev/shm/\xff\n\
Rss:                  64 kB\n\
Pss:                  32 kB\n\
7fffb2d48000-7fffb2d49000 r-xp 00000000 00:00 0   [vdso]\n\
Rss:                   4 kB\n\
Pss:                   1 kB\n";

    #[test]
    fn only_what_is_in_memory_counts() {
        let found = parse(SMAPS);
        let seen: Vec<_> = found.iter().map(|m| (m.range.start(), m.is_file, m.rss, m.pss)).collect();
        assert_eq!(
            seen,
            [
                (0x40_0000, true, Bytes::kib(200), Bytes::kib(50)),
                (0x7f20_0000_0000, false, Bytes::mib(4), Bytes::mib(4)),
                (0x7f30_0000_0000, false, Bytes::kib(64), Bytes::kib(32)),
            ]
        );
    }

    #[test]
    fn this_process_has_memory() {
        let root = Root::open("/").unwrap();
        let own = resident(&root, std::process::id()).unwrap().unwrap();
        let all: Bytes = own.iter().map(|mapping| mapping.rss).sum();
        assert!(all > Bytes::mib(1), "{all}");
        assert!(resident(&root, 0).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([0-9a-f]{0,9}-[0-9a-f]{0,9} [-rwxsp]{0,4} 0 0:0 0 [/a-z]{0,9}\n|Rss: .{0,5} kB\n|Pss: [0-9]{0,30} kB\n|.{0,20}\n){0,8}") {
            let _ = parse(text.as_bytes());
        }
    }
}
