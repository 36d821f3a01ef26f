use lowtide_policy::Access;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::{TcpStream, UnixStream},
};

use super::*;

const GET: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

/// A page that needs no turn.
#[derive(Debug, Clone, Copy)]
struct Fixed(Option<&'static str>);

impl Latest for Fixed {
    fn page(&self) -> Option<Pieces> {
        let text = self.0?;
        let (first, second) = text.split_at(text.len() / 2);
        Some([first, second].map(Into::into).into())
    }

    fn is_there(&self) -> bool {
        self.0.is_some()
    }
}

const NONE: Fixed = Fixed(None);
const PAGE: Fixed = Fixed(Some("the page\n"));

async fn answered(stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
    let (mut stream, mut text) = (stream, String::new());
    stream.write_all(request).await.unwrap();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// Somewhere on loopback, with a page.
async fn serve(access: Access) -> SocketAddr {
    let address = "127.0.0.1:0".parse().unwrap();
    let (listener, _) = Listener::bind(&Metrics::Tcp { address, access }).await.unwrap();
    let Listener::Tcp { listener: tcp, .. } = &listener else { panic!() };
    let address = tcp.local_addr().unwrap();
    tokio::spawn(listener.serve(PAGE));
    address
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_too_slow_is_let_go() {
    for request in ["", "GET /met", "GET /metrics HTTP/1.1\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        // Too little room for the answer, which the client does not read.
        let (mut client, server) = duplex(64);
        client.write_all(request.as_bytes()).await.unwrap();
        let done =
            tokio::time::timeout(PATIENCE * 2, answer(server, &NONE, &Paces::default(), None, |_| {})).await;
        assert!(done.is_ok(), "{request:?} holds its connection");
    }
}

#[tokio::test]
async fn one_request_a_connection() {
    let (mut client, server) = duplex(4096);
    client.write_all(b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    answer(server, &NONE, &Paces::default(), None, |_| {}).await;
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
        assert_eq!(respond(&method, path, &NONE).status(), status, "{method} {path}");
    }
}

/// A page that takes its time.
#[derive(Debug, Clone, Copy)]
struct Large;

const LARGE: usize = 10 << 20;

impl Latest for Large {
    fn page(&self) -> Option<Pieces> {
        Some([vec![b'a'; LARGE]].map(Into::into).into())
    }

    fn is_there(&self) -> bool {
        true
    }
}

/// What is answered to a request that comes on a connection of its own, and after how long.
async fn asked(pacing: &Paces, request: &'static [u8]) -> (Duration, String) {
    let (client, server) = duplex(1 << 20);
    let begun = tokio::time::Instant::now();
    let (text, ()) = tokio::join!(answered(client, request), answer(server, &Large, pacing, None, |_| {}));
    (begun.elapsed(), text)
}

/// Clients that ask for the page again and again.
fn greedy(pacing: &Paces, clients: usize) -> Vec<tokio::task::AbortHandle> {
    let client = |pacing: Paces| async move {
        loop {
            asked(&pacing, GET).await;
        }
    };
    (0..clients).map(|_| tokio::spawn(client(pacing.clone())).abort_handle()).collect()
}

/// Kind 3: the page was sent to whoever asked, as often as it asked; and with a bound, who waited for its
/// turn was let go before it came.
#[tokio::test(start_paused = true)]
async fn beside_greedy_clients_a_scrape_comes_to_its_end_and_health_at_once() {
    let pacing = Paces::default();
    let clients = greedy(&pacing, WAITING - 1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (took, text) = asked(&pacing, HEALTH).await;
    assert!(text.starts_with("HTTP/1.1 200") && took < Duration::from_secs(1), "{took:?}: {text}");
    let (took, text) = asked(&pacing, GET).await;
    assert!(took > PATIENCE, "{took:?}: it waited for those before it");
    assert!(text.starts_with("HTTP/1.1 200") && text.len() > LARGE, "{} bytes", text.len());
    let _one_more = greedy(&pacing, 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (took, text) = asked(&pacing, GET).await;
    assert!(text.starts_with("HTTP/1.1 503") && took < Duration::from_secs(1), "{took:?}: {text}");
    clients.iter().for_each(tokio::task::AbortHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_head_is_not_paid_for_as_a_page() {
    let pacing = Paces::default();
    for _ in 0..100 {
        let (took, text) = asked(&pacing, b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(took < Duration::from_secs(1) && text.len() < LARGE, "{took:?}");
    }
}

/// Kind 3: there were sixteen slots, and whoever held them kept everybody else waiting.
#[tokio::test]
async fn a_scrape_works_beside_200_idle_connections() {
    let address = serve(Access::default()).await;
    let mut idle = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
        }
        idle.push(stream);
    }
    let scrape = answered(TcpStream::connect(address).await.unwrap(), GET);
    let text = tokio::time::timeout(Duration::from_secs(5), scrape).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.ends_with("\r\n\r\nthe page\n"), "{text}");
    assert!(text.contains("content-length: 9\r\n"), "{text}");
}

#[tokio::test]
async fn the_unix_socket_is_for_its_group() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metrics.sock");
    let group = Some("no-such-group".to_owned());
    let (listener, not_given) = Listener::bind(&Metrics::Unix { path: path.clone(), group }).await.unwrap();
    assert!(not_given.unwrap().starts_with("metrics.group: there is no group `no-such-group`"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let server = tokio::spawn(listener.serve(PAGE));
    let text = answered(UnixStream::connect(&path).await.unwrap(), GET).await;
    assert!(text.ends_with("the page\n"), "{text}");
    server.abort();
    let _ = server.await;
    assert!(!path.exists(), "the socket goes with its listener");
}

#[tokio::test]
async fn over_loopback_only_the_users_that_are_named() {
    let own = nix::unistd::geteuid().as_raw();
    for (uid, status) in [(own, "200 OK"), (own + 1, "401 Unauthorized")] {
        let address = serve(Access { users: vec![uid.to_string()], token_file: None }).await;
        let text = answered(TcpStream::connect(address).await.unwrap(), GET).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{uid}: {text}");
        let health = answered(TcpStream::connect(address).await.unwrap(), HEALTH);
        assert!(
            health.await.starts_with("HTTP/1.1 200"),
            "who watches the daemon learns nothing of the tenants"
        );
    }
}

#[tokio::test]
async fn the_token_lets_in() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "secret\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let address = serve(Access { users: Vec::new(), token_file: Some(path) }).await;
    for (line, status) in [
        ("Authorization: Bearer secret\r\n", "200 OK"),
        ("authorization: Bearer wrong\r\n", "401 Unauthorized"),
        ("Authorization: secret\r\n", "401 Unauthorized"),
        ("", "401 Unauthorized"),
    ] {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{line}\r\n");
        let text = answered(TcpStream::connect(address).await.unwrap(), request.as_bytes()).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{line}: {text}");
    }
}
