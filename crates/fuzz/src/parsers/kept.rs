//! What lowtide itself keeps: journal, records, history. A disk or a hand can have made anything of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use lowtide_ages::damon::records::Records;
use lowtide_core::Bytes;
use lowtide_daemon::{
    control::{Answer, Request},
    user_in,
};
use lowtide_history::{Bounds, Writer};
use lowtide_journal::{Journal, knobs};
use lowtide_kernfs::Root;
use lowtide_past::{
    Period,
    then::{self, Then},
};
use lowtide_policy::Config;
use lowtide_top::sample::Status;
use tempfile::TempDir;

use crate::{
    Driver, Parser, Slot, door,
    driver::{bytes, text},
    state,
    tree::{Tree, place},
};

pub(super) const PARSERS: &[Parser] = &[
    Parser { name: "journal/records", start: |_| sealed("journal", JOURNAL, journal) },
    Parser { name: "setup/deeds", start: |_| sealed("tiers", DEEDS, deeds) },
    Parser {
        name: "ages/kdamond-records",
        start: |_| sealed("damon", KDAMONDS, |state, _| Records::open(state).is_ok()),
    },
    Parser {
        name: "history/segment",
        start: |_| {
            segment(|directory| {
                let mut minutes = 0;
                lowtide_history::read(directory, 0..=u64::MAX, |_| minutes += 1).is_ok() && minutes > 0
            })
        },
    },
    Parser { name: "past/period", start: |_| segment(past) },
    Parser {
        name: "daemon/request",
        start: |_| Ok(text("request", lines(REQUESTS), |text| serde_json::from_str::<Request>(text))),
    },
    Parser {
        name: "daemon/answer",
        start: |_| Ok(text("answer", lines(ANSWERS), |text| serde_json::from_str::<Answer>(text))),
    },
    Parser { name: "daemon/connections", start: |_| Ok(connections()) },
    Parser {
        name: "top/status",
        start: |_| Ok(text("status", vec![door::status()?.into_bytes()], Status::parse)),
    },
];

const BOOT: &str = "1b4a5bd2-3e2f-4c5a-9a53-5b7f1e5a7c11";
const JOURNAL: &str = r#"{"boot_id":"1b4a5bd2-3e2f-4c5a-9a53-5b7f1e5a7c11","path":"sys/module/zswap/parameters/enabled","original":"N","written":"Y"}
{"boot_id":"1b4a5bd2-3e2f-4c5a-9a53-5b7f1e5a7c11","path":"sys/fs/cgroup/web/api/memory.zswap.max","original":"max","written":"0","before":"4096","cgroup":7}
"#;
const DEEDS: &str = r#"{"boot_id":"1b4a5bd2-3e2f-4c5a-9a53-5b7f1e5a7c11","deed":"setting","path":"sys/module/zswap/parameters/enabled","original":"N","written":"Y"}
{"boot_id":"1b4a5bd2-3e2f-4c5a-9a53-5b7f1e5a7c11","deed":"zram","name":"zram0","sequence":9,"size":1073741824}
{"boot_id":"1b4a5bd2-3e2f-4c5a-9a53-5b7f1e5a7c11","deed":"swap","device":"/dev/zram0","priority":100}
"#;
const KDAMONDS: &str = r#"{"creation":{"boot_id":"1b4a5bd2-3e2f-4c5a-9a53-5b7f1e5a7c11","was":0,"count":1}}
{"claim":{"boot_id":"1b4a5bd2-3e2f-4c5a-9a53-5b7f1e5a7c11","index":0,"kdamond":7,"context":8,"thread":{"pid":117,"started":4711},"capabilities":null}}
"#;
const REQUESTS: &str = r#"{"command":"status","json":true}
{"command":"status","json":false,"shown":{"cgroups":"web-*","sort":"price","top":3,"width":120}}
{"command":"explain","cgroup":"/web/api","json":false}
{"command":"report","json":false,"width":80}
"#;
const ANSWERS: &str = r#"{"text":"a\n"}
{"error":"\u001b is none"}
"#;

const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:D431 0100007F:24F8 01 00000000:00000000 00:00000000 00000000  1000        0 20601 1 0000000000000000 20 4 30 10 -1
   1: 0000000000000000FFFF00000100007F:D431 0000000000000000FFFF00000100007F:24F8 01 00000000:00000000 00:00000000 00000000  1001        0 20602 1
