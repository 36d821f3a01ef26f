//! `cargo xtask test`: everything that can fail.

use crate::{build, chart, documented, fuzz, step, units};
use anyhow::{Context, Result, ensure};
use clap::Args;
use lowtide_lab::dirs::LabDirs;
use lowtide_lab::process::{output_of, say};
use lowtide_lab::{kernel, scenarios, tools};
use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::Instant;

/// So many of a failed machine's lines are repeated at the end, where a reader of a cut log still finds them.
const REPEATED: usize = 40;
/// Of all parsers together; the same inputs each time, as far as they get. `cargo xtask fuzz` takes others.
const FUZZED: [&str; 2] = ["--seconds", "60"];
/// Machines at a time: each is one busy thread, and counted time does not mind a neighbour.
const MACHINES: usize = 2;

/// What is looked at without cargo.
type OnThisMachine = fn() -> Result<()>;

/// What to test.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Kernel series for the scenarios (repeatable).
    #[arg(long, default_values_t = [kernel::DEFAULT.to_owned()])]
    kernel: Vec<String>,
    /// Only the scenarios, not what runs on this machine.
    #[arg(long, conflicts_with = "no_lab")]
    lab_only: bool,
    /// Only what runs on this machine. The result says that no kernel was tested.
    #[arg(long)]
    no_lab: bool,
}

/// Runs all of it; fails at the end if anything failed.
pub(crate) fn run(args: &TestArgs) -> Result<ExitCode> {
    let mut failed = Vec::new();
    if !args.lab_only {
        failed.extend(on_this_machine()?);
    }
    let mut passed = 0;
    // All that is built with the release profile, at once: what fuzzing is made of is what runs in the
    // machines.
    build::release(&["lowtide", fuzz::PACKAGE])?;
    if !args.lab_only && !fuzz::fuzz(&FUZZED.map(str::to_owned))? {
        failed.push(Failure { name: "fuzzing".to_owned(), lines: Vec::new() });
    }
    if !args.lab_only
        && let Err(error) = chart::check()
    {
        say(&format!("FAILED: chart ({error:#})"));
        failed.push(Failure { name: "chart".to_owned(), lines: vec![format!("{error:#}")] });
    }
    if args.no_lab {
        say("NOT TESTED: the scenarios on real kernels (--no-lab)");
    } else {
        let doors = DOORS.iter().map(Doors::build).collect::<Result<Vec<_>>>()?;
        for kernel in &args.kernel {
            let (good, bad) = on_kernel(kernel, &doors)?;
            passed += good;
            failed.extend(bad);
        }
    }
    println!("\n{passed} passed, {} failed", failed.len());
    for Failure { name, lines } in &failed {
        println!("failed: {name}");
        for line in lines {
            println!("    {line}");
        }
    }
    let names: Vec<_> = failed.iter().map(|failure| failure.name.as_str()).collect();
    ensure!(failed.is_empty(), "{} failed: {}", failed.len(), names.join(", "));
    Ok(ExitCode::SUCCESS)
}

/// What failed, and what it said last.
#[derive(Debug)]
struct Failure {
    name: String,
    lines: Vec<String>,
}

/// Formatting, lints, unit and property tests, fixtures, golden files, alert rules, what the
/// units give away. Returns what failed.
fn on_this_machine() -> Result<Vec<Failure>> {
    let steps: [(&str, &[&str]); 3] = [
        ("formatting", &["fmt", "--all", "--check"]),
        ("lints", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]),
        ("unit, property and fixture tests", &["test", "--workspace"]),
    ];
    tools::install(&[tools::TMUX, tools::JQ, tools::SYSTEMD])?;
    let mut failed = Vec::new();
    for (name, arguments) in steps {
        if !step::cargo(name, arguments)? {
            failed.push(Failure { name: name.to_owned(), lines: Vec::new() });
        }
    }
    let checks: [(&str, OnThisMachine); 2] = [("alert rules", alert_rules), ("units", units::check)];
    for (name, check) in checks {
        if let Err(error) = check() {
            say(&format!("FAILED: {name} ({error:#})"));
            failed.push(Failure { name: name.to_owned(), lines: vec![format!("{error:#}")] });
        }
    }
    Ok(failed)
}

/// Each alert fires when it should, and is silent beside it, says Prometheus' own tool. It also reads what
/// the pages give to copy.
fn alert_rules() -> Result<()> {
    say("alert rules: promtool test rules");
    let promtool = tools::guest_tool(&LabDirs::locate()?, "promtool")?.context("there is no promtool")?;
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/prometheus").canonicalize()?;
    let mut command = Command::new(&promtool);
    command.args(["test", "rules", "lowtide.test.yml"]).current_dir(&rules);
    output_of(&mut command)?;
    let directory = LabDirs::locate()?.tools().join("documented");
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    configurations_in_docs(&promtool, &rules, &directory)?;
    queries_in_docs(&promtool, &directory)
}

/// Each prometheus.yml of the pages is one.
fn configurations_in_docs(promtool: &Path, rules: &Path, directory: &Path) -> Result<()> {
    let file = directory.join("prometheus.yml");
    for (page, block) in documented::blocks("yaml", "# prometheus.yml")? {
        // Where the packages put the rules.
        let here = block.replace("/usr/share/lowtide/prometheus/", &format!("{}/", rules.display()));
        fs::write(&file, here)?;
        let mut command = Command::new(promtool);
        output_of(command.args(["check", "config"]).arg(&file)).context(page)?;
    }
    Ok(())
}

