use lowtide_policy::Config;

use crate::{
    control::{self, Request},
    hotness::MISLEADS,
    shown::Shown,
};

/// What a running daemon has found out, by writes that the doctor does not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    /// Where it answered.
    pub(super) socket: String,
    /// `memory.reclaim` takes `swappiness=`; false also as long as that was not tried.
    pub(super) takes_swappiness: bool,
    /// Its source of idle ages.
    pub(super) source: Option<String>,
    /// Why this one.
    pub(super) why: String,
}

impl Running {
    /// It has tried MGLRU, and its ages mislead here.
    pub(super) fn found_mglru_misleading(&self) -> bool {
        self.why.contains(MISLEADS)
    }
}

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
}

impl Running {
    /// Asks the daemon at the usual socket; `None` if none answers.
    pub(super) fn ask() -> Option<Self> {
        let socket = Config::default().control_socket;
        let status = control::ask(&socket, &Request::Status { json: true, shown: Shown::default() }).ok()?;
        Self::understand(&socket.to_string_lossy(), &status)
    }

    fn understand(socket: &str, status: &str) -> Option<Self> {
        let Status { host, sampling } = serde_json::from_str(status).ok()?;
        Some(Self {
            socket: socket.to_owned(),
            takes_swappiness: host.reclaim_takes_swappiness,
            source: sampling.source,
            why: sampling.why,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{
        ledger::Ledger,
        view::{Remembered, View},
    };
    use lowtide_core::{Bytes, HostObservation, Observation, State};

    /// The daemon's own record is what is understood.
    #[test]
    fn a_status_is_understood() {
        let host = HostObservation { reclaim_takes_swappiness: true, ..HostObservation::default() };
        let seen = Observation { host, cgroups: Vec::new() };
        let mut view = View::new(
            seen,
            Vec::new(),
            Remembered { state: &State::default(), ledger: &Ledger::default() },
            Bytes::ZERO,
            |_| unreachable!(),
            HashMap::new(),
            &[],
        );
        view.sampling.why = "why not".to_owned();
        let running = Running::understand("/run/x", &serde_json::to_string(&view).unwrap()).unwrap();
        assert!(running.takes_swappiness);
        assert_eq!((running.source, running.why.as_str()), (None, "why not"));
    }

    #[test]
    fn another_versions_answer_is_none() {
        assert_eq!(Running::understand("/run/x", "{\"host\": 1}"), None);
    }
}
