//! The JSON Schema in `docs` is the one that the code makes, and says what the code says.
//!
//! `UPDATE_GOLDEN=1 cargo test -p lowtide-policy` writes it anew.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path};

use serde_json::Value;

fn in_docs(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

#[test]
fn the_schema_in_docs_is_current() {
    let path = in_docs("policy.schema.json");
    let schema = format!("{}\n", serde_json::to_string_pretty(&lowtide_policy::schema()).unwrap());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == schema, "{} is old: run UPDATE_GOLDEN=1 cargo test -p lowtide-policy", path.display());
}

/// Every key below `schema`, with its path and its own schema.
fn keys<'a>(path: &str, schema: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        keys(&path, value, found);
        keys(&path, &value["items"], found);
        found.push((path, value));
    }
}

#[test]
fn every_key_is_described_and_none_may_be_null() {
    let schema = lowtide_policy::schema();
    let mut found = Vec::new();
    keys("", &schema, &mut found);
    assert!(found.len() > 25, "{found:?}");
    for (path, schema) in found {
        assert!(schema["description"].as_str().is_some_and(|text| text.len() > 10), "{path}: {schema}");
        assert!(schema["type"].is_string(), "{path}: {schema}");
        if schema["type"] == "string" {
            assert!(schema["description"].as_str().unwrap().contains("Allowed: "), "{path}: {schema}");
        }
        if schema["type"] == "object" {
            assert_eq!(schema["additionalProperties"], false, "{path}");
        }
    }
}

#[test]
fn the_reference_has_every_key_with_its_default() {
    let reference = fs::read_to_string(in_docs("policy.md")).unwrap();
    let schema = lowtide_policy::schema();
    let mut found = Vec::new();
    keys("", &schema, &mut found);
    for (path, schema) in found {
        if schema["type"] == "object" || path == "policies" {
            continue;
        }
        let key = path.strip_prefix("policies.").unwrap_or(&path);
        let row = reference.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/policy.md has no row for `{key}`"));
        if let Some(default) = schema["default"].as_str() {
            assert!(row.contains(&format!("`{default}`")), "{key}: default {default} is not in: {row}");
        }
    }
}
