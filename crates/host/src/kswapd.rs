use std::time::Duration;

use lowtide_kernfs::{Errno, Fault, Files, Result, Root, parse::number};

/// A clock tick of /proc/PID/stat: USER_HZ is 100 on every architecture that lowtide runs on
/// (`nsec_to_clock_t`, kernel/time/time.c; include/asm-generic/param.h).
const TICK: Duration = Duration::from_millis(10);
/// A flag of the ninth field: a thread of the kernel, whatever name a tenant gives to its own
/// (include/linux/sched.h).
const PF_KTHREAD: u64 = 0x0020_0000;

/// A node's kswapd, and the processor time that it has used since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kswapd {
    /// The number of its node.
    pub node: u32,
    /// Its process id.
    pub pid: u32,
    /// utime and stime.
    pub cpu: Duration,
}

/// Where the kswapd threads are. They are looked for once: to read each process of a host at every look would
/// cost more than all else.
#[derive(Debug, Clone, Default)]
pub struct Kswapds {
    pids: Vec<u32>,
    /// So many looks pass before they are looked for again, where there were none.
    rest: u32,
    /// And so many after the next one that finds none.
    next_rest: u32,
}

/// How many looks pass at most before threads that are not there are looked for again.
const LONGEST_REST: u32 = 64;

impl Kswapds {
    /// All of them, by node; none where /proc does not show them, as in a container.
    ///
    /// A node that goes offline takes its thread with it, and one that comes brings another (`kswapd_run`,
    /// mm/vmscan.c): then they are looked for again.
    pub fn read(&mut self, root: &Root) -> Result<Vec<Kswapd>> {
        let mut threads = known(root, &self.pids)?;
        let is_lost = threads.len() < self.pids.len();
        if threads.is_empty() && !is_lost && self.rest > 0 {
            self.rest -= 1;
            return Ok(threads);
        }
        if threads.is_empty() || is_lost {
            // A process that cannot be read is none of them.
            threads = processes(root)?.into_iter().filter_map(|pid| one(root, pid).ok().flatten()).collect();
            self.pids = threads.iter().map(|thread| thread.pid).collect();
            self.rest = self.next_rest;
            self.next_rest = if threads.is_empty() { (self.next_rest * 2 + 1).min(LONGEST_REST) } else { 0 };
        }
        threads.sort_unstable_by_key(|thread| thread.node);
        Ok(threads)
    }
}

/// So many processes are looked at for threads that may not be there, as in a container. Kernel threads of
/// the boot have the lowest numbers; what a tenant starts comes after them.
const PROCESSES: usize = 8192;

fn processes(root: &Root) -> Result<Vec<u32>> {
    let entries = root.dir("proc")?.entries()?;
    let mut pids: Vec<u32> = entries.directories.iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    pids.truncate(PROCESSES);
    Ok(pids)
}

/// Those of the processes that are kswapd threads.
fn known(root: &Root, pids: &[u32]) -> Result<Vec<Kswapd>> {
    pids.iter().filter_map(|pid| one(root, *pid).transpose()).collect()
}

/// `None` for another process, and for one that is gone.
fn one(root: &Root, pid: u32) -> Result<Option<Kswapd>> {
    let path = format!("proc/{pid}/stat");
    // A name stands there, which may be no text.
    let mut text = String::new();
    match root.read_lines(&path, |line| text.push_str(&String::from_utf8_lossy(line))) {
        Err(error) if error.is_gone() || error.errno() == Some(Errno::ESRCH) => return Ok(None),
        read => read?,
    };
    parse(&text, pid).map_err(|fault| root.malformed(path, fault))
}

