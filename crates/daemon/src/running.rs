//! What a daemon that runs on this host has found out, for the doctor.

use lowtide_doctor::Running;
use lowtide_policy::Config;
use lowtide_view::Shown;

use crate::control::{self, Request};

/// The part of `status --json` that is read.
#[derive(serde::Deserialize)]
struct Status {
    host: Host,
    sampling: Sampling,
}

#[derive(serde::Deserialize)]
struct Host {
    reclaim_takes_swappiness: bool,
}

#[derive(serde::Deserialize)]
struct Sampling {
    source: Option<String>,
    why: String,
    notices_first_touch: Option<bool>,
}

/// Asks the daemon at the usual socket; `None` if none answers.
#[must_use]
pub fn running() -> Option<Running> {
    let socket = Config::default().control_socket;
    let status = control::ask(&socket, &Request::Status { json: true, shown: Shown::default() }).ok()?;
    understand(&socket.to_string_lossy(), &status)
}

fn understand(socket: &str, status: &str) -> Option<Running> {
    let Status { host, sampling } = serde_json::from_str(status).ok()?;
    Some(Running {
        socket: socket.to_owned(),
        takes_swappiness: host.reclaim_takes_swappiness,
        source: sampling.source,
        why: sampling.why,
        notices_first_touch: sampling.notices_first_touch,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use lowtide_core::{Bytes, HostObservation, Observation, State};
    use lowtide_view::{Ledger, Remembered, View};

    /// The daemon's own record is what is understood.
    #[test]
    fn a_status_is_understood() {
        let host = HostObservation { reclaim_takes_swappiness: true, ..HostObservation::default() };
        let seen = Observation { host, cgroups: Vec::new() };
        let mut view = View::new(
            seen,
            Vec::new(),
            Remembered { state: &State::default(), ledger: &Ledger::default(), carried: Vec::new() },
            Bytes::ZERO,
            |_| unreachable!(),
            HashMap::new(),
            &[],
        );
        view.sampling.why = "why not".to_owned();
        view.sampling.notices_first_touch = Some(false);
        let running = understand("/run/x", &serde_json::to_string(&view).unwrap()).unwrap();
        assert!(running.takes_swappiness);
        assert_eq!((running.source, running.why.as_str()), (None, "why not"));
        assert_eq!(running.notices_first_touch, Some(false));
    }

    #[test]
    fn another_versions_answer_is_none() {
        assert_eq!(understand("/run/x", "{\"host\": 1}"), None);
    }
}
