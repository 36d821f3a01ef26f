//! The files of a configuration.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    Config, PolicySet, Problem, Problems, Severity, balancer, check, choice,
    found::Found,
    hotness::too_slow,
    lines::out_of_order,
    metrics::of_another_place,
    raw,
    read::{Read, Reader},
    source::Source,
    tiers::used_twice,
    watermarks::without_adapt,
    yaml,
};

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What was configured.
    pub config: Config,
    /// What is probably not meant. `--deny-warnings` makes errors of them ([`Problem::denied`]).
    pub warnings: Vec<Problem>,
    /// What to watch for changes, as [`files`] lists it.
    pub files: Vec<PathBuf>,
}

/// Reads `config_file` and the `policies.d/*.yaml` beside it.
///
/// # Errors
///
/// Everything that is wrong, from all files; warnings are among it only if there is an error too.
pub fn load(config_file: &Path) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let policy_files = policy_files(config_file, &mut problems);
    let mut read = |path: &Path| Source::read(path).map_err(|problem| problems.push(*problem)).ok();
    let host = read(config_file);
    let others: Vec<Source> = policy_files.iter().filter_map(|path| read(path)).collect();
    assemble(host.as_ref(), &others, problems, files(config_file))
}

/// The configuration in `text`, as if it were the one file; `file` is only named in problems.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn parse(file: &Path, text: &str) -> Result<Loaded, Problems> {
    let source = Source::new(file, text.to_owned());
    assemble(Some(&source), &[], Vec::new(), vec![file.to_owned()])
}

/// What a change of configuration may change: `config_file`, the directory `policies.d` beside it (whether or
/// not it exists), and the files in it that are read. Works as well when the configuration is wrong.
#[must_use]
pub fn files(config_file: &Path) -> Vec<PathBuf> {
    let mut files = vec![config_file.to_owned(), policy_dir(config_file)];
    files.extend(policy_files(config_file, &mut Vec::new()));
    files
}

/// The control socket that `config_file` names, if that much of it can be read, whatever is wrong with the
/// rest: a daemon that runs with an earlier version of the file listens there.
#[must_use]
pub fn control_socket(config_file: &Path) -> Option<PathBuf> {
    let source = Source::read(config_file).ok()?;
    let host = read::<raw::Host>(&source, EMPTY_HOST, &mut Vec::new())?;
    host.control?.socket.map(|socket| socket.0)
}

fn policy_dir(config_file: &Path) -> PathBuf {
    config_file.with_file_name("policies.d")
}

/// The policy files in the order in which they count.
fn policy_files(config_file: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let dir = policy_dir(config_file);
    let listed = fs::read_dir(&dir).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
    });
    let mut paths = match listed {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            let help = "policies.d is a directory of *.yaml files that lowtide may read; remove it if it is not needed";
            problems.push(Problem::file(&dir, format!("cannot be listed: {error}"), help));
            return Vec::new();
        }
    };
    paths.retain(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|ext| ext == "yml")) {
        let problem = Problem::file(
            path,
            "this file is not read: its name does not end with .yaml",
            "rename it to *.yaml, or remove it",
        );
        problems.push(problem.warning());
    }
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "yaml"));
    paths
}

