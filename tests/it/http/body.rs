//! Bodies that are streamed find the scope of their request, over real connections.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use flagstaff::{
    Flags, TrustedHeaders, WithCurrentFlags,
    context::Anonymous,
    testing::{Overrides, with_overrides},
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::timeout,
};
use tower::{ServiceBuilder, service_fn};

use super::{
    flags,
    wire::{exchange, request, serve},
};
use crate::support::BOUND;

/// Returns the user and the flag that are in scope.
fn seen() -> String {
    let user =
        flagstaff::current().and_then(|flags| flags.context().targeting_key().map(str::to_owned));
    format!("{} {}\n", user.unwrap_or_default(), flagstaff::is_enabled("a"))
}

/// Reports the scope in the first frame, in one after `reloaded`, and in the trailers.
fn report(
    reloading: Arc<Notify>,
    reloaded: Arc<Notify>,
) -> impl Body<Data = Bytes, Error = Infallible> + Send {
    let frames = stream::iter(0..3).then(move |n| {
        let (reloading, reloaded) = (Arc::clone(&reloading), Arc::clone(&reloaded));
        async move {
            if n == 1 {
                reloading.notify_one();
                reloaded.notified().await;
            }
            Ok(match n {
                0 | 1 => Frame::data(Bytes::from(seen())),
                _ => {
                    let value = HeaderValue::from_str(seen().trim()).unwrap();
                    Frame::trailers(HeaderMap::from_iter([("x-seen".parse().unwrap(), value)]))
                }
            })
        }
    });
    StreamBody::new(frames)
}

async fn get(address: SocketAddr, version: Version) -> Response<Incoming> {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(version == Version::HTTP_2)
        .build_http::<Empty<Bytes>>();
    let request = Request::get(format!("http://{address}/")).header("x-user-id", "ana");
    let request = request.header("te", "trailers").body(Empty::new()).unwrap();
    let response = timeout(BOUND, client.request(request)).await.unwrap().unwrap();
    assert_eq!(response.version(), version);
    response
}

#[tokio::test]
async fn a_streamed_body_sees_the_generation_and_the_user_of_its_request() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let flags = flags([("a", true.into())]).await;
        let (reloading, reloaded) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let handler = {
            let (reloading, reloaded) = (Arc::clone(&reloading), Arc::clone(&reloaded));
            move |_: Request<Incoming>| {
                let body = report(Arc::clone(&reloading), Arc::clone(&reloaded));
                let response = Response::builder().header("trailer", "x-seen").body(body);
                async { Ok::<_, Infallible>(response.unwrap()) }
            }
        };
        let service = ServiceBuilder::new()
            .layer(flags.request_layer(TrustedHeaders::default()))
            .service_fn(handler);

        let response = get(serve(service).await, version).await;
        timeout(BOUND, reloading.notified()).await.unwrap();
        flags.disable("a").await.unwrap();
        reloaded.notify_one();
        let body = timeout(BOUND, response.into_body().collect()).await.unwrap().unwrap();

        assert_eq!(body.trailers().unwrap()["x-seen"], "ana true", "{version:?}");
        assert_eq!(body.to_bytes(), "ana true\nana true\n", "{version:?}");
    }
}

#[tokio::test]
async fn the_length_and_the_end_of_a_body_are_those_of_the_body_inside() {
    let flags = flags([]).await;
    let layer = || ServiceBuilder::new().layer(flags.request_layer(Anonymous));
    let full = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::from("hello"))));
    let empty = service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));

    let full = serve(layer().service(full)).await;
    let response = exchange(full, &request("GET", "/", "", "")).await;
    assert!(response.contains("\r\ncontent-length: 5\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");

    let empty = serve(layer().service(empty)).await;
    let response = get(empty, Version::HTTP_2).await;
    // END_STREAM arrived with the headers.
    assert!(response.body().is_end_stream());
}

/// An executor that spawns the tasks of an HTTP/2 connection with the flags in scope.
#[derive(Clone)]
struct InScope;

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for InScope {
    fn execute(&self, future: F) {
        tokio::spawn(future.with_current_flags());
    }
}

