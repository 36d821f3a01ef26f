//! What is known of each program that people are told to run. A program without a rule fails the test.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use clap::{Parser, error::ErrorKind};
use lowtide_cli::options::Arguments;
use lowtide_testing::docs::{Invocation, Page, blocks, commands, pages, top};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why an invocation is wrong.
type Verdict = Result<(), String>;

/// A program, and what is known of its arguments.
type Rule = (&'static str, fn(&[&str]) -> Verdict);

const RULES: &[Rule] = &[
    ("lowtide", lowtide),
    ("./target/release/lowtide", lowtide),
    ("cargo", cargo),
    // The benchmark's own programs, whose options the tests of xtask parse.
    ("./run", |_| Ok(())),
    ("./lowtide-bench", |_| Ok(())),
    // Run by the lab's scenarios: dpkg by `quick_start` and `install`, rpm by `install_rpm`. apt by none yet.
    ("dpkg", |words| exactly(words, &["--install", &format!("lowtide_{VERSION}-1_amd64.deb")])),
    ("apt", |words| exactly(words, &["remove", "lowtide"])),
    ("rpm", |words| exactly(words, &["--erase", "lowtide"])),
    ("systemctl", systemctl),
    ("install", install),
    ("rm", rm),
    ("mkdir", own_configuration),
    ("tee", own_configuration),
    ("sed", own_configuration),
    ("modprobe", |words| named_in("systemd/lowtide-tiers.service", &format!("modprobe {}", words.join(" ")))),
    ("curl", curl),
    // Run with the commands before it, where there is one: run.rs.
    ("jq", |_| Ok(())),
    ("kubectl", kubectl),
    ("helm", helm),
    ("skopeo", |words| match words {
        ["copy", from, _] if *from == format!("oci-archive:lowtide-{VERSION}-oci.tar") => Ok(()),
        _ => Err("`cargo xtask dist` makes an image of another name".to_owned()),
    }),
    ("getfattr", |words| {
        named_in("crates/observe/src/choices.rs", words.get(1).copied().unwrap_or_default())
    }),
    // What it writes to is looked at for every command.
    ("echo", |_| Ok(())),
    ("mkswap", |words| exactly(words, &["/dev/zram0"])),
    ("swapon", |words| exactly(words, &["-p", "100", "/dev/zram0"])),
];

/// Units of a page's own example.
const EXAMPLE_UNITS: &[&str] = &["web.service"];

/// All that a removal may take away.
const OURS: &[&str] = &[
    "/etc/lowtide",
    "/var/lib/lowtide",
    "/usr/local/bin/lowtide",
    "/etc/systemd/system/lowtide.service",
    "/etc/systemd/system/lowtide.service.d",
    "/etc/systemd/system/lowtide-tiers.service",
];

fn exactly(words: &[&str], expected: &[&str]) -> Verdict {
    if words == expected { Ok(()) } else { Err(format!("only `{}` is known", expected.join(" "))) }
}

fn named_in(file: &str, what: &str) -> Verdict {
    let text = fs::read_to_string(top().join(file)).map_err(|error| format!("{file}: {error}"))?;
    if text.contains(what) { Ok(()) } else { Err(format!("{file} does not have `{what}`")) }
}

fn there(path: &str) -> Verdict {
    if top().join(path).exists() { Ok(()) } else { Err(format!("there is no {path}")) }
}

fn lowtide(words: &[&str]) -> Verdict {
    let Err(error) = Arguments::try_parse_from([&["lowtide"], words].concat()) else { return Ok(()) };
    let is_told = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_told { Ok(()) } else { Err(error.to_string()) }
}

fn cargo(words: &[&str]) -> Verdict {
    match words {
        ["xtask", ..] => Ok(()),
        ["build" | "test", ..] => {
            let package = words.iter().skip_while(|word| **word != "-p").nth(1).ok_or("which package?")?;
            let manifests = fs::read_dir(top().join("crates")).unwrap();
            let is_of = |manifest: &Path| {
                fs::read_to_string(manifest)
                    .is_ok_and(|text| text.contains(&format!("name = \"{package}\"\n")))
            };
            let mut manifests = manifests.map(|entry| entry.unwrap().path().join("Cargo.toml"));
            if manifests.any(|path| is_of(&path)) { Ok(()) } else { Err(format!("no package {package}")) }
        }
        _ => Err("a command of cargo without a rule".to_owned()),
    }
}

fn systemctl(words: &[&str]) -> Verdict {
    let mut words = words.iter().filter(|word| !word.starts_with('-'));
    let verb = words.next().copied().unwrap_or_default();
    if !["start", "stop", "restart", "reload", "enable", "disable", "status", "daemon-reload"].contains(&verb)
    {
        return Err(format!("systemctl has no `{verb}`, as far as this test knows"));
    }
    for unit in words.filter(|unit| !EXAMPLE_UNITS.contains(unit)) {
        there(&format!("systemd/{}.service", unit.trim_end_matches(".service")))?;
    }
    Ok(())
}

fn install(words: &[&str]) -> Verdict {
    let files: Vec<_> = words.iter().filter(|word| word.contains('/')).collect();
    let [from, to] = files[..] else { return Err("one file to one place".to_owned()) };
    // `cargo build` makes it, on the same page.
    if *from != "target/release/lowtide" {
        there(from)?;
    }
    let name = from.rsplit('/').next().unwrap_or_default();
    let places =
        ["/usr/local/bin/", "/etc/lowtide/", "/etc/systemd/system/"].map(|place| format!("{place}{name}"));
    if places.iter().any(|place| place == to) {
        Ok(())
    } else {
        Err(format!("{from} does not belong at {to}"))
    }
}

fn rm(words: &[&str]) -> Verdict {
    let paths = words.iter().filter(|word| !word.starts_with('-'));
    let others: Vec<_> = paths.filter(|path| !OURS.contains(path)).collect();
    if others.is_empty() { Ok(()) } else { Err(format!("{others:?} is not lowtide's alone")) }
}

/// The quick start, whose files are written and checked by `the_quick_start_can_be_pasted`.
fn own_configuration(words: &[&str]) -> Verdict {
    match words.last() {
        Some(path) if path.starts_with("/etc/lowtide/") => Ok(()),
        _ => Err("only what is below /etc/lowtide is changed".to_owned()),
    }
}

fn curl(words: &[&str]) -> Verdict {
    let [url] = words else { return Err("one address".to_owned()) };
    let listen = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics"));
    let listen = listen.ok_or("no address of the metrics page")?;
    named_in("README.md", &format!("metrics: {{ listen: \"{listen}\" }}"))
}

/// What is behind `exec … --` is a command of its own.
fn kubectl(words: &[&str]) -> Verdict {
    match words {
        ["create", "namespace", "lowtide"] => Ok(()),
        ["label", "namespace", "lowtide", label]
            if label.starts_with("pod-security.kubernetes.io/enforce=") =>
        {
            Ok(())
        }
        ["--namespace", "lowtide", "exec", object, "--", ..] => {
            let (kind, name) = object.split_once('/').ok_or("KIND/NAME")?;
            let kind = if kind == "daemonset" { "DaemonSet" } else { kind };
            let made = fs::read_to_string(top().join("packaging/helm/lowtide.yaml")).unwrap();
            let is_it = |document: &str| {
                document.contains(&format!("\nkind: {kind}\n"))
                    && document.contains(&format!("\n  name: {name}\n"))
            };
            if made.split("\n---\n").any(is_it) {
                Ok(())
            } else {
                Err(format!("the chart makes no {object}"))
            }
        }
        _ => Err("only namespace lowtide, and what the chart makes there, are known".to_owned()),
    }
}

fn helm(words: &[&str]) -> Verdict {
    let ["install", _, chart, options @ ..] = words else {
        return Err("only `helm install NAME CHART`".to_owned());
    };
    there(&format!("{chart}/Chart.yaml"))?;
    let values = fs::read_to_string(top().join(chart).join("values.yaml")).unwrap();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let value = options.next().ok_or("an option without a value")?;
        match *option {
            "--namespace" => exactly(&[value], &["lowtide"])?,
            "--set" => has_value(&values, value.split('=').next().unwrap_or_default())?,
            _ => return Err(format!("no rule for {option}")),
        }
    }
    Ok(())
}

