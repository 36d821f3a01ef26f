use lowtide_kernfs::Errno;

use super::{State, Version};

impl State {
    pub(super) fn locked(&mut self, path: &str) -> Result<(), Errno> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let takes_lock = name == "state" || name == "pid" || name.starts_with("nr_");
        if takes_lock && self.busy > 0 {
            self.busy -= 1;
            return Err(Errno::EBUSY);
        }
        Ok(())
    }

    pub(super) fn read(&self, path: &str) -> Result<String, Errno> {
        let index = path.split('/').next().unwrap_or_default();
        let running = self.threads.get(index).copied().filter(|pid| *pid > 0);
        match path.split_once('/').map(|(_, file)| file) {
            Some("state") if self.files.contains_key(path) => {
                Ok(if running.is_some() { "on\n" } else { "off\n" }.into())
            }
            Some("pid") => Ok(running.map_or_else(|| "-1\n".into(), |pid| format!("{pid}\n"))),
            _ => self.files.get(path).map(|value| format!("{value}\n")).ok_or(Errno::ENOENT),
        }
    }

    pub(super) fn write(&mut self, path: &str, value: &str) -> Result<(), Errno> {
        if !self.files.contains_key(path) {
            return Err(Errno::ENOENT);
        }
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        match name {
            "avail_operations" | "pid" | "effective_bytes" | "total_bytes" => return Err(Errno::EACCES),
            "state" => self.command(directory, value)?,
            "nr_kdamonds" if self.threads.values().any(|pid| *pid > 0) => return Err(Errno::EBUSY),
            "nr_regions" | "nr_kdamonds" | "nr_contexts" | "nr_targets" | "nr_schemes" | "nr_filters"
            | "nr_goals" | "nr_dests" | "nr_probes" => self.make(directory, name, value)?,
            _ if !self.knows(path, value) => return Err(Errno::EINVAL),
            _ => {}
        }
        if name != "state" {
            self.files.insert(path.to_owned(), value.to_owned());
        }
        self.writes.push((path.to_owned(), value.to_owned()));
        Ok(())
    }

    pub(super) fn knows(&self, path: &str, value: &str) -> bool {
        let new = self.version == Version::New;
        let newer = [
            "collapse",
            "active",
            "hugepage_size",
            "unmapped",
            "node_memcg_used_bp",
            "node_mem_free_bp",
            "active_mem_bp",
        ];
        let core = matches!(value, "addr" | "target");
        match path.rsplit('/').next().unwrap_or_default() {
            "type" if path.contains("core_filters") => core,
            "type" if path.contains("ops_filters") => !core && value != "nonsense",
            "action" | "type" | "target_metric" | "metric" | "goal_tuner" => new || !newer.contains(&value),
            "min" | "max" | "sample_us" | "aggr_us" | "start" | "end" => value.parse::<u64>().is_ok(),
            _ => true,
        }
    }
}
