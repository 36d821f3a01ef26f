//! What a running daemon tells, on a captured tree.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// A daemon with a tree of its own, with three cgroups: `/web/api` as captured, and two with less memory.
struct Live {
    directory: tempfile::TempDir,
    daemon: Child,
}

impl Live {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/6.12");
        copy(&fixture, &root);
        let web = root.join("sys/fs/cgroup/web");
        for (name, current) in [("b", "3145728\n"), ("c", "2097152\n")] {
            copy(&web.join("api"), &web.join(name));
            fs::write(web.join(name).join("memory.current"), current).unwrap();
        }
        let place = directory.path().display();
        let config = format!(
            "interval: 1s\nstate_dir: {place}/state\ncontrol: {{ socket: {place}/socket }}\nhotness: {{ source: none }}\n\
             policies: [{{ name: web, match: ['/web/*'], mode: observe }}]\n"
        );
        fs::write(directory.path().join("lowtide.yaml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
        command.arg("run").arg("--root").arg(root).arg("--config").arg(directory.path().join("lowtide.yaml"));
        let daemon = command.stderr(Stdio::null()).spawn().unwrap();
        let live = Self { directory, daemon };
        let begin = Instant::now();
        while !live.lowtide(&["status"]).status.success() {
            assert!(begin.elapsed() < Duration::from_secs(30), "the daemon does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        live
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("lowtide.yaml")
    }

    fn lowtide(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
        command.args(arguments).arg("--config").arg(self.config());
        command.env("COLUMNS", "80").output().unwrap()
    }

    fn told(&self, arguments: &[&str]) -> String {
        let output = self.lowtide(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.told(arguments)).unwrap()
    }

    fn paths(&self, arguments: &[&str]) -> Vec<String> {
        let status = self.json(&[&["status", "--json"], arguments].concat());
        let cgroups = status["cgroups"].as_array().unwrap();
        cgroups.iter().map(|cgroup| cgroup["path"].as_str().unwrap().to_owned()).collect()
    }
}

impl Live {
    fn stop(&mut self) {
        let _ = kill(Pid::from_raw(self.daemon.id().try_into().unwrap()), Signal::SIGTERM);
        let _ = self.daemon.wait();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop();
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

#[test]
fn status_sorts_filters_and_limits() {
    let live = Live::new();
    let current =
        |path: &str| fs::read_to_string(live.directory.path().join("root/sys/fs/cgroup").join(path));
    let captured: u64 = current("web/api/memory.current").unwrap().trim().parse().unwrap();
    assert!(captured > 3 << 20, "the captured cgroup is the largest");
    assert_eq!(live.paths(&["--sort", "dram"]), ["/web/api", "/web/b", "/web/c"]);
    assert_eq!(live.paths(&["--sort", "dram", "--top", "1"]), ["/web/api"]);
    assert_eq!(live.paths(&["--sort", "cgroup", "/web/[bc]"]), ["/web/b", "/web/c"]);
    assert_eq!(live.paths(&["c"]), ["/web/c"], "the last name does");
    assert_eq!(live.paths(&["*/c"]), ["/web/c"]);
    assert!(live.paths(&["/web"]).is_empty());
    assert!(live.told(&["status", "--top", "1"]).ends_with("\n1 of 3 cgroups\n"));
    let wrong = live.lowtide(&["status", "/web/["]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("`/web/[` is no pattern"));
}

#[test]
fn the_table_fits_the_terminal() {
    let live = Live::new();
    let told = live.told(&["status"]);
    let table = told.lines().skip_while(|line| !line.starts_with("CGROUP"));
    let table: Vec<_> = table.take_while(|line| !line.is_empty()).collect();
    assert!(table.len() >= 4, "{told}");
    assert!(table.iter().all(|line| line.chars().count() <= 80), "{told}");
}

#[test]
fn json_has_a_version_and_seconds() {
    let live = Live::new();
    for arguments in [&["status", "--json"][..], &["report", "--json"], &["explain", "/web/api", "--json"]] {
        let told = live.json(arguments);
        assert_eq!(told["version"], 1, "{arguments:?}");
        assert!(!told.to_string().contains("\"nanos\""), "{arguments:?}");
    }
    assert!(live.json(&["status", "--json"])["uptime"].is_number());
}

fn schema() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/output.schema.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn json_is_what_the_schema_says() {
    let live = Live::new();
    let schema = schema();
    for arguments in [&["status", "--json"][..], &["report", "--json"], &["explain", "/web/api", "--json"]] {
        let mut wrong = Vec::new();
        compare(arguments[0], &schema["$defs"][arguments[0]], &live.json(arguments), &mut wrong);
        assert_eq!(wrong, Vec::<String>::new(), "docs/output.schema.json");
    }
}

/// What of `value` is not as `schema` says.
fn compare(path: &str, schema: &Value, value: &Value, wrong: &mut Vec<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
    if !types.iter().any(|known| known == kind || (known == "number" && kind == "integer")) {
        wrong.push(format!("{path} is {kind}"));
    }
    for item in value.as_array().into_iter().flatten() {
        compare(&format!("{path}[]"), &schema["items"], item, wrong);
    }
    let (Some(known), Some(found)) = (schema["properties"].as_object(), value.as_object()) else { return };
    for (key, value) in found {
        match known.get(key) {
            Some(schema) => compare(&format!("{path}.{key}"), schema, value, wrong),
            None => wrong.push(format!("{path}.{key} is not described")),
        }
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    wrong.extend(
        required.filter(|key| !found.contains_key(*key)).map(|key| format!("{path}.{key} is missing")),
    );
}

#[test]
fn explain_tells_the_number_of_a_reason() {
    let told = Live::new().told(&["explain", "/web/api"]);
    let mut lines = told.lines();
    let name = lines.next().unwrap().rsplit(['(', ')']).nth(1).unwrap().to_owned();
    let reason = lowtide_core::Reason::ALL.iter().find(|reason| reason.name() == name).unwrap();
    assert_eq!(lines.next().unwrap(), format!("  reason {}: {}", reason.number(), reason.sentence()));
}

/// Without a daemon, from what it left.
#[test]
fn the_history_tells_what_was_when_the_daemon_is_gone() {
    let mut live = Live::new();
    std::thread::sleep(Duration::from_secs(3));
    live.stop();
    assert!(!live.lowtide(&["status"]).status.success());
    let schema = schema();
    let explain = ["explain", "/web/api", "--at", "1s ago", "--json"];
    let report = ["report", "--since", "-1h", "--json"];
    for (name, arguments) in [("explain_at", &explain[..]), ("report_since", &report)] {
        let mut wrong = Vec::new();
        compare(name, &schema["$defs"][name], &live.json(arguments), &mut wrong);
        assert_eq!(wrong, Vec::<String>::new(), "docs/output.schema.json");
    }
    // It was in `observe`: what is in the captured swap is somebody else's.
    let told = live.json(&report);
    assert_eq!((&told["gib_hours"]["offloaded"], &told["version"]), (&Value::from(0.0), &Value::from(1)));
    assert!(told["gib_hours"]["by_others"].as_f64().unwrap() > 0.0, "{told}");
    assert_eq!(told["cgroups"].as_array().unwrap().len(), 3);
    let then = live.told(&explain[..4]);
    assert!(then.starts_with("/web/api (policy web), ") && then.contains("  hold; reason "), "{then}");
    let page = live.directory.path().join("report.html");
    assert_eq!(live.told(&["report", "--html", page.to_str().unwrap()]), "");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<td>/web/api</td>"), "{page}");
    assert_eq!(live.told(&["report", "--html", "-"]).matches("<svg").count(), 2, "host and tier");
}

#[test]
fn what_the_history_cannot_tell_is_said() {
    let mut live = Live::new();
    std::thread::sleep(Duration::from_secs(2));
    live.stop();
    let complaint = |arguments: &[&str]| {
        let output = live.lowtide(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (arguments, expected) in [
        (&["explain", "/web/api", "--at", "noon"][..], "`noon` is no time: write 03:00"),
        (&["explain", "/web/api", "--at", "2999-01-01"], "is to come"),
        (&["explain", "/web/api", "--at", "5d ago"], "no daemon kept watch at"),
        (&["explain", "/web/ap", "--at", "1s ago"], "targets like it: /web/api"),
        (&["report", "--since", "1h ago", "--until", "2h ago"], "before it begins"),
        (
            &["report", "--since", "1h ago", "--state-dir", "/nowhere"],
            "/nowhere/history: there is no history",
        ),
    ] {
        let told = complaint(arguments);
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
    let lost = live.lowtide(&["report", "--html", "/dev/full"]);
    assert_eq!(lost.status.code(), Some(74), "{}", String::from_utf8_lossy(&lost.stderr));
}
