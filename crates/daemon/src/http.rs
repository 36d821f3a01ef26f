//! `GET /metrics`, `/healthz` and `/readyz`, and nothing else.
//!
//! Anybody may be at the other end, so what is asked costs the loop no more than one page a turn: it is drawn
//! when the first one asks, and all are given the same, at a pace that has a bound. Where `metrics.users` is
//! set, who asks costs a look at the kernel's list of connections, one at a time, on another thread.

mod access;
mod body;
mod connections;
mod pace;
#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use lowtide_policy::Metrics;
use lowtide_view::{View, metrics};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Notify, watch},
};

pub(crate) use self::access::AccessError;
pub use self::access::user_in;
use self::{
    access::{Ends, Gate},
    body::{Answer, Pieces},
    connections::{Connections, Stage, WAITING},
    pace::Pace,
};
use crate::control::Socket;

/// A scraper that takes longer to send its request, or from its turn on to read its answer, is let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// The address.
    #[error("{address}: cannot serve metrics there: {source}; change `metrics.listen`")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The socket.
    #[error("{path}: cannot serve metrics there: {source}; change `metrics.listen`")]
    Unix {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Who may read them.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Where the metrics are served.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp { listener: TcpListener, gate: Gate },
    Unix(Socket),
}

impl Listener {
    /// Binds what is configured. What keeps a group from connecting, without being a reason to end, is
    /// returned with it.
    pub(crate) async fn bind(metrics: &Metrics) -> Result<(Self, Option<String>), ListenError> {
        match metrics {
            Metrics::Tcp { address, access } => {
                let gate = Gate::new(access)?;
                let tcp = |source| ListenError::Tcp { address: *address, source };
                let listener = TcpListener::bind(address).await.map_err(tcp)?;
                Ok((Self::Tcp { listener, gate }, None))
            }
            Metrics::Unix { path, group } => {
                let unix = |source| ListenError::Unix { path: path.clone(), source };
                let socket = Socket::bind(path).map_err(unix)?;
                let error = group.as_deref().and_then(|group| socket.give(group).err());
                let not_given =
                    error.map(|error| format!("metrics.group: {error}: only root may read the metrics"));
                Ok((Self::Unix(socket), not_given))
            }
        }
    }

