//! `lowtide top`: for scripts, and in a real terminal.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;
#[path = "../../top/tests/support/tmux.rs"]
mod tmux;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use support::{Live, against_schema};
use tmux::Tmux;

const LOWTIDE: &str = env!("CARGO_BIN_EXE_lowtide");
const NO_SOCKET: &str = "/nowhere/lowtide.sock";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/7.3").canonicalize().unwrap()
}

/// On the captured tree, without a daemon.
fn alone(arguments: &[&str]) -> Output {
    let mut command = Command::new(LOWTIDE);
    command
        .args(["top", "--interval", "100ms", "--socket", NO_SOCKET, "--root"])
        .arg(fixture())
        .args(arguments);
    command.env_remove("COLUMNS").stdin(Stdio::null()).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The same as a line of a shell.
fn line(live: &Live, more: &str) -> String {
    let config = live.config();
    format!(
        "{LOWTIDE} top --interval 200ms --root {} --config {} {more}",
        live.root().display(),
        config.display()
    )
}

#[test]
fn json_is_what_the_schema_says_with_and_without_a_daemon() {
    let live = Live::new();
    let root = live.root().display().to_string();
    let known = live.json(&["top", "--json", "--interval", "1100ms", "--root", &root]);
    assert_eq!((&known["daemon"]["state"], &known["version"]), (&"answers".into(), &1.into()));
    assert_eq!(known["tenants"].as_array().unwrap().len(), 3);
    assert_eq!(known["tiers"][0]["cost"]["basis"], "assumed");
    // A turn came between the looks, and nothing happened in it.
    assert_eq!(known["tenants"][0]["refaulted_per_second"], 0.0);
    against_schema("top", &known);

    let unknown: Value = serde_json::from_str(&text(&alone(&["--json"]))).unwrap();
    assert_eq!(
        (&unknown["daemon"]["state"], &unknown["daemon"]["socket"]),
        (&"silent".into(), &NO_SOCKET.into())
    );
    assert!(
        unknown["tenants"].as_array().unwrap().is_empty() && !unknown["tiers"].as_array().unwrap().is_empty()
    );
    against_schema("top", &unknown);
}

#[test]
fn tenants_are_chosen_and_sorted_for_scripts_too() {
    let live = Live::new();
    let root = live.root().display().to_string();
    let paths = |arguments: &[&str]| -> Vec<String> {
        let all = [&["top", "--json", "--interval", "100ms", "--root", &root], arguments].concat();
        let tenants = live.json(&all)["tenants"].as_array().unwrap().clone();
        tenants.iter().map(|tenant| tenant["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(&[]), ["/web/api", "/web/b", "/web/c"], "by DRAM");
    assert_eq!(paths(&["--sort", "cgroup"]), ["/web/api", "/web/b", "/web/c"]);
    assert_eq!(paths(&["/web/b"]), ["/web/b"]);
    assert!(paths(&["nobody"]).is_empty());
}

#[test]
fn once_prints_the_views_that_are_wanted() {
    let all = text(&alone(&["--once"]));
    assert!(all.contains("NO DAEMON answers at /nowhere/lowtide.sock"), "{all}");
    assert!(all.contains("rates over 100ms") && !all.contains('\u{1b}'), "{all}");
    for heading in ["TIER", "MEMORY", "RECLAIM", "VMSTAT", "ZONE"] {
        assert!(all.contains(heading), "{heading}:\n{all}");
    }
    let host = text(&alone(&["--once", "--view", "host"]));
    assert!(host.contains("ZONE") && !host.contains("TIER"), "{host}");
}

#[test]
fn a_host_that_cannot_be_looked_at_is_told() {
    let tree = tempfile::tempdir().unwrap();
    let output = Command::new(LOWTIDE).args(["top", "--once", "--root"]).arg(tree.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("proc/meminfo"));
}

#[test]
fn without_a_terminal_there_is_a_hint_and_no_screen() {
    let output = alone(&[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--once"));
}

#[test]
fn intervals_have_bounds() {
    for wrong in ["0s", "99ms", "2h", "-1s", "fast"] {
        let output = Command::new(LOWTIDE).args(["top", "--once", "--interval", wrong]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn keys_drive_it_in_a_real_terminal() {
    let live = Live::new();
    let tmux = Tmux::new(140, 40);
    let before = tmux.line();
    tmux.command(&line(&live, ""));
    let tenants = tmux.sees("> /web/api");
    assert!(
        tenants.contains("3 tenants") && tenants.contains("hold (") && !tenants.contains("shell>"),
        "{tenants}"
    );
    // The mark goes down, and stays with its tenant when they are sorted the other way round.
    tmux.press(&["Down"]);
    tmux.sees("> /web/b");
    tmux.press(&["r"]);
    tmux.sees("by dram, reversed");
    tmux.sees("> /web/b");
    tmux.press(&["r", "s"]);
    tmux.sees("by working set");
    tmux.press(&["Enter"]);
    let past = tmux.sees("DECISIONS");
    assert!(past.contains("/web/b") && past.contains("policy web") && past.contains("PAST"), "{past}");
    tmux.press(&["Escape"]);
    tmux.sees("> /web/b");
    tmux.press(&["/", "a", "p", "i", "Enter"]);
    tmux.until("filtered row", |screen| screen.contains("filter: api") && !screen.contains("/web/b"));
    tmux.press(&["Escape"]);
    tmux.sees("/web/c");
    tmux.press(&["2"]);
    tmux.sees("zram /dev/zram0");
    tmux.press(&["Tab"]);
    tmux.sees("kswapd_low_wmark_hit_quickly");
    tmux.press(&["?"]);
    tmux.sees("the least first, the most first");
    tmux.press(&["Escape", "1"]);
    tmux.sees("/web/api");
    tmux.press(&["q"]);
    tmux.is_clean(&before);
}

#[test]
fn a_terminal_that_changes_its_size_is_filled_anew() {
    let live = Live::new();
    let tmux = Tmux::new(200, 30);
    tmux.command(&line(&live, ""));
    tmux.sees("WORKING SET");
    tmux.resize(60, 12);
    let narrow =
        tmux.until("narrow screen", |screen| screen.contains("/web/api") && !screen.contains("WORKING SET"));
    assert!(narrow.lines().any(|line| line.contains("DRAM") && line.contains("DECISION")), "{narrow}");
    tmux.resize(250, 50);
    tmux.sees("BACK/MIN");
    tmux.press(&["q"]);
}

#[test]
fn what_happens_is_shown_and_a_pause_stands_still() {
    let live = Live::new();
    let tmux = Tmux::new(140, 60);
    let meminfo = live.root().join("proc/meminfo");
    let text = fs::read_to_string(&meminfo).unwrap();
    let unevictable = |kib: u32| {
        let lines = text.lines().map(|line| {
            if line.starts_with("Unevictable") { format!("Unevictable: {kib} kB") } else { line.to_owned() }
        });
        // In one piece, as the kernel has it.
        let new = meminfo.with_extension("new");
        fs::write(&new, lines.collect::<Vec<_>>().join("\n")).unwrap();
        fs::rename(new, &meminfo).unwrap();
    };
    tmux.command(&line(&live, "--view host"));
    tmux.sees("Unevictable");
    unevictable(1024 * 77);
    tmux.sees("77MiB");
    tmux.press(&["p"]);
    tmux.sees("paused");
    unevictable(1024 * 99);
    std::thread::sleep(Duration::from_secs(1));
    assert!(!tmux.screen().contains("99MiB"));
    tmux.press(&["p"]);
    tmux.sees("99MiB");
    tmux.press(&["q"]);
}

#[test]
fn a_daemon_that_ends_is_missed() {
    let live = Live::new();
    let tmux = Tmux::new(140, 40);
    // A view that nobody chose follows what there is to see.
    tmux.command(&line(&live, ""));
    tmux.sees("/web/api");
    live.stop();
    let alone = tmux.sees("NO DAEMON");
    assert!(alone.contains("VMSTAT") && !alone.contains("/web/api"), "{alone}");
    tmux.press(&["1"]);
    tmux.sees("Tenants are what the daemon's policies name");
    tmux.press(&["q"]);
}

#[test]
fn signals_end_it_and_the_terminal_is_given_back() {
    for (signal, status) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let live = Live::new();
        let tmux = Tmux::new(120, 40);
        let before = tmux.line();
        let pid = live.config().with_file_name("pid");
        // exec: the process that is told of is top itself.
        tmux.command(&format!(
            "sh -c 'echo $$ > {}; exec {}'; echo status $?",
            pid.display(),
            line(&live, "")
        ));
        tmux.sees("/web/api");
        let number = fs::read_to_string(pid).unwrap();
        assert!(
            Command::new("kill").arg(format!("-{signal}")).arg(number.trim()).status().unwrap().success()
        );
        tmux.sees(&format!("status {status}"));
        tmux.is_clean(&before);
    }
}

#[test]
fn control_c_leaves() {
    let live = Live::new();
    let tmux = Tmux::new(120, 40);
    let before = tmux.line();
    tmux.command(&line(&live, "; echo status $?"));
    tmux.sees("/web/api");
    tmux.press(&["C-c"]);
    tmux.sees("status 0");
    tmux.is_clean(&before);
}

#[test]
fn no_color_is_heeded() {
    let live = Live::new();
    // Foreground and background colours of all kinds: 30 to 49, 90 to 107.
    let is_coloured = |screen: &str| {
        let codes = screen.split("\u{1b}[").skip(1).filter_map(|rest| rest.split('m').next());
        codes
            .flat_map(|code| code.split(';'))
            .filter_map(|code| code.parse().ok())
            .any(|code: u32| matches!(code, 30..=38 | 40..=48 | 90..=107))
    };
    for (variable, coloured) in [("NO_COLOR=", true), ("NO_COLOR=1", false)] {
        let tmux = Tmux::new(120, 40);
        tmux.command(&format!("{variable} {}", line(&live, "")));
        tmux.sees("/web/api");
        assert_eq!(is_coloured(&tmux.styled()), coloured, "{variable}");
        tmux.press(&["q"]);
    }
}
