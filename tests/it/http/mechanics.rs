//! The layers as tower services: bounds, readiness, errors, allocations.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use flagstaff::{
    Context as Who, FlagGate, FlagSwitch, TrustedHeaders,
    context::{Anonymous, try_context_fn},
    gate::{BodyError, Concealed, EitherBody, Gated, Switched},
    request::RequestLayer,
};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimit, service_fn};

use super::{flags, half};

/// A service with scripted readiness. It panics if it is called while it is not ready.
#[derive(Clone)]
struct Scripted {
    readiness: Vec<Poll<Result<(), &'static str>>>,
    ready: bool,
    result: Result<(), &'static str>,
}

impl<B> Service<Request<B>> for Scripted {
    type Response = Response<()>;
    type Error = &'static str;
    type Future = Ready<Result<Response<()>, &'static str>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        let next = self.readiness.remove(0);
        self.ready = next == Poll::Ready(Ok(()));
        next
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        ready(self.result.map(Response::new))
    }
}

fn scripted(result: Result<(), &'static str>) -> Scripted {
    let readiness = vec![Poll::Pending, Poll::Ready(Ok(())), Poll::Ready(Err("broken"))];
    Scripted { readiness, ready: false, result }
}

fn poll<S: Service<Request<()>>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(Waker::noop()))
}

fn call<S: Service<Request<()>>>(service: &mut S) -> Result<S::Response, S::Error> {
    service.call(Request::new(())).now_or_never().expect("the service answers at once")
}

#[tokio::test]
async fn readiness_and_errors_are_those_of_the_inner_service() {
    let flags = flags([("on", true.into())]).await;
    let stack = ServiceBuilder::new()
        .layer(flags.request_layer(Anonymous))
        .layer(FlagGate::new("on"))
        .layer(flags.gate("on").conceal(Idle));
    let mut service = stack.service(scripted(Err("inner")));

    assert_eq!(poll(&mut service), Poll::Pending);
    assert_eq!(poll(&mut service), Poll::Ready(Ok(())));
    assert_eq!(call(&mut service).err(), Some("inner"));
    assert_eq!(poll(&mut service), Poll::Ready(Err("broken")));
}

#[tokio::test]
async fn a_closed_gate_does_not_call_a_service_that_is_ready() {
    let flags = flags([("off", false.into())]).await;
    let mut inner = scripted(Err("called"));
    assert_eq!(poll(&mut inner), Poll::Pending);
    let mut service = flags.gate("off").layer(inner);

    assert_eq!(poll(&mut service), Poll::Ready(Ok(())));

    assert_eq!(call(&mut service).unwrap().status(), StatusCode::NOT_FOUND);
}

/// A service that is always ready.
#[derive(Clone)]
struct Idle;

impl<B> Service<Request<B>> for Idle {
    type Response = Response<()>;
    type Error = &'static str;
    type Future = Ready<Result<Response<()>, &'static str>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

#[tokio::test]
async fn a_switch_without_flags_is_ready_when_both_services_are() {
    for first in [true, false] {
        let (on, off) = (scripted(Ok(())), Idle);
        let pending = |service: &mut dyn FnMut() -> Poll<Result<(), &'static str>>| {
            assert_eq!(service(), Poll::Pending);
            assert_eq!(service(), Poll::Ready(Ok(())));
            assert_eq!(service(), Poll::Ready(Err("broken")));
        };
        if first {
            let mut switch = Switched::new(off, FlagSwitch::new("a", on));
            pending(&mut || poll(&mut switch));
        } else {
            let mut switch = Switched::new(on, FlagSwitch::new("a", off));
            pending(&mut || poll(&mut switch));
        }
    }
}