fn assemble(
    host_file: Option<&Source>,
    policy_files: &[Source],
    mut problems: Vec<Problem>,
    files: Vec<PathBuf>,
) -> Result<Loaded, Problems> {
    let mut raw = host_file.and_then(|source| read::<raw::Host>(source, EMPTY_HOST, &mut problems));
    let of_host = raw.as_mut().and_then(|host| host.policies.take()).unwrap_or_default();
    let mut found: Vec<Found<'_>> = host_file
        .iter()
        .zip(std::iter::once(of_host))
        .flat_map(|(source, list)| in_file(source, list))
        .collect();
    for source in policy_files {
        let file = read::<raw::PolicyFile>(source, EMPTY_POLICIES, &mut problems).unwrap_or_default();
        found.extend(in_file(source, file.policies.unwrap_or_default()));
    }
    let mut together = out_of_order(&found);
    together.extend(choice::not_there(&found));
    together.extend(
        host_file.zip(raw.as_ref()).into_iter().flat_map(|(file, host)| too_slow(file, host, &found)),
    );
    together.extend(host_file.zip(raw.as_ref()).and_then(|(file, host)| balancer::out_of_order(file, host)));
    together.extend(host_file.zip(raw.as_ref()).and_then(|(file, host)| without_adapt(file, host)));
    together.extend(host_file.zip(raw.as_ref()).into_iter().flat_map(|(file, host)| used_twice(file, host)));
    together.extend(
        host_file.zip(raw.as_ref()).into_iter().flat_map(|(file, host)| of_another_place(file, host)),
    );
    let (policies, wrong) = check::policies(found);
    problems.extend(wrong);
    let mut problems = only_warnings(problems, &files)?;
    // Values that do not go together. Not before: of one that could not be read, only the default is known.
    problems.extend(together);
    let mut problems = only_warnings(problems, &files)?;
    let mut config = check::host(raw.unwrap_or_default());
    config.policies = PolicySet::new(policies).map_err(|error| too_complex(&files, &error))?;
    if config.policies.policies().is_empty() {
        problems.extend(files.first().map(|file| no_policy(file)));
    }
    Ok(Loaded { config, warnings: in_order(problems, &files), files })
}

/// The problems, if there is no error among them.
fn only_warnings(problems: Vec<Problem>, files: &[PathBuf]) -> Result<Vec<Problem>, Problems> {
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Problems::new(in_order(problems, files)));
    }
    Ok(problems)
}

fn in_file(source: &Source, list: Vec<crate::read::At<raw::Policy>>) -> impl Iterator<Item = Found<'_>> {
    list.into_iter().map(move |policy| Found { source, policy })
}

/// One file, as far as it can be read.
fn read<T: Read>(source: &Source, empty: &str, problems: &mut Vec<Problem>) -> Option<T> {
    match yaml::parse(&source.text) {
        Ok(Some(node)) => {
            let mut reader = Reader::new(source);
            let value = T::read(&node, &mut reader);
            problems.extend(reader.finish());
            value
        }
        Ok(None) => {
            problems.push(Problem::file(&source.path, "the file is empty", empty));
            None
        }
        Err(fault) => {
            problems.push(source.problem(fault.span, fault.message, fault.help));
            None
        }
    }
}

const EMPTY_HOST: &str = "the smallest configuration is one line, `interval: 6s`; with a policy:\n\
                          \x20   policies:\n\
                          \x20     - name: web\n\
                          \x20       match: [\"/web.slice/**\"]";

const EMPTY_POLICIES: &str = "remove the file, or write a policy:\n\
                              \x20   policies:\n\
                              \x20     - name: web\n\
                              \x20       match: [\"/web.slice/**\"]";

fn too_complex(files: &[PathBuf], error: &globset::Error) -> Problems {
    let message = format!("all patterns together are more than the matcher takes: {}", error.kind());
    let help = "use fewer or shorter patterns with wildcards; paths without wildcards cost nothing";
    let file = files.first().map_or(Path::new("lowtide.yaml"), PathBuf::as_path);
    Problem::file(file, message, help).into()
}

fn no_policy(file: &Path) -> Problem {
    let help = "add `policies:` here or a file in policies.d; docs/policy.md has examples";
    Problem::file(file, "there is no policy: no cgroup will be looked at", help).warning()
}

/// Sorts the problems by file and place.
fn in_order(mut problems: Vec<Problem>, files: &[PathBuf]) -> Vec<Problem> {
    problems.sort_by_key(|problem| {
        let file = files.iter().position(|file| *file == problem.file).unwrap_or(files.len());
        (file, problem.place.as_ref().map(|place| (place.line, place.column)))
    });
    problems
}
