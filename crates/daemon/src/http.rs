//! `GET /metrics`, `/healthz` and `/readyz`, and nothing else.

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
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Semaphore, watch},
};

use crate::{metrics, view::View};

/// Scrapers at a time; one more waits in the listener's queue.
const CONNECTIONS: usize = 16;
/// A scraper that sends its request, or reads its answer, no faster than this is let go.
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

/// One request a connection: a scrape comes every few seconds at most, and a connection that is kept open between
/// two of them would hold one of the slots.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    views: watch::Receiver<Option<Arc<View>>>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        // On the loop's own thread, which stands still meanwhile (docs/benchmarks.md): a thread of the pool would get a
        // malloc arena of its own and keep its garbage, 5 MiB of locked memory each with four hundred cgroups.
        let response = respond(request.method(), request.uri().path(), views.borrow().as_deref());
        async { Ok::<_, Infallible>(response) }
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

fn respond(method: &Method, path: &str, view: Option<&View>) -> Response<Full<Bytes>> {
    let (status, text) = match (method, path, view) {
        (&Method::GET | &Method::HEAD, "/metrics", Some(view)) => match metrics::render(view) {
            Ok(page) => (StatusCode::OK, page),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot draw the page: {error}\n")),
        },
        (&Method::GET | &Method::HEAD, "/metrics" | "/readyz", None) => {
            (StatusCode::SERVICE_UNAVAILABLE, "the first turn of the loop is not done yet\n".to_owned())
        }
        // Whoever reads this was answered by the thread that the loop is on.
        (&Method::GET | &Method::HEAD, "/healthz", _)
        | (&Method::GET | &Method::HEAD, "/readyz", Some(_)) => (StatusCode::OK, "ok\n".to_owned()),
        (_, "/metrics" | "/healthz" | "/readyz", _) => {
            (StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned())
        }
        _ => (StatusCode::NOT_FOUND, "the metrics are at /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_too_slow_is_let_go() {
        for request in ["", "GET /met", "GET /metrics HTTP/1.1\r\n", "GET / HTTP/1.1\r\n\r\n"] {
            let (_, views) = watch::channel(None);
            // Too little room for the answer, which the client does not read.
            let (mut client, server) = duplex(64);
            client.write_all(request.as_bytes()).await.unwrap();
            let done = tokio::time::timeout(PATIENCE * 2, answer(server, views)).await;
            assert!(done.is_ok(), "{request:?} holds its connection");
        }
    }

    #[tokio::test]
    async fn one_request_a_connection() {
        let (_, views) = watch::channel(None);
        let (mut client, server) = duplex(4096);
        client.write_all(b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        answer(server, views).await;
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{text}");
        assert!(text.contains("connection: close"), "{text}");
    }

    #[test]
    fn only_reading_the_metrics_is_allowed() {
        for (method, path, status) in [
            (Method::POST, "/metrics", StatusCode::METHOD_NOT_ALLOWED),
            (Method::DELETE, "/metrics", StatusCode::METHOD_NOT_ALLOWED),
            (Method::GET, "/", StatusCode::NOT_FOUND),
            (Method::POST, "/metrics/", StatusCode::NOT_FOUND),
            (Method::POST, "/healthz", StatusCode::METHOD_NOT_ALLOWED),
            (Method::GET, "/healthz", StatusCode::OK),
            (Method::GET, "/readyz", StatusCode::SERVICE_UNAVAILABLE),
        ] {
            assert_eq!(respond(&method, path, None).status(), status, "{method} {path}");
        }
    }
}