/// Each query of the pages is one: as the rule of a file.
fn queries_in_docs(promtool: &Path, directory: &Path) -> Result<()> {
    let file = directory.join("queries.yml");
    for (page, block) in documented::blocks("promql", "")? {
        let rules = documented::queries(&block).into_iter().enumerate().map(
            |(number, query)| serde_json::json!({ "record": format!("documented:{number}"), "expr": query }),
        );
        let group = serde_json::json!({ "name": page, "rules": rules.collect::<Vec<_>>() });
        // JSON is YAML.
        fs::write(&file, serde_json::json!({ "groups": [group] }).to_string())?;
        let mut command = Command::new(promtool);
        output_of(command.args(["check", "rules"]).arg(&file)).context(page)?;
    }
    Ok(())
}

/// A crate's test program `kernel`, whose tests need a machine.
#[derive(Debug)]
struct Doors {
    name: &'static str,
    package: &'static str,
    /// What the machine has besides one processor: with two at once QEMU 7.2 sometimes runs into the kernel's
    /// own code patching ("Oops: int3").
    machine: &'static [&'static str],
}

/// All of them.
const DOORS: &[Doors] = &[
    Doors { name: "cgroup", package: "lowtide-cgroup", machine: &["--memory", "512M", "--disk", "256M"] },
    Doors {
        name: "mglru",
        package: "lowtide-mglru",
        // It is about ages: counted time, and nothing from the host that could make it jump.
        machine: &["--memory", "1G", "--deterministic", "--sealed", "--limit", "900"],
    },
];

impl Doors {
    /// With the program.
    fn build(&'static self) -> Result<(&'static Self, PathBuf)> {
        Ok((self, step::test_program(self.package, "kernel")?))
    }
}

/// The scenarios that are tests, on one kernel. Returns how many passed, and which failed.
fn on_kernel(kernel: &str, doors: &[(&'static Doors, PathBuf)]) -> Result<(usize, Vec<Failure>)> {
    // The kernel is fetched once, not by two machines at the same time.
    step::lab(&["kernels", kernel])?;
    let scenarios = scenarios::TESTS.iter().map(|scenario| Check::Scenario(scenario.name));
    let doors = doors.iter().map(|(doors, program)| Check::Doors(doors, program));
    let checks: VecDeque<_> = doors.chain(scenarios).collect();
    let count = checks.len();
    let waiting = Mutex::new(checks);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..MACHINES {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().ok().and_then(|mut waiting| waiting.pop_front());
                    let Some(check) = next else { break };
                    let failure = check.run(kernel);
                    if let Ok(mut results) = results.lock() {
                        results.push(failure);
                    }
                }
            });
        }
    });
    let results = results.into_inner().ok().context("a thread that ran scenarios panicked")?;
    ensure!(results.len() == count, "not everything was run on {kernel}");
    let failed: Vec<_> = results.into_iter().flatten().collect();
    Ok((count - failed.len(), failed))
}

/// What is run in a machine of its own.
#[derive(Debug, Clone, Copy)]
enum Check<'a> {
    Scenario(&'static str),
    Doors(&'static Doors, &'a Path),
}

impl Check<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Scenario(name) => name,
            Self::Doors(doors, _) => doors.name,
        }
    }

    fn command(self, kernel: &str) -> Result<Command> {
        match self {
            Self::Scenario(name) => step::myself(&["lab", "scenario", name, "--kernel", kernel]),
            Self::Doors(doors, program) => {
                let mut command = step::myself(&["lab", "run", "--kernel", kernel, "--cpus", "1"])?;
                command.args(doors.machine);
                command.arg("--program").arg(program).arg("--").arg(program.file_name().unwrap_or_default());
                command.args(["--ignored", "--test-threads", "1"]);
                Ok(command)
            }
        }
    }

    /// In a process of its own, every line marked with its name. Says why it failed, if it did.
    fn run(self, kernel: &str) -> Option<Failure> {
        let last = Mutex::new(VecDeque::new());
        let started = Instant::now();
        let failure = self.watch(kernel, &last).err();
        let verdict = if failure.is_none() { "passed" } else { "FAILED" };
        say(&format!("{verdict}: {} on {kernel}, {} s", self.name(), started.elapsed().as_secs()));
        let lines = last.into_inner().unwrap_or_default().into();
        failure.map(|error| Failure { name: format!("{} on {kernel}: {error:#}", self.name()), lines })
    }

    fn watch(self, kernel: &str, last: &Mutex<VecDeque<String>>) -> Result<()> {
        let mut child = self
            .command(kernel)?
            .env("LOWTIDE_LAB_BUILT", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start xtask")?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            scope.spawn(|| mark(self.name(), kernel, out, last));
            scope.spawn(|| mark(self.name(), kernel, err, last));
        });
        let status = child.wait()?;
        ensure!(status.success(), "{status}");
        Ok(())
    }
}

/// Prints each line with the name before it, and keeps the last ones.
fn mark(name: &str, kernel: &str, stream: Option<impl Read>, last: &Mutex<VecDeque<String>>) {
    let Some(stream) = stream else { return };
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        println!("{name:>10} {kernel} | {line}");
        if let Ok(mut last) = last.lock() {
            last.push_back(line);
            if last.len() > REPEATED {
                last.pop_front();
            }
        }
    }
}
