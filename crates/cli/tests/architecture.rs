//! docs/architecture.md shows the crates and their arrows as they are, and the files of a crate use each
//! other in one direction.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lowtide_testing::docs::top;
use serde_json::Value;

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The name of a crate without `lowtide-`; the command's crate is `cli`.
fn short(name: &str) -> Option<String> {
    match name {
        "lowtide" => Some("cli".to_owned()),
        "xtask" => Some(name.to_owned()),
        _ => name.strip_prefix("lowtide-").map(str::to_owned),
    }
}

/// Which crates of the workspace each of them is built with, tests aside.
fn crates() -> Arrows {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(top()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let arrows = packages.map(|package| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let built_with = dependencies.filter(|dependency| dependency["kind"].is_null());
        let used = built_with.filter_map(|dependency| short(dependency["name"].as_str().unwrap()));
        (short(package["name"].as_str().unwrap()).unwrap(), used.collect())
    });
    arrows.collect()
}

/// The table of arrows in docs/architecture.md: a crate, and those that it uses.
fn documented() -> Arrows {
    let text = fs::read_to_string(top().join("docs/architecture.md")).unwrap();
    let (_, table) = text.split_once("| crate | uses |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let arrow = |line: &str| {
        let mut cells = line.split('|').skip(1);
        let name = words(cells.next().unwrap()).swap_remove(0);
        (name, words(cells.next().unwrap()).into_iter().collect())
    };
    rows.map(arrow).collect()
}

#[test]
fn the_page_shows_every_crate_with_its_arrows() {
    assert_eq!(documented(), crates());
}

/// Each module of a crate's top level, folders as a whole, and those that it uses.
fn modules(name: &str) -> Arrows {
    let source = top().join("crates").join(name).join("src");
    let mut arrows = Arrows::new();
    for file in files(&source) {
        let inner = file.strip_prefix(&source).unwrap();
        let module =
            Path::new(inner.iter().next().unwrap()).file_stem().unwrap().to_string_lossy().into_owned();
        let is_test = inner.iter().any(|part| part.to_string_lossy().contains("tests") || part == "cases");
        if is_test || ["lib", "samples"].contains(&&*module) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let (text, _) = text.split_once("\n#[cfg(test)]\nmod tests {").unwrap_or((&text, ""));
        arrows.entry(module).or_default().extend(used(text));
    }
    let all: BTreeSet<_> = arrows.keys().cloned().collect();
    for (module, used) in &mut arrows {
        used.retain(|other| other != module && all.contains(other));
    }
    arrows
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    below.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The modules after each `crate::`, also of `use crate::{one::A, two::{B, C}};`.
fn used(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (start, _) in text.match_indices("crate::") {
        let rest = &text[start + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(heads(list)),
            None => found.extend(head(rest)),
        }
    }
    found
}

fn head(path: &str) -> Option<String> {
    let word: String = path.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// The first word of each part of a list, up to the brace that closes it.
fn heads(list: &str) -> Vec<String> {
    let (mut depth, mut part, mut parts) = (0, String::new(), Vec::new());
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => parts.push(std::mem::take(&mut part)),
            _ if depth == 0 => part.push(c),
            _ => {}
        }
    }
    parts.push(part);
    parts.iter().filter_map(|part| head(part.trim())).collect()
}

/// Modules that reach each other, each circle once.
fn circles(arrows: &Arrows) -> BTreeSet<BTreeSet<String>> {
    let reach = |from: &String| {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = waiting.pop() {
            for other in arrows.get(&module).into_iter().flatten() {
                if seen.insert(other.clone()) {
                    waiting.push(other.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = arrows.keys().map(|module| (module, reach(module))).collect();
    let comes_back =
        |module: &String, other: &String| reached.get(other).is_some_and(|seen| seen.contains(module));
    let circle = |module: &String| -> BTreeSet<String> {
        reached[module].iter().filter(|other| comes_back(module, other)).cloned().collect()
    };
    arrows.keys().map(circle).filter(|circle| circle.len() > 1).collect()
}

#[test]
fn files_use_each_other_in_one_direction() {
    for name in crates().keys().filter(|name| *name != "lab") {
        let circles = circles(&modules(name));
        assert!(circles.is_empty(), "{name}: {circles:?}");
    }
}

#[test]
fn a_circle_is_found() {
    let arrows = |list: &[(&str, &str)]| {
        let mut arrows = Arrows::new();
        for (from, to) in list {
            arrows.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        arrows
    };
    assert!(circles(&arrows(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    let found = circles(&arrows(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]));
    assert_eq!(found.into_iter().next().unwrap(), ["a", "b", "c"].map(str::to_owned).into());
    let text = "use crate::{\n    one::A,\n    two::{B, three::C},\n};\nuse crate::four;\n";
    assert_eq!(used(text), ["one", "two", "four"].map(str::to_owned).into());
}
