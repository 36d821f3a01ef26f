//! Where the metrics are served, and to whom.

use std::{net::SocketAddr, path::PathBuf};

use crate::{Config, Problem, leaf::Place, raw, source::Source};

/// Where the metrics are served, and who may read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metrics {
    /// Over TCP.
    Tcp {
        /// Address and port; port 0 takes a free one.
        address: SocketAddr,
        /// Who may read them.
        access: Access,
    },
    /// On a Unix socket, for its owner and its group.
    Unix {
        /// Absolute, short enough for `sun_path`.
        path: PathBuf,
        /// The group whose members may connect, besides root.
        group: Option<String>,
    },
}

/// Who may read the metrics over TCP. Whoever meets one of the two may; where neither is given, whoever can
/// connect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Users of this host, by name or number. Only where it listens on loopback: of others no user is known.
    pub users: Vec<String>,
    /// A file with the token that a client has to send: `Authorization: Bearer TOKEN`. Absolute.
    pub token_file: Option<PathBuf>,
}

impl Access {
    /// Whether whoever can connect may read.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.users.is_empty() && self.token_file.is_none()
    }
}

/// Without `listen` there is no listener.
pub(crate) fn metrics(raw: raw::Metrics) -> Option<Metrics> {
    Some(match raw.listen?.value.0 {
        Place::Tcp(address) => Metrics::Tcp {
            address,
            access: Access {
                users: raw
                    .users
                    .map_or_else(Vec::new, |at| at.value.into_iter().map(|user| user.0).collect()),
                token_file: raw.token_file.map(|at| at.value.0),
            },
        },
        Place::Unix(path) => Metrics::Unix { path, group: raw.group.map(|at| at.value.0) },
    })
}

/// Errors of keys that say nothing of the place that is listened on: who wrote them believes that they hold.
pub(crate) fn of_another_place(source: &Source, host: &raw::Host) -> Vec<Problem> {
    let Some(raw) = &host.metrics else { return Vec::new() };
    let group = raw.group.as_ref().map(|at| ("group", &at.span));
    let users = raw.users.as_ref().map(|at| ("users", &at.span));
    let token = raw.token_file.as_ref().map(|at| ("token_file", &at.span));
    let (wrong, why, help) = match raw.listen.as_ref().map(|at| &at.value.0) {
        None => (
            vec![group, users, token],
            "nothing is listened on",
            "add `metrics.listen`, such as \"unix:/run/lowtide/metrics.sock\"",
        ),
        Some(Place::Unix(_)) => (
            vec![users, token],
            "`metrics.listen` is a Unix socket",
            "the socket's file says who may connect: root, and the members of `metrics.group`",
        ),
        Some(Place::Tcp(address)) if !address.ip().to_canonical().is_loopback() => (
            vec![group, users],
            "`metrics.listen` is no loopback address, and of another host no user is known",
            "listen on 127.0.0.1 or [::1], or give `metrics.token_file`",
        ),
        Some(Place::Tcp(_)) => (
            vec![group],
            "`metrics.listen` is no Unix socket",
            "name the users under `metrics.users`, or listen on \"unix:/run/lowtide/metrics.sock\"",
        ),
    };
    let empty = raw.users.as_ref().filter(|at| at.value.is_empty()).map(|at| {
        let help = "name at least one user, or remove the key";
        source.problem(at.span.clone(), "`metrics.users` is empty: nobody could read the metrics", help)
    });
    let problem = |(key, at): (&str, &crate::source::Span)| {
        source.problem(at.clone(), format!("`metrics.{key}` would hold nobody off: {why}"), help)
    };
    wrong.into_iter().flatten().map(problem).chain(empty).chain(of_control(source, host)).collect()
}

/// One socket cannot be for both.
fn of_control(source: &Source, host: &raw::Host) -> Option<Problem> {
    let listen = host.metrics.as_ref()?.listen.as_ref()?;
    let Place::Unix(path) = &listen.value.0 else { return None };
    let given = host.control.as_ref().and_then(|control| control.socket.as_ref());
    let taken = given.map_or_else(|| Config::default().control_socket, |socket| socket.0.clone());
    (*path == taken).then(|| {
        let wrong = "`metrics.listen` is the control socket, that of `lowtide status`";
        let help = "give it a path of its own, such as \"unix:/run/lowtide/metrics.sock\"";
        source.problem(listen.span.clone(), wrong, help)
    })
}
