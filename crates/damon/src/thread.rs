use std::time::Duration;

use lowtide_kernfs::{Errno, Fault, Files, Root, parse::number};

use crate::Result;

/// A kdamond's thread, or any other process, known for certain: a process id may be given to another process,
/// but not with the same start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Thread {
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of /proc/PID/stat).
    pub started: u64,
}

impl Thread {
    /// The thread that has this process id now; `None` if there is none.
    pub fn find(root: &Root, pid: u32) -> Result<Option<Self>> {
        let path = format!("proc/{pid}/stat");
        // Its name stands there, which the kernel cuts inside a character: no text as a whole.
        let mut text = String::new();
        match root.read_lines(&path, |line| text.push_str(&String::from_utf8_lossy(line))) {
            Err(error) if error.is_gone() || error.errno() == Some(Errno::ESRCH) => return Ok(None),
            read => read?,
        };
        let started = start_time(&text).map_err(|fault| root.malformed(path, fault))?;
        Ok(Some(Self { pid, started }))
    }

    /// Whether it is still there.
    pub fn lives(&self, root: &Root) -> Result<bool> {
        Ok(Self::find(root, self.pid)? == Some(*self))
    }

    /// Processor time that it has used (the first number of /proc/PID/schedstat); `None` if it is gone.
    pub fn cpu_time(&self, root: &Root) -> Result<Option<Duration>> {
        if !self.lives(root)? {
            return Ok(None);
        }
        let run = root.parse_record(format!("proc/{}/schedstat", self.pid), |text| {
            let word = text.split_ascii_whitespace().next().unwrap_or_default();
            number(1, word).map(Duration::from_nanos)
        })?;
        Ok(run)
    }
}

/// Whether there is a process of this id.
pub(crate) fn process_lives(root: &Root, pid: u32) -> Result<bool> {
    Ok(root.exists(format!("proc/{pid}"))?)
}

/// The name in the second field may hold anything but ends with the last bracket.
fn start_time(text: &str) -> Result<u64, Fault> {
    const FIELD: usize = 22;
    let rest = text.rsplit_once(')').map(|(_, rest)| rest);
    let word = rest.and_then(|rest| rest.split_ascii_whitespace().nth(FIELD - 3));
    number(1, word.ok_or_else(|| Fault::whole(text, "a process with 22 fields"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_time_is_found_behind_any_name() {
        let text = "7 (a) b 1) S 2 0 0 0 -1 2129984 0 0 0 0 0 3 0 0 20 0 1 0 4711 0 0\n";
        assert_eq!(start_time(text), Ok(4711));
        assert!(start_time("7 (x) S 2 0").is_err());
        assert!(start_time("").is_err());
    }

    /// Kind 4. A line break may stand in a name, too.
    #[test]
    fn a_name_need_not_be_text() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("proc/7")).unwrap();
        let rest = b") S 2 0 0 0 -1 2129984 0 0 0 0 0 3 0 0 20 0 1 0 4711 0 0\n";
        std::fs::write(tree.path().join("proc/7/stat"), [&b"7 (\xc3\xbc\n\xc3"[..], rest].concat()).unwrap();
        let root = Root::open(tree.path()).unwrap();
        assert_eq!(Thread::find(&root, 7), Ok(Some(Thread { pid: 7, started: 4711 })));
        assert_eq!(Thread::find(&root, 8), Ok(None));
    }

    #[test]
    fn this_process_is_itself_and_nobody_else() {
        let root = Root::open("/").unwrap();
        let own = Thread::find(&root, std::process::id()).unwrap().unwrap();
        assert!(own.lives(&root).unwrap());
        assert!(own.cpu_time(&root).unwrap().is_some());
        let earlier = Thread { started: own.started.wrapping_sub(1), ..own };
        assert!(!earlier.lives(&root).unwrap());
        assert_eq!(earlier.cpu_time(&root).unwrap(), None);
    }
}
