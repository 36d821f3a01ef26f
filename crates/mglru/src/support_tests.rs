use super::*;
use lowtide_kernfs::{Error, Operation};
use rstest::rstest;
use std::fs;
use tempfile::TempDir;

fn tree(files: &[(&str, &str)]) -> (TempDir, Root) {
    let tree = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = tree.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = Root::open(tree.path()).unwrap();
    (tree, root)
}

const GENERATIONS: (&str, &str) = (LRU_GEN, "memcg 1 /\n");
const DEBUGFS: (&str, &str) = (FILESYSTEMS, "nodev\tproc\nnodev\tdebugfs\n\text4\n");
const WITHOUT: (&str, &str) = (FILESYSTEMS, "nodev\tproc\nnodev\tdebugfsx\n");

#[rstest]
#[case::all("0x0007\n", Some(Support::Available { switches: Switches(7) }))]
#[case::nonleaf_is_not_needed("0x0003\n", Some(Support::Available { switches: Switches(3) }))]
#[case::bits_of_newer_kernels("0x001f\n", Some(Support::Available { switches: Switches(0x1f) }))]
#[case::off("0x0000\n", Some(Support::Off { switches: Switches(0) }))]
#[case::core_off("0x0006\n", Some(Support::Off { switches: Switches(6) }))]
#[case::no_walks("0x0005\n", Some(Support::NoWalks { switches: Switches(5) }))]
#[case::empty("", None)]
#[case::truncated("0x", None)]
#[case::decimal("7\n", None)]
#[case::negative("-0x1\n", None)]
#[case::max("max\n", None)]
#[case::huge("0x10000000000000000\n", None)]
#[case::garbage("\u{0}\u{1b}[2J", None)]
fn switches(#[case] text: &str, #[case] expected: Option<Support>) {
    let (_tree, root) = tree(&[(ENABLED, text), GENERATIONS, DEBUGFS]);
    let found = Support::probe(&root);
    assert_eq!(found.as_ref().ok(), expected.as_ref(), "{found:?}");
    let available = matches!(expected, Some(Support::Available { .. }));
    assert_eq!(found.is_ok_and(|found| found.is_available()), available);
}

#[test]
fn not_built_whatever_else_there_is() {
    let (_tree, root) = tree(&[GENERATIONS, DEBUGFS]);
    assert_eq!(Support::probe(&root), Ok(Support::NotBuilt));
}

#[rstest]
#[case(DEBUGFS, Support::NotMounted)]
#[case(WITHOUT, Support::NoDebugfs)]
#[case(("proc/other", ""), Support::NoDebugfs)]
fn without_the_file(#[case] filesystems: (&str, &str), #[case] expected: Support) {
    let (_tree, root) = tree(&[(ENABLED, "0x0007\n"), filesystems]);
    assert_eq!(Support::probe(&root), Ok(expected));
}

#[rstest]
#[case(Errno::EACCES, "none", Some(Support::Denied { errno: Errno::EACCES }))]
#[case(Errno::EROFS, "[none] integrity confidentiality\n", Some(Support::Denied { errno: Errno::EROFS }))]
#[case(Errno::EPERM, "none [integrity] confidentiality\n", Some(Support::LockedDown))]
#[case(Errno::EPERM, "none integrity [confidentiality]\n", Some(Support::LockedDown))]
#[case(Errno::EPERM, "[none] integrity confidentiality\n", Some(Support::Denied { errno: Errno::EPERM }))]
#[case(Errno::EIO, "none [integrity] confidentiality\n", None)]
fn what_an_error_means(#[case] errno: Errno, #[case] lockdown: &str, #[case] expected: Option<Support>) {
    let (_tree, root) = tree(&[(LOCKDOWN, lockdown)]);
    let error = Error::System { operation: Operation::Open, path: Path::new("/x").into(), errno };
    assert_eq!(Support::closed(&root, &error), Ok(expected));
}

#[test]
fn everything_but_available_has_a_remedy_and_its_evidence() {
    let switches = Switches(5);
    let all = [
        (Support::NotBuilt, "this kernel has no /sys/kernel/mm/lru_gen/enabled"),
        (Support::Off { switches }, "/sys/kernel/mm/lru_gen/enabled is 0x0005"),
        (Support::NoWalks { switches }, "/sys/kernel/mm/lru_gen/enabled is 0x0005"),
        (Support::NotMounted, "there is no /sys/kernel/debug/lru_gen"),
        (Support::NoDebugfs, "/proc/filesystems has no debugfs"),
        (Support::LockedDown, "/sys/kernel/security/lockdown"),
        (
            Support::Denied { errno: Errno::EACCES },
            "/sys/kernel/debug/lru_gen cannot be opened: Permission denied",
        ),
    ];
    for (support, evidence) in all {
        assert!(support.to_string().starts_with(evidence), "{support}");
        assert!(support.remedy().is_some() && !support.is_available());
    }
    let support = Support::Available { switches: Switches(7) };
    assert_eq!(support.remedy(), None);
    assert!(support.to_string().ends_with("is 0x0007"));
}