/// Serves one connection, within the scope of the caller.
async fn serve_in_scope(flags: &Flags) -> SocketAddr {
    let handler = service_fn(async |_: Request<Incoming>| {
        let body = StreamBody::new(
            stream::iter(0..2).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from(seen())))),
        );
        let mut response = Response::new(body);
        response.headers_mut().insert("x-seen", HeaderValue::from_str(seen().trim()).unwrap());
        Ok::<_, Infallible>(response)
    });
    let service = ServiceBuilder::new()
        .layer(flags.request_layer(TrustedHeaders::default()))
        .service(handler);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connection = async move {
        let (stream, _): (TcpStream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(service);
        let builder = auto::Builder::new(InScope);
        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
    };
    tokio::spawn(connection.with_current_flags());
    address
}

#[tokio::test]
async fn overrides_reach_handlers_and_bodies_of_servers_within_them() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let flags = flags([("a", false.into())]).await;

        let server = async { serve_in_scope(&flags).await };
        let address = with_overrides(Overrides::new().on("a"), server).await;
        let response = get(address, version).await;

        assert_eq!(response.headers()["x-seen"], "ana true", "{version:?}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "ana true\nana true\n", "{version:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_read_to_its_end_is_dropped_in_its_scope() {
    /// A value that records the scope when it is dropped.
    struct Notes(Arc<Mutex<Vec<String>>>);
    impl Drop for Notes {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(seen());
        }
    }
    let flags = flags([("a", true.into())]).await;
    let dropped = Arc::new(Mutex::new(Vec::new()));
    let handler = service_fn({
        let dropped = Arc::clone(&dropped);
        move |_: Request<()>| {
            let notes = Notes(Arc::clone(&dropped));
            let body = Full::new(Bytes::from("x")).map_frame(move |frame| {
                let _ = &notes;
                frame
            });
            std::future::ready(Ok::<_, Infallible>(Response::new(body)))
        }
    });
    let layer = flags.request_layer(TrustedHeaders::default());
    let service = ServiceBuilder::new().layer(layer).service(handler);
    let request = Request::get("/").header("x-user-id", "ana").body(()).unwrap();

    drop(tower::ServiceExt::oneshot(service, request).await.unwrap());

    assert_eq!(*dropped.lock().unwrap(), ["ana true\n"]);
}

#[tokio::test]
async fn a_body_that_axum_streams_sees_the_scope_of_its_request() {
    use axum::{Router, body::Body, routing::get as route};

    let flags = flags([("a", true.into())]).await;
    let frames =
        async || Body::from_stream(stream::iter(0..2).map(|_| Ok::<_, Infallible>(seen())));
    let app = Router::new()
        .route("/", route(frames))
        .layer(flags.request_layer(TrustedHeaders::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });

    for version in [Version::HTTP_11, Version::HTTP_2] {
        let response = get(address, version).await;

        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "ana true\nana true\n", "{version:?}");
    }
}

#[tokio::test]
async fn a_body_that_tonic_streams_sees_the_scope_of_its_request() {
    use tonic::transport::{Channel, Server, server::TcpIncoming};
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

    let flags = flags([("a", true.into())]).await;
    let frames = Arc::new(Mutex::new(Vec::new()));
    let watch = {
        let frames = Arc::clone(&frames);
        move |response: Response<tonic::body::Body>| {
            let frames = Arc::clone(&frames);
            response.map(|body| {
                body.map_frame(move |frame| {
                    let kind = if frame.is_trailers() { "trailers" } else { "data" };
                    frames.lock().unwrap().push((kind, flagstaff::is_enabled("a")));
                    frame
                })
            })
        }
    };
    let (_, health) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .layer(flags.request_layer(Anonymous))
        .layer(tower::util::MapResponseLayer::new(watch))
        .add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client = HealthClient::new(channel.connect().await.unwrap());
    client.check(HealthCheckRequest { service: String::new() }).await.unwrap();

    assert_eq!(*frames.lock().unwrap(), [("data", true), ("trailers", true)]);
}
