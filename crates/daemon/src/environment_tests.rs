//! Kind 9: nothing is passed over without a word.

use std::fs;

use super::*;

fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn those_that_are_not_named_are_counted() {
    let mut odd = LeftOut::default();
    assert_eq!(left_out(&odd), []);
    odd.add_of("/a", Kind::Cgroup, "/a: odd");
    assert_eq!(told(&left_out(&odd)), ["warning: left out, cgroup: /a: odd"]);
    for number in 0..1000 {
        odd.add_of("/a", Kind::Cgroup, &format!("/a/{number}: odd"));
    }
    let said = told(&left_out(&odd));
    assert!(said.last().unwrap().ends_with("more, 1001 in all"), "{said:?}");
}

#[test]
fn a_kernel_that_does_not_tell_its_version_is_told() {
    let config = |mode: &str| {
        let text = format!("policies: [{{ name: web, match: [/web/*], mode: {mode} }}]\n");
        lowtide_policy::parse(Path::new("lowtide.yaml"), &text).unwrap().config
    };
    let tree = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        fs::create_dir_all(tree.path().join(path).parent().unwrap()).unwrap();
        fs::write(tree.path().join(path), text).unwrap();
    };
    put("proc/meminfo", "MemTotal: 1048576 kB\nMemFree: 524288 kB\n");
    put("proc/swaps", "Filename Type Size Used Priority\n/dev/vdb partition 1024000 0 -2\n");
    put("sys/fs/cgroup/web/memory.current", "4096\n");
    let root = Root::open(tree.path()).unwrap();
    let found = |mode: &str| {
        let config = config(mode);
        let sight =
            Observer::new(root.clone()).unwrap().look(&config.policies, Duration::ZERO, Duration::MAX);
        page_cache_alone(&root, &sight.unwrap(), &config.policies)
    };
    let says = |wanted: &str| {
        let said = found("file").unwrap().to_string();
        assert!(said.starts_with("warning: whether this kernel") && said.contains(wanted), "{said}");
    };
    says("osrelease");
    put("proc/sys/kernel/osrelease", "none\n");
    says("it says `none`");
    assert_eq!(found("full"), None);
    put("proc/sys/kernel/osrelease", "6.12.1\n");
    assert_eq!(found("file"), None);
}
