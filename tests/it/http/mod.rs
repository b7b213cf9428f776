//! Gates, switches and request layers: in process, and over real connections.

mod axum;
mod body;
mod cookie;
mod gate;
mod grpc;
mod mechanics;
mod refusal;
mod rejected;
mod request;
mod sample;
mod saturated;
mod switch;
mod usage;
mod wire;

use std::convert::Infallible;

use bytes::Bytes;
use flagstaff::{Definition, Flags, Memory, Percentage, definition::Entry};
use http::{Request, Response, response::Parts};
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, Service, ServiceExt};

/// Returns flags with one source in memory.
async fn flags<const N: usize>(entries: [(&str, Entry); N]) -> Flags {
    let memory = Memory::new();
    for (key, entry) in entries {
        memory.insert(key, entry);
    }
    Flags::builder().source(memory).start().await.unwrap()
}

fn half() -> Entry {
    Definition::new().percentage(Percentage::whole(50).unwrap()).into()
}

pub(crate) fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).body(Empty::new()).unwrap()
}

/// Responds to everything with `open`.
async fn open<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("open")))
}

/// Returns the response of `open` behind `layer`, with its whole body.
pub(crate) async fn answer<L, B, R>(layer: L, request: Request<B>) -> (Parts, String)
where
    L: Layer<tower::util::ServiceFn<fn(Request<B>) -> BoxedAnswer>>,
    L::Service: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    R: http_body::Body<Data = Bytes>,
    R::Error: std::fmt::Debug,
    B: Send + 'static,
{
    fn boxed<B: Send + 'static>(request: Request<B>) -> BoxedAnswer {
        Box::pin(open(request))
    }
    let service = layer.layer(tower::service_fn(boxed::<B> as fn(Request<B>) -> BoxedAnswer));
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts, String::from_utf8(body.to_vec()).unwrap())
}

type BoxedAnswer =
    futures_util::future::BoxFuture<'static, Result<Response<Full<Bytes>>, Infallible>>;

/// Returns the headers as `name: value` lines, sorted.
fn lines(parts: &Parts) -> Vec<String> {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        format!("{name}: {}", value.to_str().unwrap())
    };
    let mut lines: Vec<_> = parts.headers.iter().map(line).collect();
    lines.sort();
    lines
}
