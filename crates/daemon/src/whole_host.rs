//! What cannot be left out where the host as a whole is a target, for `lowtide check --environment`.
//!
//! Reclaim of the root takes from every cgroup. The kernel keeps memory.min of those below, and memory.low as
//! long as there is something else (`shrink_one` and `shrink_node_memcgs`, mm/vmscan.c; 6.1, 6.12, 7.3). A
//! process in the root itself has neither.

use std::{collections::HashMap, sync::Arc};

use lowtide_cgroup::{Cgroup, Descend, Error, Mount};
use lowtide_core::{Bytes, Limit};
use lowtide_kernfs::{
    Files, Root,
    parse::{self, limit},
};

/// So many cgroups are looked at, shared among the subtrees at each level.
const WALKED: usize = 32_768;
/// So many are named.
const NAMED: usize = 4;

/// What a policy for `/` cannot promise here; nothing where all is covered.
pub(crate) fn not_left_out(root: &Root, mount: &Mount) -> Result<Vec<String>, Error> {
    let (exposed, outside) = (exposed(mount)?, outside(root, &mount.root()?));
    let mut found = Vec::new();
    if !exposed.is_empty() {
        found.push(format!(
            "`/` takes from what the host is administered through, too: {}; the kernel leaves out what memory.min covers: set MemoryMin= of \
             these units, and of the slices above them",
            named(&exposed)
        ));
    }
    if !outside.is_empty() {
        found.push(format!(
            "processes in no cgroup of their own cannot be left out, whatever they are: {}; give those that must not wait a cgroup with memory.min",
            named(&outside)
        ));
    }
    Ok(found)
}

fn named(all: &[String]) -> String {
    let more = all.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", all[..all.len().min(NAMED)].join(", "))
}

/// The topmost cgroups that other policies would never touch, with less protection along their path than they
/// have memory.
fn exposed(mount: &Mount) -> Result<Vec<String>, Error> {
    let mut protection: HashMap<Arc<str>, Bytes> = HashMap::new();
    let mut found = Vec::new();
    let walked = mount.walk_within(WALKED, |cgroup| {
        let path = cgroup.path();
        let above = path.rsplit_once('/').and_then(|(above, _)| protection.get(above)).copied();
        let own = match cgroup.dir().parse_record("memory.min", limit) {
            Err(error) if !error.is_gone() => {
                found.push(format!("{path} (its memory.min is not known: {error})"));
                Some(Limit::At(Bytes::ZERO))
            }
            read => read.ok().flatten(),
        };
        let kept = own.map_or(Bytes::MAX, Limit::bytes).min(above.unwrap_or(Bytes::MAX));
        protection.insert(Arc::clone(path), kept);
        if &**path == "/" || !lowtide_policy::is_protected(path) {
            return Descend::Yes;
        }
        let current = cgroup.dir().parse_record("memory.current", parse::bytes).ok().flatten();
        if let Some(current) = current.filter(|current| *current > kept) {
            found.push(format!("{path} (memory.min {kept} of {current})"));
        }
        Descend::No
    })?;
    // Nothing of it may be taken for covered.
    if walked.beyond > 0 {
        found.push(format!("what is among {} cgroups beyond the {WALKED} that are looked at", walked.beyond));
    }
    found.extend(walked.failed.iter().map(|path| format!("{path} (it cannot be read)")));
    Ok(found)
}

/// Names of the processes in the root itself. Kernel threads live there, too, and have no memory that could
/// be reclaimed.
fn outside(root: &Root, top: &Cgroup) -> Vec<String> {
    let pids = top.dir().read_optional("cgroup.procs").ok().flatten().unwrap_or_default();
    let has_memory = |pid: &&str| {
        let status = root.read_record(format!("proc/{pid}/status")).ok().flatten();
        status.is_some_and(|status| status.lines().any(|line| line.starts_with("VmRSS:")))
    };
    let name = |pid: &str| {
        let name = root.read_record(format!("proc/{pid}/comm")).ok().flatten().unwrap_or_default();
        format!("{} ({pid})", name.trim_end())
    };
    pids.lines().filter(has_memory).map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A host of files.
    fn told(files: &[(&str, &str)]) -> Vec<String> {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("sys/fs/cgroup")).unwrap();
        for (path, text) in files {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = Root::open(tree.path()).unwrap();
        not_left_out(&root, &Mount::find_unchecked(&root).unwrap()).unwrap()
    }

    const SSH: (&str, &str) = ("sys/fs/cgroup/system.slice/ssh.service/memory.current", "5242880\n");

    #[test]
    fn what_memory_min_does_not_cover_all_the_way_up_is_named() {
        let min = |path, text| (path, text);
        let slice = min("sys/fs/cgroup/system.slice/memory.min", "0\n");
        let covered = min("sys/fs/cgroup/system.slice/ssh.service/memory.min", "8388608\n");
        let [text] = &told(&[SSH, slice, covered])[..] else { panic!("one warning") };
        assert!(text.contains("/system.slice/ssh.service (memory.min 0B of 5MiB)"), "{text}");
        let slice = min("sys/fs/cgroup/system.slice/memory.min", "max\n");
        assert!(told(&[SSH, slice, covered]).is_empty());
        let others = ("sys/fs/cgroup/system.slice/web.service/memory.current", "5242880\n");
        assert!(told(&[others]).is_empty());
    }

    #[test]
    fn processes_of_the_root_are_named_and_kernel_threads_are_not() {
        let files = [
            ("sys/fs/cgroup/cgroup.procs", "1\n2\n70\n71\n"),
            ("proc/1/status", "Name:\tinit\nVmRSS:\t  900 kB\n"),
            ("proc/1/comm", "init\n"),
            ("proc/2/status", "Name:\tkthreadd\n"),
            ("proc/2/comm", "kthreadd\n"),
            ("proc/70/status", "VmRSS:\t  1 kB\n"),
            ("proc/70/comm", "shop\n"),
        ];
        let [text] = &told(&files)[..] else { panic!("one warning") };
        assert!(text.contains("init (1), shop (70);") && !text.contains("kthreadd"), "{text}");
    }

    #[test]
    fn of_many_a_few_are_named() {
        let all: Vec<_> = (0..7).map(|number| number.to_string()).collect();
        assert_eq!(named(&all), "0, 1, 2, 3 and 3 more");
        assert_eq!(named(&all[..4]), "0, 1, 2, 3");
    }
}
