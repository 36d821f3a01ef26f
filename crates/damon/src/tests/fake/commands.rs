//! What is done with a word in `state`.

use lowtide_kernfs::Errno;

use super::{State, Version, join, stat};

impl State {
    pub(super) fn command(&mut self, index: &str, command: &str) -> Result<(), Errno> {
        let thread = self.threads.get(index).copied();
        let running = thread.is_some_and(|pid| pid > 0);
        let contexts = self.files.get(&join(index, "contexts/nr_contexts")).is_some_and(|count| count == "1");
        if command != "off" && !contexts {
            return Err(Errno::EINVAL);
        }
        let old = self.version == Version::Old;
        match command {
            "on" if running || self.exclusive() => Err(Errno::EBUSY),
            "on" => self.accepted(index).map(|()| self.start(index)),
            "off" if running => {
                self.end(index);
                Ok(())
            }
            "off" if thread.is_none() => Err(Errno::EINVAL),
            "off" => {
                if old {
                    Err(Errno::EPERM)
                } else {
                    Ok(())
                }
            }
            _ if !running => Err(if old || thread.is_none() { Errno::EINVAL } else { Errno::ECANCELED }),
            // 6.12 says nothing, and the thread ends.
            "commit" if old && self.accepted(index).is_err() => {
                self.end(index);
                Ok(())
            }
            "commit" | "commit_schemes_quota_goals" => self.accepted(index),
            "update_tuned_intervals" if old => Err(Errno::EINVAL),
            "update_schemes_tried_regions"
                if self.files.get(&join(index, "contexts/0/pause")).is_some_and(|on| on == "Y") =>
            {
                Err(Errno::ECANCELED)
            }
            _ if command.starts_with("update_") || command.starts_with("clear_") => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn exclusive(&self) -> bool {
        let file = self.host.join("sys/module/damon_stat/parameters/enabled");
        std::fs::read_to_string(file).is_ok_and(|on| on.starts_with('Y'))
    }

    /// What the kernel checks.
    pub(super) fn accepted(&self, index: &str) -> Result<(), Errno> {
        let below = |name: &str| {
            let (start, name) = (format!("{index}/contexts/0/"), format!("/{name}"));
            self.files
                .iter()
                .filter(move |(path, _)| path.starts_with(&start) && path.ends_with(&name))
                .map(|(_, value)| value)
        };
        let there =
            |path: &String| path.is_empty() || self.host.join("sys/fs/cgroup").join(&path[1..]).exists();
        if !below("memcg_path").all(there) {
            return Err(Errno::ENOMEM);
        }
        let lives = |pid: &String| pid == "0" || self.host.join("proc").join(pid).exists();
        if below("pid_target").all(lives) { Ok(()) } else { Err(Errno::EINVAL) }
    }

    pub(super) fn start(&mut self, index: &str) {
        self.next += 1;
        let pid = u32::try_from(self.next).unwrap() + 1000;
        let process = self.host.join(format!("proc/{pid}"));
        std::fs::create_dir_all(&process).unwrap();
        std::fs::write(process.join("stat"), stat(self.next)).unwrap();
        std::fs::write(process.join("schedstat"), "5000 0 1\n").unwrap();
        self.threads.insert(index.to_owned(), pid);
    }

    pub(super) fn end(&mut self, index: &str) {
        if let Some(pid) = self.threads.insert(index.to_owned(), 0) {
            std::fs::remove_dir_all(self.host.join(format!("proc/{pid}"))).unwrap();
        }
    }
}
