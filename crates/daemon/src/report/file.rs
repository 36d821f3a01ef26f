//! What has been added up, kept over restarts: a file in the state directory.

use std::{
    io,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lowtide_core::{
    CgroupId,
    savings::{Meter, Origins},
};
use lowtide_journal::durable::{self, Failure};

const FILE_NAME: &str = "savings";
const VERSION: u32 = 1;

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    /// Seconds since 1970.
    since: u64,
    meter: Meter,
    /// Files of an older lowtide have none.
    #[serde(default)]
    left: Left,
}

/// Who put there what lies outside DRAM, cgroup by cgroup.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Left {
    /// Of the boot in which the inodes mean these cgroups.
    pub(super) boot: String,
    pub(super) cgroups: Vec<(CgroupId, Origins)>,
}

/// What is kept from one daemon to the next.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub(super) since: SystemTime,
    pub(super) meter: Meter,
    pub(super) left: Left,
}

/// Why there is nothing to go on with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LoadError {
    /// It was set aside.
    #[error("{0}; it was set aside and the sums begin anew")]
    Damaged(String),
    /// It is still there and must not be replaced.
    #[error("{0}; it is left as it is, and nothing is kept of this run")]
    Kept(String),
}

/// What was kept; `None` if nothing was. What cannot be understood is set aside.
pub(super) fn load(state_dir: &Path) -> Result<Option<Kept>, LoadError> {
    let path = state_dir.join(FILE_NAME);
    let kept = |(operation, error): Failure| {
        LoadError::Kept(format!("{}: cannot {operation} it: {error}", path.display()))
    };
    let text = durable::read(&path).map_err(kept)?;
    if text.is_empty() {
        return Ok(None);
    }
    let why = match understand(&text) {
        Ok(kept) => return Ok(Some(kept)),
        Err(why) => format!("{}: {why}", path.display()),
    };
    let aside = path.with_extension("damaged");
    if aside.exists() {
        return Err(LoadError::Kept(format!("{why}; {} is there already", aside.display())));
    }
    std::fs::rename(&path, &aside).map_err(|error| kept(("set aside", error)))?;
    Err(LoadError::Damaged(format!("{why}; see {}", aside.display())))
}

fn understand(text: &[u8]) -> Result<Kept, String> {
    let contents: Contents = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let Contents { version, since, meter, left } = contents;
    if version != VERSION {
        return Err(format!("it is of version {version}, this lowtide knows {VERSION}"));
    }
    let since = UNIX_EPOCH.checked_add(Duration::from_secs(since)).ok_or("`since` is no time")?;
    if meter.is_sound() {
        Ok(Kept { since, meter, left })
    } else {
        Err("it has negative or infinite sums".into())
    }
}

/// Puts it on the disk. Blocks.
pub(super) fn save(state_dir: &Path, kept: Kept) -> io::Result<()> {
    let Kept { since, meter, left } = kept;
    let since = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut text = serde_json::to_vec(&Contents { version: VERSION, since, meter, left })?;
    text.push(b'\n');
    durable::replace(&state_dir.join(FILE_NAME), &text).map_err(|(_, error)| error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_core::{Bytes, savings::Placed};

    fn some() -> Meter {
        let mut meter = Meter::default();
        meter.turn(Duration::from_secs(7), Bytes::mib(9), Bytes::mib(2));
        let kind = lowtide_core::TierKind::Zram;
        let part =
            Placed { kind, device: "/dev/zram0".into(), bytes: Bytes::mib(3), resident: Bytes::mib(1) };
        meter.hold(Duration::from_secs(7), "web", &[part]);
        meter
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path()), Ok(None));
        let since = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let left = Left { boot: "this".to_owned(), cgroups: vec![(CgroupId(7), Origins::default())] };
        let kept = Kept { since, meter: some(), left };
        save(dir.path(), kept.clone()).unwrap();
        assert_eq!(load(dir.path()), Ok(Some(kept)));
    }

    #[test]
    fn what_is_damaged_is_said_and_kept_aside() {
        let whole = serde_json::to_string(&Contents {
            version: VERSION,
            since: 1,
            meter: some(),
            left: Left::default(),
        })
        .unwrap();
        let cases = [
            whole[..whole.len() / 2].to_owned(),
            whole.replace("\"version\":1", "\"version\":2"),
            whole.replace("\"since\":1", &format!("\"since\":{}", u64::MAX)),
            whole.replace("\"own\":", "\"own\":-"),
            whole.replace("\"since\"", "\"until\""),
        ];
        for text in cases {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(FILE_NAME);
            std::fs::write(&path, &text).unwrap();
            let why = load(dir.path()).unwrap_err();
            assert!(
                matches!(&why, LoadError::Damaged(why) if why.contains("savings.damaged")),
                "{text}: {why}"
            );
            assert_eq!(std::fs::read_to_string(dir.path().join("savings.damaged")).unwrap(), text);
            assert_eq!(load(dir.path()), Ok(None));
            std::fs::write(&path, "again").unwrap();
            assert!(matches!(load(dir.path()), Err(LoadError::Kept(_))), "the first one is not replaced");
            assert!(path.exists());
        }
    }

    #[test]
    fn the_sums_of_an_older_lowtide_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let old = r#"{"version":1,"since":5,"meter":{"watched":{"secs":9,"nanos":0},"own":7.0,"tiers":{},"policies":{},"reclaim_cpu":{"secs":0,"nanos":0},"watching_cpu":{"secs":0,"nanos":0},"promoted":0}}"#;
        std::fs::write(dir.path().join(FILE_NAME), old).unwrap();
        let kept = load(dir.path()).unwrap().unwrap();
        assert_eq!((kept.meter.watched, kept.left), (Duration::from_secs(9), Left::default()));
    }

    #[test]
    fn what_cannot_be_read_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(FILE_NAME)).unwrap();
        assert!(matches!(load(dir.path()), Err(LoadError::Kept(_))));
    }
}