#[tokio::test]
async fn a_closed_gate_leaves_no_permit_reserved_when_its_clone_is_dropped() {
    let flags = flags([("off", false.into())]).await;
    let service = flags.gate("off").layer(ConcurrencyLimit::new(Idle, 1));

    for _ in 0..3 {
        // The way in which hyper and axum call services.
        let response = service.clone().oneshot(Request::new(())).now_or_never();

        assert_eq!(response.expect("a permit is free").unwrap().status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn an_open_gate_allocates_nothing() {
    let flags = flags([("on", true.into()), ("half", half())]).await;
    let mut users = ["ana", "bob", "cem", "dai"].into_iter();
    let user = users.find(|&user| flags.is_enabled("half", &Who::user(user))).unwrap();
    let pinned = flags.pin(Who::user(user));

    let gates = [
        (FlagGate::new("half"), true),
        (flags.gate("half"), true),
        (FlagGate::all(["on", "half"]), true),
        (flags.gate("on"), false),
    ];
    let by_header = flags.gate("half").context(TrustedHeaders::default().or_anonymous());
    for (gate, pin) in gates.into_iter().chain([(by_header, false)]) {
        let shown = format!("{gate:?}");
        // A constant flag, since a response that depends on the user gets headers for caches.
        let hides = flags.gate("on").conceal(Idle);
        let mut gated = gate.layer(Idle);
        let mut concealed = hides.layer(Idle);
        let request = || {
            let mut request = Request::new(());
            request.headers_mut().insert("x-user-id", HeaderValue::from_static(user));
            request.headers_mut().insert("x-user-groups", HeaderValue::from_static("a, b"));
            if pin {
                request.extensions_mut().insert(pinned.clone());
            }
            request
        };
        let both = |gated: &mut Gated<Idle>, concealed: &mut Concealed<Idle, Idle>| {
            let requests = [request(), request()];
            let mut opened = false;
            let counted = allocation_counter::measure(|| {
                let [first, second] = requests;
                let gated = ServiceExt::<Request<()>>::ready(gated).now_or_never();
                let first = gated.unwrap().unwrap().call(first).now_or_never();
                let concealed = ServiceExt::<Request<()>>::ready(concealed).now_or_never();
                let second = concealed.unwrap().unwrap().call(second).now_or_never();
                let status = first.unwrap().unwrap().status();
                opened = status == 200 && second.unwrap().unwrap().status() == 200;
            });
            (opened, counted.count_total)
        };

        // The first call finds the slot and fills the cache of the thread.
        both(&mut gated, &mut concealed);

        assert_eq!(both(&mut gated, &mut concealed), (true, 0), "{shown}");
    }
}

#[test]
fn a_gates_body_passes_its_inner_body_through() {
    let body: EitherBody<_> = EitherBody::new(String::from("hello"));

    assert_eq!(body.size_hint().exact(), Some(5));
    assert!(!body.is_end_stream());
    assert!(EitherBody::<String>::default().is_end_stream());
}

/// The bounds of hyper on a service, through `hyper_util::service::TowerToHyperService`.
fn hyper<S, B>(_: S)
where
    S: Service<Request<hyper::body::Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
}

/// The bounds of tonic's `Server::serve`.
fn tonic<S, B>(_: S)
where
    S: Service<Request<tonic::body::Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
}

/// The bounds of axum's `Router::layer`.
fn axum<L>(layer: L)
where
    L: Layer<axum::routing::Route> + Clone + Send + Sync + 'static,
    L::Service: Service<axum::extract::Request> + Clone + Send + Sync + 'static,
    <L::Service as Service<axum::extract::Request>>::Response: axum::response::IntoResponse,
    <L::Service as Service<axum::extract::Request>>::Error: Into<Infallible>,
    <L::Service as Service<axum::extract::Request>>::Future: Send,
{
    let _: axum::Router = axum::Router::new().layer(layer);
}

#[tokio::test]
async fn the_layers_fit_hyper_axum_and_tonic() {
    let flags = flags([]).await;
    let request_layer: RequestLayer = flags.request_layer(Anonymous);
    let service = service_fn(super::open);
    let routes = tonic::service::Routes::default();
    let routes_again = routes.clone();
    let missing = ::axum::Router::<()>::new();

    hyper(request_layer.layer(service));
    hyper(FlagGate::new("a").layer(service));
    hyper(FlagGate::new("a").conceal(service).layer(service));
    hyper(FlagSwitch::new("a", service).layer(service));

    tonic(request_layer.layer(routes.clone()));
    tonic(FlagGate::new("a").layer(routes.clone()));
    tonic(FlagGate::new("a").conceal(routes.clone()).layer(routes.clone()));
    tonic(FlagSwitch::new("a", routes.clone()).layer(routes));

    // With a body of its own, and one of the extractor's.
    let refusing = || {
        try_context_fn(|head| match head.extensions.get::<String>() {
            Some(user) => Ok(Who::user(user.as_str())),
            None => Err(Box::new(Response::new(::axum::body::Body::empty()))),
        })
    };
    let gate = FlagGate::new("a").respond_with(|_, _| Response::new(String::from("a page")));
    let gate = gate.context(refusing());
    let request_refusing = flags.request_layer(refusing());
    hyper(gate.layer(service));
    hyper(request_refusing.layer(service));
    tonic(gate.layer(routes_again.clone()));
    tonic(request_refusing.layer(routes_again));
    axum(gate);
    axum(request_refusing);
    axum(FlagGate::new("a").context(refusing()).conceal(missing.clone()));
    axum(FlagSwitch::new("a", missing.clone()).context(refusing()));

    axum(request_layer);
    axum(FlagGate::new("a"));
    axum(FlagGate::new("a").conceal(missing.clone()));
    axum(FlagSwitch::new("a", missing));
}

#[tokio::test]
async fn the_services_lend_and_return_what_they_are_made_of() {
    let mut gated = Gated::new(1, FlagGate::new("a"));
    let mut concealed = Concealed::new(2, FlagGate::new("a").conceal(3));
    let mut switched = Switched::new(5, FlagSwitch::new("a", 4));

    *gated.get_mut() += 10;
    *concealed.get_mut().1 += 10;
    *switched.get_mut().0 += 10;

    assert_eq!((gated.get_ref(), gated.clone().into_inner()), (&11, 11));
    assert_eq!((concealed.get_ref(), concealed.clone().into_inner()), ((&2, &13), (2, 13)));
    assert_eq!((switched.get_ref(), switched.clone().into_inner()), ((&14, &5), (14, 5)));
}

#[test]
fn an_error_of_either_body_becomes_a_boxed_one() {
    type Boxed = Box<dyn std::error::Error + Send + Sync>;
    let inner: BodyError<Boxed, Infallible> = BodyError::Inner("inner".into());
    let own: BodyError<Infallible, std::fmt::Error> = BodyError::Own(std::fmt::Error);

    assert_eq!(inner.to_string(), "inner");
    assert_eq!(Boxed::from(inner).to_string(), "inner");
    assert!(Boxed::from(own).is::<std::fmt::Error>());
}
