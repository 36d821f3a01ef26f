//! PostgreSQL: how it is started, filled and asked. Its load is pgbench, from the same package.

use super::latency::{Recorder, Window};
use super::load::Requests;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// It refuses to run as root: any other user will do, and its image knows this one.
pub const USER: u32 = 5432;
/// Where versions of it are, in its image as in Debian.
pub const VERSIONS: &str = "usr/lib/postgresql";
/// Its log of transactions, in its image; pgbench appends its process id.
const LOG: &str = "tmp/transactions";

/// Directory of its programs below a root.
pub fn programs(root: &Path) -> Result<PathBuf> {
    let versions = root.join(VERSIONS);
    let mut entries =
        fs::read_dir(&versions).with_context(|| format!("cannot list {}", versions.display()))?;
    let first = entries.find_map(Result::ok).context("there is no version of PostgreSQL")?;
    Ok(first.path().join("bin"))
}

/// Arguments of `initdb`.
pub const INITDB: [&str; 8] =
    ["-D", "/data", "-U", "bench", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"];

/// Arguments of `postgres`: a socket in its image, no port, and a fixed amount of shared buffers.
#[must_use]
pub fn arguments(shared_buffers: u64) -> Vec<String> {
    let settings = [
        "listen_addresses=".to_owned(),
        "unix_socket_directories=/tmp".to_owned(),
        "dynamic_shared_memory_type=mmap".to_owned(),
        "autovacuum=off".to_owned(),
        "jit=off".to_owned(),
        format!("shared_buffers={}kB", shared_buffers / 1024),
    ];
    let settings = settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]);
    ["-D".to_owned(), "/data".to_owned()].into_iter().chain(settings).collect()
}

/// Writes pgbench's scripts into the image: one that makes a table of so many rows of about 1 KiB, in
/// shuffled order, and one that asks for a row with exponential popularity.
pub fn prepare(root: &Path, rows: u64) -> Result<()> {
    let write = |name: &str, text: String| {
        fs::write(root.join(name), text)
            .with_context(|| format!("cannot write {name} into {}", root.display()))
    };
    write(
        "create.sql",
        format!(
            "CREATE TABLE item (id int PRIMARY KEY, body text NOT NULL);\n\
             INSERT INTO item SELECT id, (SELECT string_agg('{{\"state\": \"sent\", \"sum\": \"' || md5((id * 16 + part)::text), '\"}}')\n\
             \x20 FROM generate_series(1, 16) part) FROM generate_series(1, {rows}) id ORDER BY md5(id::text);\n\
             VACUUM ANALYZE item;\nCHECKPOINT;\n"
        ),
    )?;
    write(
        "select.sql",
        format!(
            "\\set id random_exponential(1, {rows}, 14.0)\nSELECT length(body) FROM item WHERE id = :id;\n"
        ),
    )
}

/// Arguments of pgbench that run `create.sql` once.
pub const CREATE: [&str; 9] = ["-h", "/tmp", "-U", "bench", "-n", "-f", "/create.sql", "-t", "1"];

/// Arguments of pgbench that ask so many times a second for so many seconds.
#[must_use]
pub fn load(rate: u32, seconds: u64, seed: u64) -> Vec<String> {
    let words = ["-h", "/tmp", "-U", "bench", "-n", "-f", "/select.sql", "--log", "--log-prefix"];
    let mut words: Vec<_> = words.map(ToOwned::to_owned).to_vec();
    words.push(format!("/{LOG}"));
    words.extend(["-R".into(), rate.to_string(), "-T".into(), seconds.to_string()]);
    words.push(format!("--random-seed={seed}"));
    words
}

/// What pgbench logged in the image at `root`; `start` is the second since 1970 at which the load began.
pub fn requests(root: &Path, start: Duration, windows: &[Window]) -> Result<Requests> {
    let directory = root.join(LOG);
    let (parent, prefix) = (directory.parent().unwrap_or(root), directory.file_name().unwrap_or_default());
    let mut recorder = Recorder::new(windows)?;
    for entry in fs::read_dir(parent).with_context(|| format!("cannot list {}", parent.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if name.to_string_lossy().starts_with(&*prefix.to_string_lossy()) {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            for line in text.lines() {
                let (at, took) = transaction(line).with_context(|| format!("pgbench logged {line:?}"))?;
                recorder.note(at.saturating_sub(took).saturating_sub(start), took);
            }
        }
    }
    Ok(Requests::of(&recorder))
}

/// When a transaction ended, and how long it took from the moment at which it was sent. With a rate,
/// pgbench's time counts from when it was due, and the last number is how late it was sent.
fn transaction(line: &str) -> Option<(Duration, Duration)> {
    let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let [_, _, took, _, seconds, micros, late] = numbers[..] else { return None };
    let ended = Duration::from_secs(seconds) + Duration::from_micros(micros);
    Some((ended, Duration::from_micros(took.checked_sub(late)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_not_the_servers() {
        let (ended, took) = transaction("0 199 2241 0 1175850568 995598 2000").unwrap();
        assert_eq!((ended.as_secs(), took), (1_175_850_568, Duration::from_micros(241)));
        assert!(transaction("0 199 skipped 0 1175850568 995598 2000").is_none());
        assert!(transaction("").is_none());
    }

    #[test]
    fn a_log_is_put_into_windows() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("tmp")).unwrap();
        fs::write(root.path().join("tmp/transactions.7"), "0 1 300 0 100 500 0\n0 2 500 0 109 0 100\n")
            .unwrap();
        let windows = [Window { from: 0, to: 5 }, Window { from: 0, to: 20 }];
        let requests = requests(root.path(), Duration::from_secs(100), &windows).unwrap();
        let [first, all] = requests.windows[..] else { panic!("two windows") };
        assert_eq!((first.requests, all.requests, all.mean), (1, 2, 350.0));
    }
}
