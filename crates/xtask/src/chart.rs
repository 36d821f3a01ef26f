//! The Helm chart: rendered with each set of values, held against Kubernetes' schemas and `lowtide check`,
//! and refused where it is broken.

use crate::{build, documented};
use anyhow::{Context, Result, bail, ensure};
use lowtide_lab::process::{output_of, say};
use lowtide_lab::tools::{Needed, install};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Debian's Go, with the libraries that Helm renders with. There is no Helm on the registries that are used
/// here.
const DEBIAN: [Needed; 4] = [
    ("go", "golang-go", "builds what renders the chart"),
    (
        "/usr/share/gocode/src/github.com/Masterminds/sprig/functions.go",
        "golang-github-masterminds-sprig-dev",
        "has the functions of templates",
    ),
    ("/usr/share/gocode/src/sigs.k8s.io/yaml/yaml.go", "golang-k8s-sigs-yaml-dev", "reads YAML as Helm does"),
    ("pip3", "python3-pip", "installs the schemas of Kubernetes' objects"),
];
/// Kubernetes' schemas for Python; with it comes jsonschema.
const SCHEMAS: &str = "kubernetes-validate==1.37.0";
/// The versions of Kubernetes that the objects are for: the oldest that the chart takes, before and after
/// what the templates ask for, the newest.
const KUBERNETES: [&str; 4] = ["1.28", "1.30", "1.31", "1.37"];

/// `cargo xtask chart`.
pub(crate) fn run() -> Result<ExitCode> {
    build::release(&["lowtide"])?;
    check()?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that can be wrong with it. The program `lowtide` is built.
pub(crate) fn check() -> Result<()> {
    say("chart: rendering, schemas, configuration");
    let chart = Chart::ready()?;
    chart.golden()?;
    for values in chart.sets("values")? {
        chart.accepted(&values).with_context(|| format!("{}", values.display()))?;
    }
    for (page, block) in documented::blocks("yaml", "# values.yaml")? {
        let values = chart.work.join("documented.yaml");
        fs::write(&values, block)?;
        chart.accepted_everywhere(&values).context(page)?;
    }
    // docs/kubernetes.md: it is copied into the values.
    chart
        .accepted_everywhere(&chart.place.join("../../policies/kubernetes.yaml"))
        .context("the default policies")?;
    for broken in chart.sets("broken")? {
        chart.refused(&broken).with_context(|| format!("{}", broken.display()))?;
    }
    Ok(())
}

/// Where things are.
struct Chart {
    /// packaging/helm
    place: PathBuf,
    renderer: PathBuf,
    /// Where Python finds the schemas.
    schemas: PathBuf,
    lowtide: PathBuf,
    /// Emptied at each run.
    work: PathBuf,
}

impl Chart {
    /// With the tools that it takes.
    fn ready() -> Result<Self> {
        install(&DEBIAN)?;
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        let tools = top.join("target/tools");
        let place = top.join("packaging/helm");
        let (renderer, schemas) = (tools.join("helm-render"), tools.join(SCHEMAS));
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&renderer).arg("./render").current_dir(&place);
        // Debian's libraries and no others: nothing is downloaded.
        build.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOCACHE", tools.join("go"));
        output_of(&mut build)?;
        if !schemas.is_dir() {
            say(&format!("{SCHEMAS} is missing: installing it into target/tools"));
            let half = tools.join(format!("{SCHEMAS}.part"));
            let mut pip = Command::new("pip3");
            pip.args(["install", "--quiet", "--disable-pip-version-check", "--target"])
                .arg(&half)
                .arg(SCHEMAS);
            output_of(&mut pip)?;
            fs::rename(&half, &schemas)?;
        }
        let lowtide = top.join("target/release/lowtide");
        let work = top.join("target/chart");
        if work.is_dir() {
            fs::remove_dir_all(&work).with_context(|| format!("cannot empty {}", work.display()))?;
        }
        fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
        Ok(Self { place, renderer, schemas, lowtide, work })
    }

    /// Files of values, in the order of their names.
    fn sets(&self, directory: &str) -> Result<Vec<PathBuf>> {
        let found = fs::read_dir(self.place.join("tests").join(directory))?;
        let mut found = found.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        found.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
        found.sort();
        ensure!(!found.is_empty(), "there are no sets of values in {directory}");
        Ok(found)
    }

    /// The default values give what people without Helm apply.
    fn golden(&self) -> Result<()> {
        let values = self.work.join("defaults.yaml");
        fs::write(&values, "")?;
        self.accepted_everywhere(&values)?;
        let rendered = self.rendered(NEWEST, &values)?;
        fs::write(self.work.join(DEFAULT), &rendered)?;
        same(&self.place.join("lowtide.yaml"), &format!("{GOLDEN}{rendered}"))
    }

    /// A set of values is good, and changes what it shall.
    fn accepted(&self, values: &Path) -> Result<()> {
        self.accepted_everywhere(values)?;
        let rendered = self.work.join("rendered.yaml");
        fs::write(&rendered, self.rendered(NEWEST, values)?)?;
        let mut diff = Command::new("diff");
        diff.args(["--unified=0", "--label=default", "--label=set"])
            .arg(self.work.join(DEFAULT))
            .arg(&rendered);
        let done = diff.output().context("cannot start diff")?;
        same(&values.with_extension("diff"), &String::from_utf8(done.stdout)?)
    }

    fn accepted_everywhere(&self, values: &Path) -> Result<()> {
        self.check_values(values)?;
        ensure!(self.render(&["-notes"], values)?.starts_with("lowtide "), "NOTES.txt");
        KUBERNETES.iter().try_for_each(|version| self.check_objects(version, values))?;
        self.check_configuration(values)
    }

    /// A broken set is refused by the one that its name begins with, and not before.
    fn refused(&self, values: &Path) -> Result<()> {
        let name = values.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let refused = match name.split('-').next() {
            Some("values") => self.check_values(values),
            Some("rendering") => self.rendered(NEWEST, values).map(drop),
            Some("manifest") => {
                self.check_values(values)?;
                self.check_objects(NEWEST, values)
            }
            Some("configuration") => {
                self.check_objects(NEWEST, values)?;
                self.check_configuration(values)
            }
            _ => bail!("the name says not who is to refuse it: values, rendering, manifest, configuration"),
        };
        ensure!(refused.is_err(), "it is broken, and was accepted");
        Ok(())
    }

    fn rendered(&self, kubernetes: &str, values: &Path) -> Result<String> {
        self.render(&["-kube-version", &format!("v{kubernetes}.0")], values)
    }

    fn render(&self, options: &[&str], values: &Path) -> Result<String> {
        output_of(
            Command::new(&self.renderer)
                .args(["-chart", "lowtide"])
                .args(options)
                .arg(values)
                .current_dir(&self.place),
        )
    }

    fn check_values(&self, values: &Path) -> Result<()> {
        self.python(&["values", "lowtide/values.schema.json"], &self.render(&["-values-only"], values)?)
    }

    fn check_objects(&self, kubernetes: &str, values: &Path) -> Result<()> {
        let objects = self.rendered(kubernetes, values)?;
        self.python(&["manifest", kubernetes], &objects).with_context(|| format!("Kubernetes {kubernetes}"))
    }

    fn check_configuration(&self, values: &Path) -> Result<()> {
        let directory = self.work.join(values.file_stem().unwrap_or_default());
        let place = directory.to_str().context("a path that is no text")?;
        self.python(&["configuration", place], &self.rendered(NEWEST, values)?)?;
        let mut check = Command::new(&self.lowtide);
        check.args(["check", "--deny-warnings", "--config"]).arg(directory.join("lowtide.yaml"));
        output_of(&mut check).map(drop)
    }

    fn python(&self, arguments: &[&str], input: &str) -> Result<()> {
        let mut command = Command::new("python3");
        command
            .arg("tests/check.py")
            .args(arguments)
            .current_dir(&self.place)
            .env("PYTHONPATH", &self.schemas);
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start python3")?;
        // It may refuse its arguments, and read nothing.
        let _ = child.stdin.take().context("a pipe")?.write_all(input.as_bytes());
        let done = child.wait_with_output()?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr).trim());
        Ok(())
    }
}

