//! What the doctor says of memory that is lost: nothing on a healthy machine, each kind once it was made to
//! happen, nothing again after the remedy.

mod held;
mod settings;

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::{NullBlock, SSD_NANOSECONDS, mount_ext4};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Zram, cgroup, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::process::output;
use crate::size::MIB;
use crate::spec::STAGE;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "hygiene",
    about: "negative dentries, dying cgroups, page tables, threads, huge pages, tmpfs, KSM, zswap, zram and priorities of swap: found, and \
            gone after the remedy",
    machine: || Machine::deterministic().with_memory(512 * MIB).with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// Each takes 192 bytes: 37 MiB of the machine's 512.
const NAMES: usize = 200_000;
const REMOVED: usize = 1100;

/// What the doctor found at one time.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    kind: String,
    /// Names of findings, and the bytes that they say.
    found: Vec<(String, Option<u64>)>,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let zram = Zram::swap(&ZramOptions::lz4(64 * MIB), 100)?;
    let disk = NullBlock::create(0, 64 * MIB, SSD_NANOSECONDS)?;
    mount_ext4(disk.device(), Path::new("/mnt/empty"))?;
    examine("healthy")?;

    for number in 0..NAMES {
        anyhow::ensure!(
            fs::symlink_metadata(format!("/mnt/empty/{number}")).is_err(),
            "there is such a file"
        );
    }
    examine("dentries")?;
    knobs::write("/proc/sys/vm/drop_caches", "2")?;
    examine("dropped")?;

    // Pages of files in memory belong to whoever wrote them first.
    let home = Cgroup::create("home")?;
    let files = Path::new("/tmp/pinned");
    fs::create_dir_all(files).with_context(|| format!("cannot make {}", files.display()))?;
    for number in 0..REMOVED {
        let dying = Cgroup::create(&format!("dying/{number}"))?;
        cgroup::enter(dying.path())?;
        let file = files.join(number.to_string());
        fs::write(&file, [1; 4096]).with_context(|| format!("cannot write {}", file.display()))?;
        cgroup::enter(home.path())?;
        dying.remove()?;
    }
    examine("dying")?;
    fs::remove_dir_all(files).context("cannot remove what pins them")?;
    // They are freed by a worker, after a grace period.
    sleep(Duration::from_secs(10));
    examine("freed")?;

    knobs::set_zswap("enabled", "Y")?;
    examine("zswap")?;
    knobs::set_zswap("enabled", "N")?;
    examine("switched_off")?;

    settings::limit_of_zram()?;
    settings::priorities_of_swap()?;
    settings::ksm()?;
    held::page_tables()?;
    held::threads()?;
    held::huge_pages()?;
    held::tmpfs(&zram)
}

fn examine(kind: &str) -> Result<()> {
    let text = output(&format!("{STAGE}/lowtide"), &["doctor", "--json"])?;
    let told: Value = serde_json::from_str(&text).context("the doctor's answer")?;
    let wastes = told["hygiene"].as_array().context("there is no `hygiene`")?;
    let one = |waste: &Value| Some((waste["name"].as_str()?.to_owned(), waste["bytes"].as_u64()));
    let found = wastes.iter().map(one).collect::<Option<_>>().context("a finding without a name")?;
    report::emit(&Found { kind: kind.into(), found })
}

fn judge(outcome: &Outcome) -> Result<()> {
    let mut verdict = Verdict::default();
    for (kind, name) in [
        ("healthy", None),
        ("dentries", Some("negative_dentries")),
        ("dropped", None),
        ("dying", Some("dying_cgroups")),
        ("freed", None),
        ("zswap", Some("zswap_over_zram")),
        ("switched_off", None),
        ("unbounded", Some("zram_without_limit")),
        ("bounded", None),
        ("disk_first", Some("swap_priorities")),
        ("disk_off", None),
        ("ksm", Some("ksm_without_profit")),
        ("ksm_stopped", None),
        ("tables", Some("page_tables")),
        ("unmapped", None),
        ("threads", Some("kernel_stacks")),
        ("ended", None),
        ("huge_pages", Some("unused_huge_pages")),
        ("given_back", None),
        ("tmpfs", Some("tmpfs_without_swap")),
        ("unmounted", None),
    ] {
        let Found { found, .. } = outcome.result(kind)?;
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        verdict.expect(names == name.as_slice(), format!("{kind}: {found:?}"));
    }
    for (kind, truth, what) in [
        ("dentries", NAMES as u64 * 192, "in negative dentries"),
        ("tables", held::TABLES, "in page tables"),
        ("huge_pages", held::HUGE_PAGES * 2 * MIB, "in huge pages"),
        ("tmpfs", held::FILE, "in tmpfs"),
    ] {
        let Found { found, .. } = outcome.result(kind)?;
        let said = found.first().and_then(|(_, bytes)| *bytes).unwrap_or_default();
        verdict.expect(
            said.abs_diff(truth) * 20 <= truth,
            format!("{said} bytes are said to be {what}, where {truth} were put"),
        );
    }
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}