/// Does values.yaml have `a.b.c`?
fn has_value(values: &str, path: &str) -> Verdict {
    let mut lines = values.lines();
    for (depth, key) in path.split('.').enumerate() {
        let line = format!("{}{key}:", "  ".repeat(depth));
        lines
            .find(|found| found.starts_with(&line))
            .ok_or_else(|| format!("the chart has no value {path}"))?;
    }
    Ok(())
}

/// A file that output is redirected to.
fn is_written(file: &str) -> Verdict {
    match file.strip_prefix("/sys/block/zram0/") {
        // What lowtide writes itself, when it sets zram up.
        Some(knob) => named_in("crates/setup/src/zram.rs", &format!("\"{knob}\"")),
        None => exactly(&[file], &["/dev/null"]),
    }
}

fn judge(Invocation { words, written }: &Invocation) -> Verdict {
    let (_, rule) =
        RULES.iter().find(|(program, _)| *program == words[0]).ok_or("no rule for this program")?;
    written.iter().try_for_each(|file| is_written(file))?;
    rule(&words[1..].iter().map(String::as_str).collect::<Vec<_>>())
}

/// Would somebody type this line?
pub(crate) fn is_command(line: &str) -> bool {
    // A drawing or a text may have quotes that do not end.
    let found = commands(line);
    // The screens of `lowtide top` begin with its name.
    found.first().is_some_and(|first| match &*first.words[0] {
        "lowtide" => judge(first).is_ok(),
        program => RULES.iter().any(|(known, _)| *known == program),
    })
}

