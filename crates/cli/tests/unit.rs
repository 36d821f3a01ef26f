//! The unit fits the daemon, and its sandbox leaves writable what lowtide writes, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;

use lowtide_testing::docs::top;

/// All of one key, in all its lines; `-` before a path says that it need not be there.
fn listed(unit: &str, key: &str) -> Vec<String> {
    let values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.flat_map(str::split_whitespace).map(|path| path.trim_start_matches('-').to_owned()).collect()
}

fn writable() -> Vec<String> {
    let unit = fs::read_to_string(top().join("systemd/lowtide.service")).unwrap();
    assert!(unit.lines().any(|line| line == "ProtectSystem=strict"));
    // systemd exempts it from ProtectSystem=; the lab's scenario `install` looks from inside.
    assert!(!unit.lines().any(|line| line.starts_with("ConfigurationDirectory=")), "/etc/lowtide is root's");
    listed(&unit, "ReadWritePaths")
}

fn covers(writable: &[String], file: &str) -> bool {
    // A link: what it leads to is below this directory for every device that no hardware is behind.
    let file = file.replace("/sys/block/", "/sys/devices/virtual/block/");
    writable.iter().any(|path| Path::new(&file).starts_with(path))
}

/// Kernel files that the first table of docs/safety.md names outside of cgroups.
fn documented() -> Vec<String> {
    let page = fs::read_to_string(top().join("docs/safety.md")).unwrap();
    let (_, table) = page.split_once("## What lowtide writes").unwrap();
    let table = table.split("\n\n").find(|part| part.starts_with('|')).unwrap();
    let cells = table.lines().skip(2).filter_map(|line| line.split('|').nth(1));
    let quoted = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    quoted.filter(|text| text.starts_with("/proc/") || text.starts_with("/sys/")).map(Into::into).collect()
}

#[test]
fn what_is_written_can_be_written() {
    let writable = writable();
    let documented = documented();
    assert!(documented.len() >= 10, "{documented:?}");
    for file in &documented {
        // Sampled pages need CAP_SYS_ADMIN as well, to learn the frames of a process. The unit has it not.
        if file == "/sys/kernel/mm/page_idle/bitmap" {
            continue;
        }
        assert!(
            covers(&writable, file),
            "{file} is in docs/safety.md, and the unit does not let it be written"
        );
    }
    for file in lowtide_journal::restorable::OF_THE_HOST {
        assert!(covers(&writable, &format!("/{file}")), "{file} is put back, and the unit does not let it");
    }
}

#[test]
fn what_can_be_written_is_written() {
    let mut needed = documented();
    needed.extend(lowtide_journal::restorable::OF_THE_HOST.iter().map(|file| format!("/{file}")));
    for path in writable() {
        let alone = [path];
        assert!(
            needed.iter().any(|file| covers(&alone, file)),
            "{alone:?} is writable, and nothing writes it"
        );
    }
}

#[test]
fn a_file_that_is_missing_is_seen() {
    let writable = ["/proc/sys/vm/page-cluster".to_owned(), "/sys/devices/virtual/block".to_owned()];
    assert!(covers(&writable, "/proc/sys/vm/page-cluster") && covers(&writable, "/sys/block/zram0/idle"));
    assert!(!covers(&writable, "/proc/sys/vm/page-cluster2") && !covers(&writable, "/sys/kernel/mm/ksm/run"));
}

/// The unit relies on the daemon's own defaults and exit status.
#[test]
fn the_unit_fits_the_daemon() {
    let unit = fs::read_to_string(top().join("systemd/lowtide.service")).unwrap();
    let config = lowtide_policy::Config::default();
    assert_eq!(config.state_dir, Path::new("/var/lib/lowtide"));
    assert_eq!(config.control_socket, Path::new("/run/lowtide/lowtide.sock"));
    for line in [
        "Type=notify",
        "StateDirectory=lowtide",
        "RuntimeDirectory=lowtide",
        "RestartPreventExitStatus=78",
        "ExecStart=lowtide run",
        "ExecStopPost=lowtide restore --keep-tiers --state-dir /var/lib/lowtide",
        "LimitMEMLOCK=infinity",
        "MemorySwapMax=0",
        "PrivateMounts=yes",
        "IPAddressDeny=any",
        "IPAddressAllow=localhost",
    ] {
        assert!(unit.lines().any(|known| known == line), "{line}");
    }
    let tiers = fs::read_to_string(top().join("systemd/lowtide-tiers.service")).unwrap();
    // What would take away its block devices, or the settings that it is for.
    for key in ["PrivateDevices=", "ProtectClock=", "DeviceAllow=", "ProtectKernelTunables="] {
        assert!(!tiers.lines().any(|line| line.starts_with(key)), "{key}");
    }
    for line in [
        "ExecStart=lowtide tiers apply",
        "Before=lowtide.service",
        "StateDirectory=lowtide",
        "SystemCallFilter=@system-service @swap @module",
        "RestrictNamespaces=yes",
    ] {
        assert!(tiers.lines().any(|known| known == line), "{line}");
    }
    assert!(
        !tiers.lines().any(|line| line.starts_with("ExecStop")),
        "swap is never switched off with the unit"
    );
    // openat2(2), by which every kernel file is opened, is blocked by this one.
    assert!(!unit.contains("RestrictSUIDSGID"));
}
