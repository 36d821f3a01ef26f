//! A daemon that runs on a captured tree.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use clap::CommandFactory;
use lowtide_cli::options::Arguments;
use lowtide_history::{Minute, read};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// A daemon with a tree of its own, with three cgroups: `/web/api` as captured, and two with less memory.
pub(crate) struct Live {
    directory: tempfile::TempDir,
    daemon: Child,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self::logging_to(Stdio::null())
    }

    /// With another standard error.
    pub(crate) fn logging_to(stderr: Stdio) -> Self {
        let more = |tree: &Path| {
            for (name, current) in [("b", "3145728\n"), ("c", "2097152\n")] {
                copy(&tree.join("web/api"), &tree.join("web").join(name));
                fs::write(tree.join("web").join(name).join("memory.current"), current).unwrap();
            }
        };
        Self::start(&["/web/*"], more, "", stderr)
    }

    /// With a group whose members may ask.
    pub(crate) fn asked_by(group: &str) -> Self {
        Self::start(&["/web/*"], |_| {}, &format!(", group: {group}"), Stdio::null())
    }

    /// With other cgroups, which `more` makes below the directory that it is given, and one policy for all of
    /// them.
    pub(crate) fn with(matched: &[&str], more: impl FnOnce(&Path)) -> Self {
        Self::start(matched, more, "", Stdio::null())
    }

    /// `control` comes behind the path of the socket.
    fn start(matched: &[&str], more: impl FnOnce(&Path), control: &str, stderr: Stdio) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/6.12");
        copy(&fixture, &root);
        more(&root.join("sys/fs/cgroup"));
        let place = directory.path().display();
        let config = format!(
            "interval: 1s\nstate_dir: {place}/state\ncontrol: {{ socket: {place}/socket{control} }}\nhotness: {{ source: none }}\n\
             policies: [{{ name: web, match: {}, mode: observe }}]\n",
            serde_json::to_string(matched).unwrap()
        );
        fs::write(directory.path().join("lowtide.yaml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
        command.arg("run").arg("--root").arg(root).arg("--config").arg(directory.path().join("lowtide.yaml"));
        let daemon = command.stderr(stderr).spawn().unwrap();
        let live = Self { directory, daemon };
        let begin = Instant::now();
        while !live.lowtide(&["status"]).status.success() {
            assert!(begin.elapsed() < Duration::from_secs(30), "the daemon does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        live
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("lowtide.yaml")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub(crate) fn lowtide(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
        command.args(arguments).arg("--config").arg(self.config());
        command.env("COLUMNS", "80").output().unwrap()
    }

    /// Tells the daemon to end. Its tree stays.
    pub(crate) fn stop(&self) {
        let _ = kill(Pid::from_raw(self.daemon.id().try_into().unwrap()), Signal::SIGTERM);
    }

    /// Waits until it has ended, and says with what status.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.stop();
        self.daemon.wait().ok()?.code()
    }

    /// The last one that the daemon has kept, at its end or before.
    pub(crate) fn last_minute(&self) -> Minute {
        let mut last = None;
        read(&self.history(), 0..=u64::MAX, |minute| last = Some(minute)).unwrap();
        last.unwrap()
    }

    /// When that was, as it is typed.
    pub(crate) fn then(&self) -> String {
        jiff::Timestamp::from_second(self.last_minute().end.try_into().unwrap()).unwrap().to_string()
    }

    pub(crate) fn history(&self) -> PathBuf {
        self.directory.path().join("state/history")
    }

    pub(crate) fn told(&self, arguments: &[&str]) -> String {
        let output = self.lowtide(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.told(arguments)).unwrap()
    }

    pub(crate) fn paths(&self, arguments: &[&str]) -> Vec<String> {
        let status = self.json(&[&["status", "--json"], arguments].concat());
        let cgroups = status["cgroups"].as_array().unwrap();
        cgroups.iter().map(|cgroup| cgroup["path"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

/// A document of a command is what docs/output.schema.json calls so.
pub(crate) fn against_schema(command: &str, document: &Value) {
    let schemas = schemas();
    assert!(schemas.get(command).is_some(), "docs/output.schema.json has no `{command}`");
    let mut wrong = Vec::new();
    compare(command, &schemas[command], document, &mut wrong);
    assert_eq!(wrong, Vec::<String>::new(), "docs/output.schema.json");
}

/// What docs/output.schema.json has, by name.
pub(crate) fn schemas() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/output.schema.json");
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    schema["$defs"].take()
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

/// Commands without further ones, by their names.
pub(crate) fn commands() -> Vec<(String, clap::Command)> {
    let mut found = Vec::new();
    leaves(&Arguments::command(), "", &mut found);
    assert!(found.len() >= 10, "{found:?}");
    found
}

fn leaves(command: &clap::Command, above: &str, found: &mut Vec<(String, clap::Command)>) {
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("{above}{}", command.get_name());
        if command.has_subcommands() {
            leaves(command, &format!("{name} "), found);
        } else {
            found.push((name, command.clone()));
        }
    }
}
