//! What operators are given to copy is right: the example configuration, the quick start. Blocks of
//! the documentation are looked at by `documented`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::PathBuf};

use lowtide_core::Mode;
use lowtide_testing::docs::{Page, pages, top};

#[test]
fn the_example_configuration_only_looks() {
    let loaded = lowtide_policy::load(&top().join("systemd/lowtide.yaml")).unwrap_or_else(|e| panic!("{e}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let config = loaded.config;
    assert!(config.policies.policies().iter().all(|policy| policy.mode == Mode::Observe));
    assert_eq!(
        config.budgets,
        lowtide_policy::Config::default().budgets,
        "it says that these are the defaults"
    );
    assert_eq!(config.tiers, lowtide_policy::HostTiers::default(), "it sets no kernel setting");
}

/// Whoever pastes the quick start block by block has a configuration that is right after each of them, and
/// writes to no directory that is not there.
#[test]
fn the_quick_start_can_be_pasted() {
    let page = pages().into_iter().find(|page| page.name == "docs/quick-start.md").unwrap();
    let host = tempfile::tempdir().unwrap();
    let here = |path: &str| host.path().join(path.trim_start_matches('/'));
    let config = here("/etc/lowtide/lowtide.yaml");
    let (pasted, removal) = page.text.split_once("## Remove it").unwrap();
    for block in (Page { name: page.name, text: pasted.to_owned() }).blocks() {
        paste(&block.text, &here);
        if config.exists() {
            let loaded = lowtide_policy::load(&config).unwrap_or_else(|e| panic!("{}: {e}", block.place));
            assert!(loaded.warnings.is_empty(), "{}: {:?}", block.place, loaded.warnings);
        }
    }
    let loaded = lowtide_policy::load(&config).unwrap().config;
    assert!(loaded.tiers.zram.is_some() && loaded.policies.policies().len() == 2, "both files were written");
    let restored = removal.find("lowtide restore &&").unwrap();
    assert!(restored < removal.find("rm -r").unwrap(), "zram is put back before its record is removed");
}

/// Does what the commands of a block do to files below /etc.
fn paste(block: &str, here: &impl Fn(&str) -> PathBuf) {
    let mut lines = block.lines();
    while let Some(line) = lines.next() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let ["sudo", "dpkg", "--install", _] = *words {
            fs::create_dir_all(here("/etc/lowtide")).unwrap();
            fs::copy(top().join("systemd/lowtide.yaml"), here("/etc/lowtide/lowtide.yaml")).unwrap();
        } else if let Some(rest) = line.strip_prefix("sudo sed -i 's/") {
            let (from, rest) = rest.split_once('/').unwrap();
            let (to, path) = rest.split_once("/' ").unwrap();
            let text = fs::read_to_string(here(path)).unwrap();
            assert!(text.contains(from), "{line}");
            fs::write(here(path), text.replace(from, to)).unwrap();
        } else if let ["sudo", "mkdir", "-p", directory] = *words {
            fs::create_dir_all(here(directory)).unwrap();
        } else if line.ends_with("<<'EOF'") {
            let path = here(words.iter().find(|word| word.starts_with("/etc/")).unwrap());
            let text: Vec<_> = lines.by_ref().take_while(|line| *line != "EOF").collect();
            let adds = words.contains(&"-a");
            let before = if adds { fs::read_to_string(&path).unwrap() } else { String::new() };
            fs::write(&path, format!("{before}{}\n", text.join("\n"))).unwrap();
        }
    }
}

/// Every relative link of the documentation leads to a file.
#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for page in pages() {
        for link in page.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let place = top().join(&page.name).with_file_name(target);
            if !target.is_empty() && !target.contains("://") && !place.exists() {
                dead.push(format!("{}: {link}", page.name));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}
