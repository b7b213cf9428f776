//! Responses over real connections, compared byte by byte.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use flagstaff::{FlagGate, Flags, TrustedHeaders, context::Anonymous};
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tower::{Layer, Service, ServiceBuilder, service_fn};

use super::{flags, half, open};
use crate::support::BOUND;

/// Serves HTTP/1.1 and HTTP/2 until the test ends. Responses have no `Date`, so that bytes can be compared.
pub(super) async fn serve<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let mut builder = auto::Builder::new(TokioExecutor::new());
                builder.http1().auto_date_header(false);
                builder.http2().auto_date_header(false);
                // A client that closes the connection does not fail the test.
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// Returns all bytes of the response to `request`, on a connection of its own.
pub(super) async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    timeout(BOUND, stream.read_to_end(&mut response)).await.unwrap().unwrap();
    String::from_utf8(response).unwrap()
}

pub(super) fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n{body}")
}

const CLOSED: &str = "HTTP/1.1 404 Not Found\r\n\
    content-type: application/json\r\n\
    cache-control: no-store\r\n\
    connection: close\r\n\
    content-length: 73\r\n\
    \r\n\
    {\"detail\":\"Feature not available\",\"code\":\"FEATURE_DISABLED\",\"details\":{}}";

/// Returns the lines of the head in alphabetical order, and the body.
fn sorted(response: &str) -> (Vec<&str>, &str) {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").collect();
    lines[1..].sort_unstable();
    (lines, body)
}

#[tokio::test]
async fn a_closed_gate_on_hyper_answers_these_bytes() {
    let flags = flags([("off", false.into())]).await;
    let address = serve(flags.gate("off").layer(service_fn(open))).await;

    for method in ["GET", "POST", "OPTIONS", "DELETE"] {
        let response = exchange(address, &request(method, "/", "", "")).await;

        assert_eq!(sorted(&response), sorted(CLOSED), "{method}");
    }
}

#[tokio::test]
async fn a_closed_gate_answers_head_with_the_length_and_no_body() {
    let flags = flags([("off", false.into())]).await;
    let address = serve(flags.gate("off").layer(service_fn(open))).await;

    let response = exchange(address, &request("HEAD", "/", "", "")).await;

    assert_eq!(sorted(&response), (sorted(CLOSED).0, ""));
}

#[tokio::test]
async fn a_closed_gate_never_asks_for_the_body() {
    let flags = flags([("a", false.into())]).await;
    let echo = service_fn(async |request: Request<Incoming>| {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    });
    let address = serve(flags.gate("a").layer(echo)).await;
    let head = request("POST", "/", "expect: 100-continue\r\ncontent-length: 5\r\n", "");

    let closed = exchange(address, &head).await;
    assert!(closed.starts_with("HTTP/1.1 404"), "{closed}");
    assert!(!closed.contains("100 Continue"));

    flags.enable("a").await.unwrap();

    let open = exchange(address, &format!("{head}hello")).await;
    assert!(open.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"), "{open}");
    assert!(open.ends_with("hello"));
}

/// Starts a host with a hand-written router: one route, and a service for all others.
async fn host(flags: &Flags, hidden: bool) -> SocketAddr {
    let not_found = service_fn(async |request: Request<Incoming>| {
        let (parts, body) = request.into_parts();
        let read = body.collect().await.unwrap().to_bytes();
        // Everything that the service reads of a request.
        let body = format!("{} {} {:?} {read:?}", parts.method, parts.uri, parts.headers);
        let response = Response::builder().status(404).header("x-from", "fallback");
        Ok::<_, Infallible>(response.body(Full::from(body)).unwrap())
    });
    let secret = flags.gate("off").conceal(not_found).layer(service_fn(open));
    let router = service_fn(move |request: Request<Incoming>| {
        let (mut secret, mut not_found) = (secret.clone(), not_found);
        async move {
            // Both services are always ready.
            if hidden && request.uri().path() == "/x" {
                secret.call(request).await
            } else {
                not_found.call(request).await
            }
        }
    });
    serve(ServiceBuilder::new().layer(flags.request_layer(Anonymous)).service(router)).await
}

#[tokio::test]
async fn a_concealed_route_is_a_missing_one_to_the_byte() {
    let flags = flags([("off", false.into())]).await;
    let (hidden, missing) = (host(&flags, true).await, host(&flags, false).await);
    let body = "content-length: 5\r\ncontent-type: application/grpc\r\n";

    for method in ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "TRACE", "BREW"] {
        for request in [
            request(method, "/x", "", ""),
            request(method, "/x?a=b", "x-user-id: ana\r\ncookie: a=b\r\n", ""),
            request(method, "/x", body, "hello"),
        ] {
            let (a, b) = (exchange(hidden, &request).await, exchange(missing, &request).await);

            assert!(a.starts_with("HTTP/1.1 404 Not Found\r\n"), "{a}");
            assert_eq!(a, b, "{request}");
        }
    }

    flags.enable("off").await.unwrap();
    assert!(exchange(hidden, &request("GET", "/x", "", "")).await.ends_with("open"));
}

#[tokio::test]
async fn gates_serve_http_2() {
    let flags = flags([("half", half())]).await;
    let layers = ServiceBuilder::new()
        .layer(flags.request_layer(TrustedHeaders::default()))
        .layer(FlagGate::new("half"));
    let address = serve(layers.service_fn(open)).await;
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);

    for user in ["ana", "bob", "cem", "dai", "eva", "fin"] {
        let request = Request::get("http://x/").header("x-user-id", user);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = client.send_request(request).await.unwrap();

        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if flags.is_enabled("half", &flagstaff::Context::user(user)) {
            assert_eq!((parts.status, &body[..]), (StatusCode::OK, &b"open"[..]));
        } else {
            assert_eq!((parts.status, body.len()), (StatusCode::NOT_FOUND, 73));
            assert_eq!(parts.headers["content-length"], "73");
            assert_eq!(parts.headers["cache-control"], "no-store");
        }
    }
}

#[tokio::test]
async fn a_grpc_answer_on_http_2_is_one_header_frame() {
    let flags = flags([("off", false.into())]).await;
    let address = serve(flags.gate("off").layer(service_fn(open))).await;
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);

    let request = Request::post("http://x/a.B/C").header("content-type", "application/grpc");
    let response = client.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["grpc-status"], "12");
    // END_STREAM arrived with the headers: a trailers-only response.
    assert!(response.body().is_end_stream());
}
