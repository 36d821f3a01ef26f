//! The daemon itself: its process, its turns, its configuration.

use std::time::{SystemTime, UNIX_EPOCH};

use super::page::Page;
use crate::view::View;

pub(super) fn process(page: &Page, view: &View) {
    page.figure("process_resident_memory_bytes", "Resident memory size in bytes.", view.own.as_f64());
    let cpu =
        page.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", &[]);
    cpu.set(&[], view.process.cpu.as_secs_f64());
    if let Some(count) = view.process.open_files {
        page.figure("process_open_fds", "Number of open file descriptors.", as_f64(count));
    }
    moment(
        page,
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        view.process.started,
    );
}

pub(super) fn turns(page: &Page, view: &View) {
    page.figure(
        "lowtide_interval_seconds",
        "Time between the beginnings of two turns, as configured.",
        view.interval.as_secs_f64(),
    );
    page.figure(
        "lowtide_tick_duration_seconds",
        "Time that the last turn took.",
        view.tick_duration.as_secs_f64(),
    );
    moment(
        page,
        "lowtide_last_tick_timestamp_seconds",
        "When the last turn was done, since 1970.",
        view.done,
    );
    moment(
        page,
        "lowtide_config_last_reload_success_timestamp_seconds",
        "When the configuration in force was read, since 1970.",
        view.configured,
    );
}

fn moment(page: &Page, name: &'static str, help: &'static str, at: Option<SystemTime>) {
    if let Some(since) = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()) {
        page.figure(name, help, since.as_secs_f64());
    }
}

#[expect(clippy::cast_precision_loss, reason = "a Prometheus sample is a float")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