/// Understands /proc/PID/stat (Documentation/filesystems/proc.rst, table 1-4). The name in the second field
/// may hold anything and ends with the last bracket.
fn parse(text: &str, pid: u32) -> Result<Option<Kswapd>, Fault> {
    const FLAGS: usize = 9;
    const UTIME: usize = 14;
    const STIME: usize = 15;
    let fault = || Fault::whole(text, "a process with 15 fields");
    let (head, rest) = text.rsplit_once(')').ok_or_else(fault)?;
    let (_, name) = head.split_once('(').ok_or_else(fault)?;
    let Some(node) = name.strip_prefix("kswapd").and_then(|node| node.parse().ok()) else { return Ok(None) };
    let fields: Vec<_> = rest.split_ascii_whitespace().collect();
    // The first one behind the name is the third.
    let field = |at: usize| number(1, fields.get(at - 3).ok_or_else(fault)?);
    if field(FLAGS)? & PF_KTHREAD == 0 {
        return Ok(None);
    }
    let ticks = field(UTIME)?.saturating_add(field(STIME)?);
    let cpu = TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
    Ok(Some(Kswapd { node, pid, cpu }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// As 6.12 prints it; PF_KTHREAD is in the flags.
    const STAT: &str =
        "71 (kswapd0) S 2 0 0 0 -1 10758208 0 0 0 0 7 35 0 0 20 0 1 0 70 0 0 18446744073709551615 0 0 0 0\n";

    #[rstest]
    #[case::kernel_thread(STAT, Some((0, 420)))]
    #[case::another_node("9 (kswapd12) S 2 0 0 0 -1 2097152 0 0 0 0 0 1", Some((12, 10)))]
    #[case::a_tenant_of_that_name("71 (kswapd0) S 1 0 0 0 -1 4194304 0 0 0 0 7 35 0 0", None)]
    #[case::another_thread("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0", None)]
    #[case::name_with_brackets("5 (a) (kswapd0) S 1 0 0 0 -1 2097152 0 0 0 0 7 35", None)]
    #[case::no_number("5 (kswapdx) S 1 0 0 0 -1 2097152 0 0 0 0 7 35", None)]
    fn by_name_and_flag(#[case] text: &str, #[case] expected: Option<(u32, u64)>) {
        let found = parse(text, 71).unwrap();
        assert_eq!(
            found.map(|kswapd| (kswapd.node, kswapd.cpu)),
            expected.map(|(node, ms)| (node, Duration::from_millis(ms)))
        );
    }

    #[rstest]
    #[case::empty("")]
    #[case::no_name("71 S 2")]
    #[case::truncated("71 (kswapd0) S 2 0 0 0 -1 10758208 0 0 0 0 7")]
    #[case::negative("71 (kswapd0) S 2 0 0 0 -1 10758208 0 0 0 0 7 -35")]
    #[case::overflow("71 (kswapd0) S 2 0 0 0 -1 10758208 0 0 0 0 7 18446744073709551616")]
    fn bad(#[case] text: &str) {
        assert!(parse(text, 71).is_err());
    }

    #[test]
    fn they_are_found_once_and_again_when_one_is_gone() {
        let tree = tempfile::tempdir().unwrap();
        let put = |pid: u32, name: &str| {
            let process = tree.path().join(format!("proc/{pid}"));
            fs::create_dir_all(&process).unwrap();
            fs::write(process.join("stat"), STAT.replace("kswapd0", name)).unwrap();
        };
        let gone = |pid: u32| fs::remove_dir_all(tree.path().join(format!("proc/{pid}"))).unwrap();
        put(1, "init");
        let root = Root::open(tree.path()).unwrap();
        let mut kswapds = Kswapds::default();
        let mut found = || -> Vec<_> {
            kswapds.read(&root).unwrap().iter().map(|kswapd| (kswapd.node, kswapd.pid)).collect()
        };
        assert_eq!(found(), []);
        put(81, "kswapd0");
        put(71, "kswapd1");
        assert_eq!(found(), [(0, 81), (1, 71)]);
        put(9, "kswapd2");
        assert_eq!(found(), [(0, 81), (1, 71)], "not looked for while all are there");
        gone(71);
        assert_eq!(found(), [(0, 81), (2, 9)]);
    }

    /// Kind 1: a tenant chooses how many processes there are, and in a container none of them is kswapd.
    #[test]
    fn where_there_are_none_they_are_looked_for_less_and_less() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("proc")).unwrap();
        let root = Root::open(tree.path()).unwrap();
        let mut kswapds = Kswapds::default();
        let looks = (0..1000)
            .filter(|_| {
                let rests = kswapds.rest > 0;
                assert_eq!(kswapds.read(&root), Ok(vec![]));
                !rests
            })
            .count();
        assert!(looks < 30, "{looks}");
    }

    #[test]
    fn a_name_that_is_no_text_belongs_to_somebody_else() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("proc/7")).unwrap();
        fs::write(tree.path().join("proc/7/stat"), b"7 (\xc3) S 1 0 0 0 -1 0 0 0 0 0 7 35\n").unwrap();
        let root = Root::open(tree.path()).unwrap();
        assert_eq!(Kswapds::default().read(&root), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse(&text, 1);
        }
    }
}
