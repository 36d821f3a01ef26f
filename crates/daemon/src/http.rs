//! `GET /metrics`, and nothing else.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};

use crate::{metrics, view::View};

/// Scrapers at a time; one more waits in the listener's queue.
const CONNECTIONS: usize = 16;
/// A scraper that sends its request no faster than this is let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Binds the address that metrics are served on.
pub(crate) async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves the latest view until the task is dropped.
pub(crate) async fn serve(listener: TcpListener, views: watch::Receiver<Option<Arc<View>>>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let views = views.clone();
                tokio::spawn(async move {
                    answer(stream, views).await;
                    drop(slot);
                });
            }
            // Out of descriptors, or a peer that went away: neither is a reason to stop serving.
            Err(error) => {
                tracing::debug!(%error, "metrics: cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, views: watch::Receiver<Option<Arc<View>>>) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), views.borrow().as_deref());
        async { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "metrics: a connection ended early");
    }
}

fn respond(method: &Method, path: &str, view: Option<&View>) -> Response<Full<Bytes>> {
    let (status, text) = match (method, path, view) {
        (&Method::GET | &Method::HEAD, "/metrics", Some(view)) => match metrics::render(view) {
            Ok(page) => (StatusCode::OK, page),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot draw the page: {error}\n")),
        },
        (&Method::GET | &Method::HEAD, "/metrics", None) => {
            (StatusCode::SERVICE_UNAVAILABLE, "the first turn of the loop is not done yet\n".to_owned())
        }
        (_, "/metrics", _) => (StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "the metrics are at /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