#[test]
fn every_command_in_a_block_is_one_that_there_is() {
    let mut wrong = Vec::new();
    let mut of_lowtide = 0;
    for block in blocks().iter().filter(|block| block.is_shell()) {
        let commands = block.commands();
        if commands.is_empty() {
            wrong.push(format!("{}: nothing to type", block.place));
        }
        for command in commands {
            of_lowtide += usize::from(command.words[0].ends_with("lowtide"));
            if let Err(why) = judge(&command) {
                wrong.push(format!("{}: `{}`: {why}", block.place, command.words.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(of_lowtide > 30, "only {of_lowtide} were found");
}

#[test]
fn what_no_rule_knows_is_refused() {
    for wrong in [
        "lowtide statsu",
        "sudo lowtide status --srot saved",
        "true && lowtide explain",
        "echo \"$(lowtide check --enviroment)\"",
        "kubectl --namespace lowtide exec daemonset/lowtide -- lowtide statsu",
        "kubectl --namespace lowtide exec daemonset/ebb -- lowtide status",
        "LOWTIDE_LOG=debug lowtide runn",
        "systemctl restart ebb",
        "systemctl brew lowtide",
        "install -m 644 systemd/ebb.service /etc/systemd/system/ebb.service",
        "sudo rm -rf / /etc/lowtide",
        "dpkg --install lowtide_0.0.1-1_amd64.deb",
        "helm install lowtide packaging/helm/lowtide --set image.repo=x",
        "curl http://127.0.0.1:1/metrics",
        "lowtide report > /etc/passwd",
        "echo 1 > /sys/block/zram0/nonsense",
        "brew install lowtide",
    ] {
        assert!(commands(wrong).iter().any(|command| judge(command).is_err()), "{wrong}");
    }
}

#[test]
fn bash_reads_every_block() {
    for block in blocks().iter().filter(|block| block.is_shell()) {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-n"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut bash = bash.spawn().unwrap();
        bash.stdin.take().unwrap().write_all(block.script().as_bytes()).unwrap();
        let read = bash.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success() && said.is_empty(), "{}: {said}", block.place);
    }
}

/// `lowtide …` between backticks, and why it is nothing to type.
const NO_COMMANDS: &[(&str, &str)] = &[("lowtide cannot work on this host", "a line of the log")];

/// A command that is only called by its name needs no arguments.
fn lowtide_in_prose(words: &[&str]) -> Verdict {
    use ErrorKind::{
        DisplayHelpOnMissingArgumentOrSubcommand as NoSubcommand, InvalidValue, MissingRequiredArgument,
    };
    match Arguments::try_parse_from([&["lowtide"], words].concat()) {
        Err(error) if matches!(error.kind(), NoSubcommand | MissingRequiredArgument) => Ok(()),
        Err(error)
            if error.kind() == InvalidValue && words.last().is_some_and(|word| word.starts_with("--")) =>
        {
            Ok(())
        }
        _ => lowtide(words),
    }
}

#[test]
fn what_the_prose_tells_to_type_is_parsed_too() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (place, span) in pages().iter().flat_map(Page::inline) {
        let is_command = ["lowtide ", "sudo lowtide "].iter().any(|start| span.starts_with(start));
        if !is_command || NO_COMMANDS.iter().any(|(text, _)| span == *text) {
            continue;
        }
        count += 1;
        // `[--json]` may be left out, `…` stands for more.
        let typed = span.replace(['[', ']', '…'], "");
        for command in commands(&typed).iter().filter(|command| command.words[0] == "lowtide") {
            let words: Vec<_> = command.words[1..].iter().map(String::as_str).collect();
            if let Err(why) = lowtide_in_prose(&words) {
                wrong.push(format!("{place}: `{span}`: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 50, "only {count} were found");
}

/// The examples of a man page, as they are typed.
pub(crate) fn examples() -> Vec<(String, String)> {
    let mut examples = Vec::new();
    for entry in fs::read_dir(top().join("docs/man")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let Some((_, section)) = text.split_once(".SH \"EXAMPLES\"\n") else { continue };
        let section = section.split("\n.SH ").next().unwrap();
        let bold = section.lines().filter_map(|line| line.strip_prefix("\\fB")?.strip_suffix("\\fR"));
        examples.extend(bold.map(|line| (name.clone(), line.replace("\\-", "-").replace("\\e", "\\"))));
    }
    examples
}

#[test]
fn examples_of_the_man_pages_are_parsed() {
    let examples = examples();
    assert!(examples.len() >= 12, "{examples:?}");
    for (page, example) in &examples {
        for command in commands(example) {
            if let Err(why) = judge(&command) {
                panic!("{page}: `{example}`: {why}");
            }
        }
    }
}