";

/// Who has connected to the page of metrics.
fn connections() -> Driver {
    let (own, peer) = (([127, 0, 0, 1], 0x24F8).into(), ([127, 0, 0, 1], 0xD431).into());
    bytes("/proc/net/tcp", vec![TCP.as_bytes().to_vec()], move |input| {
        matches!(user_in(input, own, peer), Ok(Some(_)))
    })
}

fn lines(text: &str) -> Vec<Vec<u8>> {
    text.lines().map(|line| line.as_bytes().to_vec()).collect()
}

/// A file of the state directory: its records with right checksums, or the whole of it.
fn sealed(name: &str, records: &str, mut read: impl FnMut(&Path, &Root) -> bool + 'static) -> Result<Driver> {
    let file = |name: &str, seed: &[u8]| Slot { name: name.to_owned(), seeds: vec![seed.to_vec()] };
    let whole = state::sealed(records.as_bytes());
    let state = format!("state/{name}");
    let slots = vec![file(&state, records.as_bytes()), file(&state, &whole)];
    let rest = [
        ("proc/sys/kernel/random/boot_id", BOOT),
        ("sys/module/zswap/parameters/enabled", "Y\n"),
        ("sys/fs/cgroup/web/api/memory.zswap.max", "0\n"),
        ("proc/meminfo", "MemTotal:        1048576 kB\nMemFree:          524288 kB\n"),
    ];
    let files: Vec<_> = rest.iter().map(|(path, text)| file(path, text.as_bytes())).collect();
    let tree = Tree::new(&files)?;
    let (root, place) = (Root::open(tree.path())?, tree.path().join("state"));
    fs::create_dir_all(&place)?;
    let path = tree.path().join(&state);
    let read = move |slot: usize, input: &[u8]| {
        // It goes with whoever reads it.
        let _held = &tree;
        let contents = if slot == 0 { &state::sealed(input)[..] } else { input };
        fs::write(&path, contents).is_ok() && read(&place, &root)
    };
    Ok(Driver { slots, read: Box::new(read) })
}

fn journal(state: &Path, root: &Root) -> bool {
    let Ok(mut journal) = Journal::open(state, root) else { return false };
    let count = journal.records().len();
    knobs::restore(root, &mut journal).is_ok_and(|done| done.len() <= count)
}

fn deeds(state: &Path, root: &Root) -> bool {
    let config = Config { state_dir: state.to_owned(), ..Config::default() };
    lowtide_setup::plan(root.path(), &config).is_ok()
}

/// A segment of the history: a payload with the right checksum, or the whole of it.
fn segment(mut read: impl FnMut(&Path) -> bool + 'static) -> Result<Driver> {
    let (directory, file, whole) = written()?;
    let payload = state::payload(&whole).context("a segment has no payload")?.to_vec();
    let slot = |name: &str, seed: Vec<u8>| Slot { name: name.to_owned(), seeds: vec![seed] };
    let slots = vec![slot("payload", payload), slot("segment", whole)];
    let read = move |slot: usize, input: &[u8]| {
        let contents = if slot == 0 { &state::segment(input)[..] } else { input };
        fs::write(&file, contents).is_ok() && read(directory.path())
    };
    Ok(Driver { slots, read: Box::new(read) })
}

/// A history of one minute, its only file and what is in it.
fn written() -> Result<(TempDir, PathBuf, Vec<u8>)> {
    let directory = place()?;
    let bounds = Bounds { keep: std::time::Duration::from_hours(24), max_size: Bytes::mib(64) };
    Writer::open(directory.path(), bounds)?.append(&state::minute())?;
    let entry = fs::read_dir(directory.path())?.next().context("nothing was written")??;
    let whole = fs::read(entry.path())?;
    Ok((directory, entry.path(), whole))
}

/// What is told of a history, in each form.
fn past(directory: &Path) -> bool {
    let then = Then::read(directory, "/web/api", state::minute().end).map(|then| then::text(&then));
    let Ok(period) = Period::read(directory, 0..=u64::MAX, None) else { return false };
    let text = lowtide_past::text(&period, Some(80));
    let html = lowtide_past::html(&period, "host");
    then.is_ok() && !text.is_empty() && html.is_ok()
}
