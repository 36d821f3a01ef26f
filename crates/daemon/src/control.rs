//! The control socket: one JSON request a connection, one JSON answer.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        net::UnixStream as BlockingStream,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lowtide_core::escape::{escaped_json, escaped_lines};
use lowtide_view::{Shown, View, json::render, present, select};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncBufReader},
    net::{UnixListener, UnixStream},
    sync::watch,
};

use crate::report::{self, Report};

/// A request is a word and a path; what is longer is no request.
const LONGEST_REQUEST: u64 = 16 << 10;
/// A client that asks no faster than this, or reads its answer no faster, is let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// What the daemon sees.
    Status {
        /// As JSON instead of a table.
        json: bool,
        /// Which targets, and how.
        #[serde(default, skip_serializing_if = "Shown::is_all")]
        shown: Shown,
    },
    /// Why it last did, or did not, act on a cgroup.
    Explain {
        /// The cgroup's path.
        cgroup: String,
        /// As JSON instead of prose.
        json: bool,
    },
    /// What was saved, and what it cost.
    Report {
        /// As JSON instead of tables.
        json: bool,
        /// How many characters fit a line; text only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        width: Option<usize>,
    },
}

impl Request {
    /// Whether it wants a JSON document.
    #[must_use]
    pub const fn wants_json(&self) -> bool {
        let (Self::Status { json, .. } | Self::Explain { json, .. } | Self::Report { json, .. }) = self;
        *json
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The text that was asked for.
    Text(String),
    /// Why there is none, and what to do.
    Error(String),
}

/// Why the daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("{path}: {source}; {}", remedy(source))]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke, or the answer is none.
    #[error("{path}: the daemon gave no proper answer: {source}")]
    Garbled {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The daemon's own answer.
    #[error("{0}")]
    Refused(String),
}

/// With the names that tenants chose made harmless.
fn harmless(answer: Answer, is_json: bool) -> Answer {
    match answer {
        Answer::Text(text) if is_json => Answer::Text(escaped_json(&text).into_owned()),
        Answer::Text(text) => Answer::Text(escaped_lines(&text).into_owned()),
        Answer::Error(message) => Answer::Error(escaped_lines(&message).into_owned()),
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "run as root, or as a member of the group that `control.group` in lowtide.yaml names"
        }
        _ => "is the daemon running? (`systemctl status lowtide`)",
    }
}

/// Asks the daemon at `socket`; waits for the answer.
pub fn ask(socket: &Path, request: &Request) -> Result<String, AskError> {
    let stream = BlockingStream::connect(socket)
        .map_err(|source| AskError::Unreachable { path: socket.to_owned(), source })?;
    // Whatever daemon answers: this goes to a terminal.
    match exchange(&stream, request).map(|answer| harmless(answer, request.wants_json())) {
        Ok(Answer::Text(text)) => Ok(text),
        Ok(Answer::Error(message)) => Err(AskError::Refused(message)),
        Err(source) => Err(AskError::Garbled { path: socket.to_owned(), source }),
    }
}

fn exchange(mut stream: &BlockingStream, request: &Request) -> io::Result<Answer> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

/// Why the socket keeps its group.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GiveError {
    /// The host has no such group.
    #[error("there is no group `{0}`")]
    NoGroup(String),
    /// The system refused.
    #[error(
        "the socket cannot be given to `{group}`: {source}; under systemd set `Group={group}` in a drop-in"
    )]
    Io {
        /// The group.
        group: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The daemon's end of the socket. The file goes with it.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    listener: Arc<UnixListener>,
}

