//! `GET /metrics`, `/healthz` and `/readyz`, and nothing else.
//!
//! Anybody may be at the other end, so nothing that is asked costs the loop work: the page was drawn when the turn was done, and all are
//! given the same. Where `metrics.users` is set, who asks costs a look at the kernel's list of connections, one at a time, on another thread.

mod access;
mod connections;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, io, net::SocketAddr, path::PathBuf, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use lowtide_policy::Metrics;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
};

pub(crate) use self::access::AccessError;
pub use self::access::user_in;
use self::{
    access::{Ends, Gate},
    connections::Connections,
};
use crate::{control::Socket, metrics, view::View};

/// A scraper that sends its request, or reads its answer, no faster than this is let go.
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
    /// Binds what is configured. What keeps a group from connecting, without being a reason to end, is returned with it.
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
    pub(crate) async fn serve(self, pages: watch::Receiver<Option<Bytes>>) {
        let connections = Connections::default();
        loop {
            let accepted = match &self {
                Self::Tcp { listener, gate } => accept(listener, gate, &connections, &pages).await,
                Self::Unix(socket) => socket.listener().accept().await.map(|(stream, _)| {
                    start(&connections, stream, pages.clone(), None);
                }),
            };
            // Out of descriptors, or a peer that went away: neither is a reason to stop serving.
            if let Err(error) = accepted {
                tracing::debug!(%error, "metrics: cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    gate: &Gate,
    connections: &Connections,
    pages: &watch::Receiver<Option<Bytes>>,
) -> io::Result<()> {
    let (stream, peer) = listener.accept().await?;
    let own = stream.local_addr()?;
    start(connections, stream, pages.clone(), Some((gate.clone(), Ends { own, peer })));
    Ok(())
}

/// Who asks over TCP, and who may.
type Asker = Option<(Gate, Ends)>;

fn start(
    connections: &Connections,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    pages: watch::Receiver<Option<Bytes>>,
    asker: Asker,
) {
    let of_task = connections.clone();
    connections.open(|number| {
        let task = tokio::spawn(async move {
            answer(stream, &pages, asker, || of_task.asks(number)).await;
            of_task.closed(number);
        });
        task.abort_handle()
    });
}

/// One request a connection: a scrape comes every few seconds at most, and a connection that is kept open between
/// two of them would hold one of the slots.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    pages: &watch::Receiver<Option<Bytes>>,
    asker: Asker,
    asks: impl Fn(),
) {
    let service = service_fn(|request: Request<Incoming>| {
        asks();
        let asker = asker.clone();
        async move {
            let may = match &asker {
                Some((gate, ends)) if request.uri().path() == "/metrics" => {
                    let given = request.headers().get(header::AUTHORIZATION);
                    gate.admits(given.map(header::HeaderValue::as_bytes), *ends).await
                }
                _ => true,
            };
            let page = pages.borrow().clone();
            Ok::<_, Infallible>(if may {
                respond(request.method(), request.uri().path(), page)
            } else {
                refuse()
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "metrics: a connection ended early"),
        Err(_) => tracing::debug!("metrics: a client was too slow"),
    }
}

fn respond(method: &Method, path: &str, page: Option<Bytes>) -> Response<Full<Bytes>> {
    match (method, path, page) {
        (&Method::GET | &Method::HEAD, "/metrics", Some(page)) => text(StatusCode::OK, page),
        (&Method::GET | &Method::HEAD, "/metrics" | "/readyz", None) => {
            text(StatusCode::SERVICE_UNAVAILABLE, "the first turn of the loop is not done yet\n")
        }
        // Whoever reads this was answered by the thread that the loop is on.
        (&Method::GET | &Method::HEAD, "/healthz", _)
        | (&Method::GET | &Method::HEAD, "/readyz", Some(_)) => text(StatusCode::OK, "ok\n"),
        (_, "/metrics" | "/healthz" | "/readyz", _) => text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n"),
        _ => text(StatusCode::NOT_FOUND, "the metrics are at /metrics\n"),
    }
}

fn refuse() -> Response<Full<Bytes>> {
    let mut response = text(
        StatusCode::UNAUTHORIZED,
        "the metrics are for the users in `metrics.users` and for who sends the token of `metrics.token_file`\n",
    );
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The page of the last turn, for all who ask. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pages(watch::Sender<Option<Bytes>>);

impl Pages {
    /// No page yet.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Bytes>> {
        self.0.subscribe()
    }

    /// Draws the page of a turn, if there is a listener at all. The one before goes when the last who reads it is done.
    pub(crate) fn draw(&self, view: &View) {
        if self.0.receiver_count() > 0 {
            let before = self.0.borrow().as_ref().map_or(0, Bytes::len);
            self.0.send_replace(Some(metrics::render(view, before + before / 16).into()));
        }
    }
}