/// What the default values give, below the work directory.
const DEFAULT: &str = "default.yaml";
const NEWEST: &str = KUBERNETES[KUBERNETES.len() - 1];

/// Before the rendered objects.
const GOLDEN: &str = "\
# The chart with its default values, for `kubectl apply --namespace lowtide --filename` without Helm. Put your image in the place of
# localhost/lowtide. Made by `UPDATE_GOLDEN=1 cargo xtask chart` from packaging/helm/lowtide; docs/kubernetes.md says what is in it.
";

/// Compares with a file that is kept, or writes it with `UPDATE_GOLDEN=1`.
fn same(kept: &Path, text: &str) -> Result<()> {
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        return fs::write(kept, text).with_context(|| format!("cannot write {}", kept.display()));
    }
    let was = fs::read_to_string(kept).unwrap_or_default();
    ensure!(
        was == text,
        "{} is not what the chart gives now: `UPDATE_GOLDEN=1 cargo xtask chart`, and read the difference",
        kept.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
    }

    #[test]
    fn the_chart_is_of_the_workspaces_version() {
        let chart = file("packaging/helm/lowtide/Chart.yaml");
        for key in ["version", "appVersion"] {
            let line = format!("{key}: {}", env!("CARGO_PKG_VERSION"));
            assert!(chart.lines().any(|found| found == line), "{line} is not in Chart.yaml");
        }
    }

    /// What people without Helm apply has them too, so it is not behind when they change.
    #[test]
    fn the_default_policies_are_those_for_kubernetes() {
        let of_host = file("policies/kubernetes.yaml");
        assert_eq!(file("packaging/helm/lowtide/files/kubernetes.yaml"), of_host);
        let objects = file("packaging/helm/lowtide.yaml");
        let (_, rest) = objects.split_once("\n  policies.yaml: |\n").unwrap();
        let lines = rest.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
        let kept: Vec<_> = lines.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
        assert_eq!(kept.join("\n").trim_end(), of_host.trim_end());
    }
}
