//! What this process must be allowed to: see which frames the pages of others are in.

use lowtide_kernfs::{Fault, Files, Root, parse::keyed};

const STATUS: &str = "proc/self/status";
const PAGEMAP: &str = "proc/self/pagemap";
/// Page tables and mappings of others' processes (`ptrace_may_access`, kernel/ptrace.c), and frame numbers
/// (`pagemap_open`, fs/proc/task_mmu.c): include/uapi/linux/capability.h.
const NEEDED: [(u32, &str); 2] = [(19, "CAP_SYS_PTRACE"), (21, "CAP_SYS_ADMIN")];

/// Why pages cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// CONFIG_PROC_PAGE_MONITOR.
    #[error("there is no /proc/PID/pagemap")]
    NotBuilt,
    /// These capabilities are missing.
    #[error("which frames pages are in takes {} to see", .0.join(" and "))]
    Lacks(Vec<&'static str>),
}

/// Why pages cannot be drawn here; `None` if they can.
pub fn refusal(root: &Root) -> Result<Option<Refusal>, lowtide_kernfs::Error> {
    if !root.exists(PAGEMAP)? {
        return Ok(Some(Refusal::NotBuilt));
    }
    let effective = root.parse_optional(STATUS, effective)?.unwrap_or_default();
    let lacks = NEEDED.iter().filter(|(bit, _)| effective >> bit & 1 == 0).map(|(_, name)| *name);
    let lacks: Vec<_> = lacks.collect();
    Ok((!lacks.is_empty()).then_some(Refusal::Lacks(lacks)))
}

/// `CapEff` of /proc/PID/status.
fn effective(text: &str) -> Result<u64, Fault> {
    let line = keyed(text).find(|line| line.key == "CapEff");
    let bits = line.and_then(|line| u64::from_str_radix(line.value, 16).ok());
    bits.ok_or_else(|| Fault::whole(text, "the status of a process with CapEff"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(status: Option<&str>) -> (tempfile::TempDir, Root) {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("proc/self")).unwrap();
        if let Some(status) = status {
            std::fs::write(tree.path().join(PAGEMAP), "").unwrap();
            std::fs::write(tree.path().join(STATUS), status).unwrap();
        }
        let root = Root::open(tree.path()).unwrap();
        (tree, root)
    }

    fn of(status: Option<&str>) -> Option<String> {
        let (_tree, root) = host(status);
        refusal(&root).unwrap().map(|refusal| refusal.to_string())
    }

    #[test]
    fn both_capabilities_are_needed() {
        assert_eq!(of(Some("Name:\ta\nCapEff:\t000001ffffffffff\n")), None);
        assert_eq!(of(Some("CapEff:\t0000000000280000\n")), None);
        let without_admin = of(Some("CapEff:\t0000000000080000\n")).unwrap();
        assert!(without_admin.ends_with("takes CAP_SYS_ADMIN to see"), "{without_admin}");
        let packaged = of(Some("CapEff:\t0000000001000002\n")).unwrap();
        assert!(packaged.contains("CAP_SYS_PTRACE and CAP_SYS_ADMIN"), "{packaged}");
    }

    #[test]
    fn without_a_page_table_there_is_nothing_to_draw() {
        assert!(of(None).unwrap().contains("pagemap"));
        let (_tree, root) = host(Some("Name:\ta\n"));
        assert!(refusal(&root).is_err());
    }
}
