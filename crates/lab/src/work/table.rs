//! The tables that people read. The first row is the one without any agent, which the others are compared
//! with; beside it they are compared with the row named `senpai`, where there is one.

use super::results::{Row, signed_mib};
use crate::size::mib;

/// The row that savings and latencies are put beside.
const PEER: &str = "senpai";

/// Prints all of them.
pub fn print(rows: &[Row]) {
    let Some(nobody) = rows.first() else { return };
    let peer = rows.iter().find(|row| row.name == PEER);
    memory(rows, nobody, peer);
    cost(rows);
    for server in nobody.served.load.servers.keys() {
        latency(server, rows, nobody, peer);
    }
}

fn memory(rows: &[Row], nobody: &Row, peer: Option<&Row>) {
    println!("\nDRAM of the servers at each mark, zram's at the end, and what is saved net of it (MiB)");
    let marks = join(nobody.marks.iter().map(|mark| format!("{:>7} s", mark.at)));
    println!("{:<12}{marks}  redis  nginx   zram   saved  / {PEER}  keys out  files out", "");
    for row in rows {
        let marks = join(row.marks.iter().map(|mark| format!("{:>9.1}", Row::dram(mark))));
        let dram = |server| row.last().servers.get(server).map_or(0.0, |usage| mib(usage.counters.current));
        let saved = row.saved(nobody);
        println!(
            "{:<12}{marks}{:>7.1}{:>7.1}{:>7.1}{saved:>8.1}{:>10}{:>8.1} %{:>9.1} %",
            row.name,
            dram("redis"),
            dram("nginx"),
            signed_mib(row.last().zram),
            peer.map_or_else(|| "-".to_owned(), |peer| format!("{:.2}", saved / peer.saved(nobody))),
            row.keys_out() * 100.0,
            row.files_out() * 100.0,
        );
    }
}

fn cost(rows: &[Row]) {
    println!(
        "\nfrom the first mark to the last: stall of the servers (ms), what came back (MiB), processor time (s)"
    );
    println!(
        "{:<12}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "", "memory", "I/O", "taken", "files", "anon", "majflt", "servers", "agents", "kernel"
    );
    for row in rows {
        let (first, last) = (&row.marks[0], row.last());
        println!(
            "{:<12}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{:>9.0}{:>9.2}{:>9.2}{:>9.2}",
            row.name,
            row.added(|usage| usage.counters.memory_stall * 1e3),
            row.added(|usage| usage.counters.io_stall * 1e3),
            row.added(|usage| mib(usage.counters.stolen)),
            row.added(|usage| mib(usage.refault_file)),
            row.added(|usage| mib(usage.refault_anon)),
            row.added(|usage| count(usage.major_faults)),
            row.added(|usage| usage.cpu.as_secs_f64()),
            last.agents.saturating_sub(first.agents).as_secs_f64(),
            last.kernel_threads.saturating_sub(first.kernel_threads).as_secs_f64(),
        );
    }
}

fn latency(server: &str, rows: &[Row], nobody: &Row, peer: Option<&Row>) {
    let windows =
        |row: &Row| row.served.load.servers.get(server).map_or_else(Vec::new, |of| of.windows.clone());
    println!("\nrequests to {server}: latency (µs), and mean and p99 by those of nobody and of {PEER}");
    println!(
        "{:<12}{:>11}{:>9}{:>8}{:>8}{:>8}{:>8}{:>9}{:>16}{:>16}",
        "",
        "seconds",
        "requests",
        "mean",
        "p50",
        "p99",
        "p99.9",
        "max",
        "/ nobody",
        format!("/ {PEER}")
    );
    for index in 0..windows(nobody).len() {
        for row in rows {
            let Some(this) = windows(row).get(index).copied() else { continue };
            let beside = |other: Option<&Row>| {
                let other = other.and_then(|row| windows(row).get(index).copied());
                other.map_or_else(
                    || "-".to_owned(),
                    |other| format!("{:.3}  {:.3}", this.mean / other.mean, this.p99 / other.p99),
                )
            };
            println!(
                "{:<12}{:>11}{:>9}{:>8.1}{:>8.1}{:>8.1}{:>8.1}{:>9.0}{:>16}{:>16}",
                row.name,
                this.window.to_string(),
                this.requests,
                this.mean,
                this.p50,
                this.p99,
                this.p999,
                this.max,
                beside(Some(nobody)),
                beside(peer),
            );
        }
    }
    for row in rows {
        let Some(requests) = row.served.load.servers.get(server) else { continue };
        let slow = requests.slowest.iter();
        let slowest = slow.map(|slow| format!("{:.0} µs at {:.1} s", slow.took, slow.at));
        println!("{:<12}slowest: {}", row.name, slowest.collect::<Vec<_>>().join(", "));
    }
}

fn join(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().concat()
}

#[expect(clippy::cast_precision_loss, reason = "counters of a run are far below 2^53")]
fn count(value: u64) -> f64 {
    value as f64
}