    /// Serves the latest page until the task is dropped.
    pub(crate) async fn serve(self, pages: impl Latest) {
        let server = Server { pages, pacing: Paces::default(), connections: Connections::default() };
        loop {
            let accepted = match &self {
                Self::Tcp { listener, gate } => accept(listener, gate, &server).await,
                Self::Unix(socket) => {
                    socket.listener().accept().await.map(|(stream, _)| server.start(stream, None))
                }
            };
            // Those that are here may say what they want before another one comes.
            tokio::task::yield_now().await;
            // Out of descriptors, or a peer that went away: neither is a reason to stop serving.
            if let Err(error) = accepted {
                tracing::debug!(%error, "metrics: cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// All that answering takes.
struct Server<P> {
    pages: P,
    pacing: Paces,
    connections: Connections,
}

/// Who asks whether the daemon lives does not wait for those who ask for the page.
#[derive(Debug, Clone)]
struct Paces {
    pages: Pace,
    others: Pace,
}

impl Default for Paces {
    fn default() -> Self {
        Self { pages: Pace::new(WAITING), others: Pace::new(WAITING) }
    }
}

impl Paces {
    fn of(&self, path: &str) -> &Pace {
        if path == "/metrics" { &self.pages } else { &self.others }
    }
}

async fn accept(listener: &TcpListener, gate: &Gate, server: &Server<impl Latest>) -> io::Result<()> {
    let (stream, peer) = listener.accept().await?;
    let own = stream.local_addr()?;
    server.start(stream, Some((gate.clone(), Ends { own, peer })));
    Ok(())
}

/// Who asks over TCP, and who may.
type Asker = Option<(Gate, Ends)>;

impl<P: Latest> Server<P> {
    fn start(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, asker: Asker) {
        let (pages, pacing, connections) =
            (self.pages.clone(), self.pacing.clone(), self.connections.clone());
        self.connections.open(|number| {
            let task = tokio::spawn(async move {
                answer(stream, &pages, &pacing, asker, |stage| connections.is_at(number, stage)).await;
                connections.closed(number);
            });
            task.abort_handle()
        });
    }
}

/// One request a connection: a scrape comes every few seconds at most, and a connection that is kept open
/// between two of them would hold one of the slots.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    pages: &impl Latest,
    pacing: &Paces,
    asker: Asker,
    comes_to: impl Fn(Stage),
) {
    let (comes_to, has_turn) = (&comes_to, &Notify::new());
    let service = service_fn(|request: Request<Incoming>| {
        comes_to(Stage::Waits);
        let asker = asker.clone();
        async move {
            let may = match &asker {
                Some((gate, ends)) if request.uri().path() == "/metrics" => {
                    let given = request.headers().get(header::AUTHORIZATION);
                    gate.admits(given.map(header::HeaderValue::as_bytes), *ends).await
                }
                _ => true,
            };
            let path = request.uri().path();
            let pace = if may { pacing.of(path) } else { &pacing.others };
            let turn = pace.turn().await;
            comes_to(Stage::Reads);
            has_turn.notify_one();
            let Some(turn) = turn else {
                if let Some(turn) = pacing.others.turn().await {
                    turn.costs(0);
                }
                return Ok(busy());
            };
            // Drawn now and not before: while it waits there may be a newer one, and a page is locked memory.
            let response = if may { respond(request.method(), path, pages) } else { refuse() };
            // To HEAD nothing is sent but its length.
            turn.costs(if request.method() == Method::HEAD { 0 } else { response.body().left() });
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // As long as it waits for its turn it is nobody's fault: it is let go by others' connections, or by
    // itself.
    let ended = tokio::select! {
        ended = &mut connection => Ok(ended),
        () = has_turn.notified() => tokio::time::timeout(PATIENCE, connection).await,
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "metrics: a connection ended early"),
        Err(_) => tracing::debug!("metrics: a client was too slow"),
    }
}

fn busy() -> Response<Answer> {
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many ask at once: `metrics.users` in the configuration says who may\n",
    )
}

fn respond(method: &Method, path: &str, pages: &impl Latest) -> Response<Answer> {
    let not_yet = || text(StatusCode::SERVICE_UNAVAILABLE, "the first turn of the loop is not done yet\n");
    match (method, path) {
        (&Method::GET | &Method::HEAD, "/metrics") => match pages.page() {
            Some(page) => text(StatusCode::OK, page),
            None => not_yet(),
        },
        (&Method::GET | &Method::HEAD, "/readyz") if !pages.is_there() => not_yet(),
        // Whoever reads this was answered by the thread that the loop is on.
        (&Method::GET | &Method::HEAD, "/healthz" | "/readyz") => text(StatusCode::OK, "ok\n"),
        (_, "/metrics" | "/healthz" | "/readyz") => text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n"),
        _ => text(StatusCode::NOT_FOUND, "the metrics are at /metrics\n"),
    }
}

fn refuse() -> Response<Answer> {
    let mut response = text(
        StatusCode::UNAUTHORIZED,
        "the metrics are for the users in `metrics.users` and for who sends the token of `metrics.token_file`\n",
    );
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}

fn text(status: StatusCode, text: impl Into<Answer>) -> Response<Answer> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Where the page of the last turn comes from. Cheap to clone.
pub(crate) trait Latest: Clone + Send + Sync + 'static {
    /// The page; `None` before the first turn is done.
    fn page(&self) -> Option<Pieces>;

    /// Whether there is one.
    fn is_there(&self) -> bool;
}

/// The page of the last turn, drawn when somebody asks for it, once.
#[derive(Debug, Clone)]
pub(crate) struct Pages {
    views: watch::Receiver<Option<Arc<View>>>,
    drawn: Arc<Mutex<Drawn>>,
}

#[derive(Debug, Default)]
struct Drawn {
    /// The last page that was drawn, and of which turn; none after it was let go.
    page: Option<(u64, Pieces)>,
    /// What it leaves to the next one.
    rest: metrics::Rest,
}

impl Pages {
    /// Of these views.
    pub(crate) fn of(views: watch::Receiver<Option<Arc<View>>>) -> Self {
        Self { views, drawn: Arc::default() }
    }

    /// A turn is done: its page is another one. All of it is locked memory, so it goes now, or when the last
    /// who reads it is done.
    pub(crate) fn let_go(&self) {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).page = None;
    }
}

impl Latest for Pages {
    fn page(&self) -> Option<Pieces> {
        let view = self.views.borrow().clone()?;
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, page)) = drawn.page.as_ref().filter(|(turn, _)| *turn == view.ticks) {
            return Some(Pieces::clone(page));
        }
        let pieces: Pieces = metrics::render(&view, &mut drawn.rest).into_iter().map(Into::into).collect();
        drawn.page = Some((view.ticks, Pieces::clone(&pieces)));
        Some(pieces)
    }

    fn is_there(&self) -> bool {
        self.views.borrow().is_some()
    }
}