impl Socket {
    /// Binds `path`, in a directory that is created if it is missing. A socket that a killed daemon left
    /// behind is replaced; one that somebody answers on is not.
    ///
    /// Owner and group may connect, nobody else: the answers name every cgroup of the host.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::FileTypeExt;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => {
                if BlockingStream::connect(path).is_ok() {
                    let message =
                        "another daemon answers there: stop it first, two would fight over the same knobs";
                    return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
                }
                fs::remove_file(path)?;
            }
            Ok(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "there is a file that is no socket",
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
        Ok(Self { path: path.to_owned(), listener: Arc::new(listener) })
    }

    /// Lets the members of `group` connect.
    pub(crate) fn give(&self, group: &str) -> Result<(), GiveError> {
        let named = |source| GiveError::Io { group: group.to_owned(), source };
        let found = nix::unistd::Group::from_name(group).map_err(|errno| named(errno.into()))?;
        let found = found.ok_or_else(|| GiveError::NoGroup(group.to_owned()))?;
        let has = fs::metadata(&self.path).map_err(named)?.gid();
        // The service manager may have started the daemon in the group, and not let it change one.
        if has == found.gid.as_raw() {
            return Ok(());
        }
        chown(&self.path, None, Some(found.gid.as_raw())).map_err(named)
    }

    /// Where connections come in.
    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Answers until the future is dropped.
    pub(crate) async fn serve(&self, views: watch::Receiver<Option<Arc<View>>>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let views = views.clone();
                    tokio::spawn(async move {
                        let answered = tokio::time::timeout(PATIENCE, answer(stream, &views)).await;
                        if let Ok(Err(error)) = answered {
                            tracing::debug!(%error, "control: a connection ended early");
                        }
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "control: cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // If it is gone already, that is what was wanted.
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(mut stream: UnixStream, views: &watch::Receiver<Option<Arc<View>>>) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    AsyncBufReader::new(reader.take(LONGEST_REQUEST)).read_line(&mut line).await?;
    let view = views.borrow().clone();
    let answer = harmless(respond(&line, view.as_deref()), is_json(&line));
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    writer.write_all(text.as_bytes()).await?;
    writer.shutdown().await
}

fn is_json(line: &str) -> bool {
    serde_json::from_str(line).is_ok_and(|request: Request| request.wants_json())
}

fn respond(line: &str, view: Option<&View>) -> Answer {
    let request = match serde_json::from_str(line) {
        Ok(request) => request,
        Err(error) => return Answer::Error(format!("not a request this daemon understands: {error}")),
    };
    let Some(view) = view else {
        return Answer::Error("the first turn of the loop is not done yet: ask again in a moment".to_owned());
    };
    let text = match request {
        Request::Status { json: as_json, shown } => select(view, &shown).and_then(|(view, of)| {
            if as_json { json(&view) } else { Ok(present::status(&view, of, shown.width)) }
        }),
        Request::Report { json: true, .. } => json(&Report::new(view)),
        Request::Report { json: false, width } => Ok(report::text(&Report::new(view), width)),
        Request::Explain { cgroup, json: as_json } => match view.called(&cgroup) {
            Some(found) if as_json => json(found),
            Some(found) => Ok(present::explain(found, view)),
            None => Err(present::not_a_target(&cgroup, view)),
        },
    };
    text.map_or_else(Answer::Error, Answer::Text)
}

fn json(value: &impl serde::Serialize) -> Result<String, String> {
    render(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_request_is_answered_and_not_dropped() {
        for line in ["", "\n", "{}", "status", r#"{"command":"status"}"#, r#"{"command":"halt","json":true}"#]
        {
            let Answer::Error(message) = respond(line, None) else { panic!("{line}") };
            assert!(message.contains("not a request"), "{line}: {message}");
        }
    }

    /// Kind 5.
    #[test]
    fn no_name_reaches_a_terminal_raw() {
        let hostile = "/a\u{1b}[2J\r\u{202e}\u{9b}";
        let line =
            serde_json::to_string(&Request::Explain { cgroup: hostile.to_owned(), json: true }).unwrap();
        assert!(is_json(&line) && !is_json("x"));
        for (is_json, expected) in
            [(false, r"/a\u{1b}[2J\u{d}\u{202e}\u{9b}"), (true, r"/a\u001b[2J\u000d\u202e\u009b")]
        {
            let Answer::Text(text) = harmless(Answer::Text(hostile.to_owned()), is_json) else { panic!() };
            assert_eq!(text, expected);
        }
        let Answer::Error(message) = harmless(Answer::Error(format!("{hostile}\nis gone")), true) else {
            panic!()
        };
        assert_eq!(message, format!("{}\nis gone", r"/a\u{1b}[2J\u{d}\u{202e}\u{9b}"));
    }

    #[tokio::test]
    async fn the_socket_is_given_to_a_group() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let socket = Socket::bind(&path).unwrap();
        let error = socket.give("no-such-group").unwrap_err();
        assert_eq!(error.to_string(), "there is no group `no-such-group`");

        // Root may give it to anybody, whoever else to the groups that they are in.
        let others = nix::unistd::getgroups().unwrap();
        let own = fs::metadata(&path).unwrap().gid();
        let other = others.into_iter().map(nix::unistd::Gid::as_raw).find(|gid| *gid != own).unwrap_or(1);
        let group = nix::unistd::Group::from_gid(other.into()).unwrap().unwrap();
        let given = socket.give(&group.name);
        let (gid, mode) = (fs::metadata(&path).unwrap().gid(), fs::metadata(&path).unwrap().mode());
        assert_eq!((given.is_ok(), mode & 0o777), (gid == other, 0o660), "{given:?}");
        assert!(given.is_ok() || !nix::unistd::geteuid().is_root());
    }

    #[test]
    fn before_the_first_tick_there_is_nothing_to_tell() {
        let line = serde_json::to_string(&Request::Status { json: true, shown: Shown::default() }).unwrap();
        let Answer::Error(message) = respond(&line, None) else { panic!() };
        assert!(message.contains("ask again"), "{message}");
    }
}
