//! A service with and without a gate in front of it.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use flagstaff::{
    Context as Who, Definition, FlagGate, Flags, Memory, Percentage, TrustedHeaders,
    gate::DefaultDenial,
};
use http::{HeaderValue, Request, Response, StatusCode};
use tower::{Layer, Service};

use super::CALLS;

/// The service behind the gate, which responds at once.
#[derive(Clone)]
pub(crate) struct Inner;

impl Service<Request<u64>> for Inner {
    type Response = Response<u64>;
    type Error = Infallible;
    type Future = Ready<Result<Response<u64>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<u64>) -> Self::Future {
        ready(Ok(Response::new(request.into_body())))
    }
}

/// Other headers that clients and proxies send.
const OTHERS: [&str; 11] = [
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
    "traceparent",
    "accept-language",
    "connection",
    "cookie",
];

/// A gate and the requests that it gets.
pub(crate) struct Gates {
    requests: Vec<Request<u64>>,
    constant: FlagGate,
    closed: FlagGate,
    by_header: FlagGate<DefaultDenial, StatusCode>,
    /// Kept alive, since the gates evaluate them.
    _flags: Flags,
}

impl Gates {
    /// Creates requests with this many headers. The last header is the user, who differs in each request.
    pub(crate) fn new(headers: usize) -> Self {
        let half = Definition::new().percentage(Percentage::whole(50).expect("it is at most 100"));
        let memory = Memory::new().with("open", true).with("closed", false).with("half", half);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let start = Flags::builder().source(memory).start();
        let flags = runtime.expect("a runtime").block_on(start).expect("memory starts");
        // Only users inside the percentage: the gate itself would respond to the others.
        let inside = |n: &u64| flags.is_enabled("half", &Who::user(format!("user-{n}")));
        let request = |n| {
            let mut request = Request::new(n);
            if headers > 0 {
                for name in &OTHERS[..headers - 1] {
                    request.headers_mut().insert(*name, HeaderValue::from_static("something"));
                }
                let user = format!("user-{n}").parse().expect("a header value");
                request.headers_mut().insert("x-user-id", user);
            }
            request
        };
        Self {
            requests: (0..).filter(inside).map(request).take(CALLS).collect(),
            constant: flags.gate("open"),
            closed: flags.gate("closed"),
            by_header: flags.gate("half").context(TrustedHeaders::default()),
            _flags: flags,
        }
    }
}

fn call<S: Service<Request<u64>, Error = Infallible>>(
    service: &mut S,
    request: Request<u64>,
) -> bool {
    let cx = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(())) = service.poll_ready(cx) else { return false };
    let response = pin!(service.call(black_box(request)));
    black_box(response.poll(cx)).is_ready()
}

fn calls<S: Service<Request<u64>, Error = Infallible>>(gates: &mut Gates, mut service: S) -> usize {
    let requests = std::mem::take(&mut gates.requests).into_iter();
    requests.filter_map(|request| call(&mut service, request).then_some(())).count()
}

pub(crate) fn no_gate(gates: &mut Gates) -> usize {
    calls(gates, Inner)
}

pub(crate) fn open_gate(gates: &mut Gates) -> usize {
    let service = gates.constant.layer(Inner);
    calls(gates, service)
}

pub(crate) fn closed_gate(gates: &mut Gates) -> usize {
    let service = gates.closed.layer(Inner);
    calls(gates, service)
}

pub(crate) fn gate_by_header(gates: &mut Gates) -> usize {
    let service = gates.by_header.layer(Inner);
    calls(gates, service)
}
