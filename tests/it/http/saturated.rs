//! Kill switches in front of services that have no capacity left, or are broken.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use flagstaff::{
    Context as Who, Definition, FlagGate, FlagSwitch, Flags, TrustedHeaders,
    context::Anonymous,
    definition::{Condition, Prerequisite, Rule, Serve},
    gate::Requirement,
};
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimit, service_fn,
    util::BoxCloneSyncService,
};

use super::{flags, half, wire};
use crate::support::BOUND;

type Body = Full<bytes::Bytes>;
type Boxed<Q> = BoxCloneSyncService<Request<Q>, Response<Body>, Infallible>;

/// Returns a service with capacity for `permits` requests, and the semaphore that lets them finish.
fn limited<Q: Send + 'static>(
    permits: usize,
    name: &'static str,
) -> (ConcurrencyLimit<Boxed<Q>>, Arc<Semaphore>) {
    let finish = Arc::new(Semaphore::new(0));
    let gone = Arc::clone(&finish);
    let service = service_fn(move |_: Request<Q>| {
        let finish = Arc::clone(&finish);
        async move {
            finish.acquire().await.expect("it is not closed").forget();
            Ok::<_, Infallible>(Response::new(Body::from(name)))
        }
    });
    (ConcurrencyLimit::new(BoxCloneSyncService::new(service), permits), gone)
}

/// Requests that hang, and so use up the capacity.
struct Hanging(Vec<futures_util::future::BoxFuture<'static, ()>>);

async fn saturate<S>(service: &S, permits: usize) -> Hanging
where
    S: Service<Request<()>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: std::fmt::Debug,
{
    let hang = |_| {
        let mut call = service.clone().oneshot(Request::new(())).map(|_| ()).boxed();
        assert!((&mut call).now_or_never().is_none(), "it hangs");
        call
    };
    Hanging((0..permits).map(hang).collect())
}

/// Returns the status of the response, if it is available at once.
fn at_once<S, B>(service: &S, request: Request<()>) -> Option<StatusCode>
where
    S: Service<Request<()>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
{
    service.clone().oneshot(request).now_or_never().map(|answer| answer.unwrap().status())
}

fn of_user(user: &str) -> Request<()> {
    Request::get("/").header("x-user-id", user).body(()).unwrap()
}

/// Returns a user outside of the half, and one inside.
fn outside_and_inside(flags: &Flags) -> (String, String) {
    let mut users = (0..).map(|n| format!("user-{n}"));
    let inside = |user: &String| flags.is_enabled("half", &Who::user(user.as_str()));
    let out = users.by_ref().find(|user| !inside(user)).unwrap();
    (out, users.find(inside).unwrap())
}

const CLOSED: Option<StatusCode> = Some(StatusCode::NOT_FOUND);

#[tokio::test]
async fn a_gate_that_is_switched_off_answers_although_two_calls_hang_behind_a_limit_of_two() {
    let flags = flags([("a", true.into())]).await;
    let (inner, _finish) = limited(2, "a");
    let own = flags.gate("a").layer(inner.clone());
    let layered = ServiceBuilder::new()
        .layer(flags.request_layer(Anonymous))
        .layer(FlagGate::new("a"))
        .service(inner.clone());
    let _hanging = saturate(&own, 2).await;
    assert_eq!(at_once(&own, Request::new(())), None, "an open gate waits");
    assert_eq!(at_once(&layered, Request::new(())), None, "an open gate waits");

    flags.disable("a").await.unwrap();

    for _ in 0..3 {
        assert_eq!(at_once(&own, Request::new(())), CLOSED);
        assert_eq!(at_once(&layered, Request::new(())), CLOSED);
    }
}

#[tokio::test]
async fn a_gate_that_another_flag_closes_for_all_users_answers_although_calls_hang() {
    let maintenance = || Prerequisite::off("maintenance");
    let asks = Rule::new(Condition::Flag(maintenance()).unless(), Serve::Off);
    let definitions = [
        ("maintenance", false.into()),
        ("requires", Definition::new().requires([maintenance()]).into()),
        ("asks", Definition::new().rules([asks]).into()),
    ];
    let flags = flags(definitions).await;
    let (inner, _finish) = limited(1, "a");
    let gates = ["requires", "asks"].map(|flag| flags.gate(flag).layer(inner.clone()));
    let _hanging = saturate(&inner, 1).await;
    for gate in &gates {
        assert_eq!(at_once(gate, Request::new(())), None, "an open gate waits");
    }

    flags.enable("maintenance").await.unwrap();

    for gate in &gates {
        assert_eq!(at_once(gate, Request::new(())), CLOSED);
    }
}

#[tokio::test]
async fn a_request_that_waits_already_is_answered_when_the_gate_is_switched_off() {
    let flags = flags([("a", true.into()), ("b", false.into())]).await;
    let (inner, _finish) = limited(1, "a");
    let own = flags.gate("a").layer(inner.clone());
    let layered = ServiceBuilder::new()
        .layer(flags.request_layer(Anonymous))
        .layer(FlagGate::new("a"))
        .service(inner.clone());
    let _hanging = saturate(&inner, 1).await;
    let waiting = tokio::spawn(own.oneshot(Request::new(())));
    let layered = tokio::spawn(layered.oneshot(Request::new(())));
    tokio::task::yield_now().await;
    // A change of another flag wakes the requests, and they continue to wait.
    flags.enable("b").await.unwrap();
    tokio::task::yield_now().await;

    flags.disable("a").await.unwrap();

    let answer = timeout(BOUND, waiting).await.expect("it is woken").unwrap().unwrap();
    assert_eq!(answer.status(), 404);
    let answer = timeout(BOUND, layered).await.expect("it is woken").unwrap().unwrap();
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn a_closed_gate_answers_although_the_service_is_broken() {
    #[derive(Clone)]
    struct Broken;
    impl Service<Request<()>> for Broken {
        type Response = Response<()>;
        type Error = &'static str;
        type Future = Ready<Result<Response<()>, &'static str>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Err("broken"))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            ready(Err("called"))
        }
    }
    let flags = flags([("off", false.into()), ("on", true.into())]).await;

    assert_eq!(at_once(&flags.gate("off").layer(Broken), Request::new(())), CLOSED);
    let open = flags.gate("on").layer(Broken).oneshot(Request::new(())).await;
    assert_eq!(open.err(), Some("broken"));
}

#[tokio::test]
async fn a_gate_of_several_flags_is_closed_for_all_as_soon_as_its_flags_are() {
    let flags = flags([("on", true.into()), ("off", false.into()), ("half", half())]).await;
    let (inner, _finish) = limited(1, "a");
    let _hanging = saturate(&inner, 1).await;
    let own = |gate: FlagGate| gate.flags(&flags).layer(inner.clone());

    for (gate, answer) in [
        (FlagGate::all(["half", "off"]), CLOSED),
        (FlagGate::all([Requirement::off("on"), Requirement::on("half")]), CLOSED),
        (FlagGate::any(["unknown", "off"]), CLOSED),
        (FlagGate::new("on").inverted(), CLOSED),
        (FlagGate::new("unknown"), CLOSED),
        // These gates wait, since they are open for some users.
        (FlagGate::any(["half", "off"]), None),
        (FlagGate::all(["half", "on"]), None),
        (FlagGate::new("half"), None),
        (FlagGate::new("unknown").default_value(true), None),
        (FlagGate::new("off").inverted(), None),
    ] {
        let shown = format!("{gate:?}");

        assert_eq!(at_once(&own(gate), Request::new(())), answer, "{shown}");
    }
}

#[tokio::test]
async fn a_gate_without_flags_waits_as_its_service_does() {
    let (inner, finish) = limited(1, "a");
    let hanging = saturate(&inner, 1).await;
    let gate = FlagGate::new("a").layer(inner);
    assert_eq!(at_once(&gate, Request::new(())), None);

    finish.add_permits(1);
    for call in hanging.0 {
        call.await;
    }

    assert_eq!(at_once(&gate, Request::new(())), CLOSED);
}

#[tokio::test]
async fn a_kept_clone_of_a_gate_that_was_closed_for_its_user_keeps_no_permit() {
    let flags = flags([("half", half())]).await;
    let (out, inside) = outside_and_inside(&flags);
    let (inner, finish) = limited(1, "a");
    let gate = flags.gate("half").context(TrustedHeaders::default()).layer(inner);
    let mut kept = gate.clone();

    let closed = kept.ready().await.unwrap().call(of_user(&out)).await.unwrap();

    assert_eq!(closed.status(), 404);
    finish.add_permits(1);
    assert_eq!(at_once(&gate, of_user(&inside)), Some(StatusCode::OK));
    drop(kept);
}

#[tokio::test]
async fn a_request_that_finds_the_gate_open_again_waits_in_its_future() {
    let flags = flags([("a", false.into())]).await;
    let (inner, finish) = limited(1, "a");
    let hanging = saturate(&inner, 1).await;
    let mut gate = flags.gate("a").layer(inner);
    gate.ready().now_or_never().expect("it is closed for everybody").unwrap();

    flags.enable("a").await.unwrap();
    let mut answer = std::pin::pin!(gate.call(Request::new(())));

    assert!(answer.as_mut().now_or_never().is_none(), "the capacity is used up");
    finish.add_permits(2);
    for call in hanging.0 {
        call.await;
    }
    assert_eq!(timeout(BOUND, answer).await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn requests_that_a_gate_does_not_apply_to_wait_in_their_futures() {
    let flags = flags([("a", false.into())]).await;
    let (inner, finish) = limited(1, "a");
    let gate = flags.gate("a").only(|head| head.uri.path() == "/a").layer(inner.clone());
    let hanging = saturate(&inner, 1).await;
    let request = |path: &str| Request::get(path).body(()).unwrap();

    let waiting = tokio::spawn(gate.clone().oneshot(request("/b")));
    assert_eq!(at_once(&gate, request("/a")), CLOSED);

    finish.add_permits(2);
    for call in hanging.0 {
        call.await;
    }
    assert_eq!(timeout(BOUND, waiting).await.unwrap().unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_switch_reaches_the_idle_service_while_the_other_one_is_saturated() {
    let flags = flags([("on", true.into()), ("off", false.into()), ("half", half())]).await;
    let (busy, _finish) = limited(1, "busy");
    let (idle, finish) = limited(1, "idle");
    let _hanging = saturate(&busy, 1).await;
    finish.add_permits(4);
    let layered = ServiceBuilder::new()
        .layer(flags.request_layer(Anonymous))
        .layer(FlagSwitch::new("off", busy.clone()))
        .service(idle.clone());
    let concealed = flags.gate("off").conceal(idle.clone()).layer(busy.clone());
    let open = flags.gate("on").conceal(busy.clone()).layer(idle.clone());

    assert_eq!(at_once(&layered, Request::new(())), Some(StatusCode::OK));
    let to_on = flags.switch("on", idle.clone()).layer(busy.clone());
    assert_eq!(at_once(&to_on, Request::new(())), Some(StatusCode::OK));
    assert_eq!(at_once(&concealed, Request::new(())), Some(StatusCode::OK));
    assert_eq!(at_once(&open, Request::new(())), Some(StatusCode::OK));
    // The request may be for either service.
    assert_eq!(at_once(&flags.switch("half", idle).layer(busy), Request::new(())), None);
}

#[tokio::test]
async fn a_request_that_waits_for_one_service_goes_to_the_other_when_the_switch_is_thrown() {
    let flags = flags([("a", true.into())]).await;
    let (busy, _finish) = limited(1, "busy");
    let (idle, finish) = limited(1, "idle");
    let _hanging = saturate(&busy, 1).await;
    finish.add_permits(1);
    let waiting = tokio::spawn(flags.switch("a", busy).layer(idle).oneshot(Request::new(())));
    tokio::task::yield_now().await;

    flags.disable("a").await.unwrap();

    assert_eq!(timeout(BOUND, waiting).await.unwrap().unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_kept_clone_of_a_switch_keeps_no_permit_of_the_service_that_was_not_called() {
    let flags = flags([("half", half())]).await;
    let (out, _) = outside_and_inside(&flags);
    let (on, on_finish) = limited(1, "on");
    let (off, off_finish) = limited(1, "off");
    let switch = flags.switch("half", on.clone()).context(TrustedHeaders::default()).layer(off);
    let mut kept = switch.clone();
    off_finish.add_permits(1);

    kept.ready().await.unwrap().call(of_user(&out)).await.unwrap();

    on_finish.add_permits(1);
    assert_eq!(at_once(&on, Request::new(())), Some(StatusCode::OK));
}

#[tokio::test]
async fn a_buffer_around_a_gate_gets_going_when_the_gate_is_switched_off() {
    let flags = flags([("a", true.into())]).await;
    let (inner, _finish) = limited(1, "a");
    let _hanging = saturate(&inner, 1).await;
    let service = ServiceBuilder::new().buffer(4).layer(flags.gate("a")).service(inner);
    // The worker now holds this request and waits for the limit.
    let first = tokio::spawn(service.clone().oneshot(Request::new(())));
    tokio::task::yield_now().await;

    flags.disable("a").await.unwrap();

    let answer = timeout(BOUND, first).await.expect("it is woken").unwrap().unwrap();
    assert_eq!(answer.status(), 404);
    let answer = timeout(BOUND, service.oneshot(Request::new(()))).await.unwrap().unwrap();
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn a_closed_gate_answers_in_front_of_a_full_buffer() {
    let flags = flags([("a", true.into())]).await;
    let (inner, _finish) = limited(1, "a");
    let _hanging = saturate(&inner, 1).await;
    let service = ServiceBuilder::new().layer(flags.gate("a")).buffer(1).service(inner);
    let fill = || tokio::spawn(service.clone().oneshot(Request::new(())));
    let _full = [fill(), fill(), fill()];
    tokio::task::yield_now().await;
    assert!(service.clone().oneshot(Request::new(())).now_or_never().is_none());

    flags.disable("a").await.unwrap();

    assert_eq!(at_once(&service, Request::new(())), CLOSED);
}

#[tokio::test]
async fn a_closed_gate_is_not_shed_and_an_open_one_is() {
    let flags = flags([("a", true.into())]).await;
    let (inner, _finish) = limited(1, "a");
    let _hanging = saturate(&inner, 1).await;
    let around = ServiceBuilder::new().load_shed().layer(flags.gate("a")).service(inner.clone());
    let behind = ServiceBuilder::new().layer(flags.gate("a")).load_shed().service(inner);
    let shed = |error: Option<BoxError>| {
        error.is_some_and(|error| error.is::<tower::load_shed::error::Overloaded>())
    };
    assert!(shed(around.clone().oneshot(Request::new(())).await.err()));
    assert!(shed(behind.clone().oneshot(Request::new(())).await.err()));

    flags.disable("a").await.unwrap();

    assert_eq!(at_once(&around, Request::new(())), CLOSED);
    assert_eq!(at_once(&behind, Request::new(())), CLOSED);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_bounds_the_wait_of_a_request_that_finds_the_gate_open_again() {
    let flags = flags([("a", false.into())]).await;
    let (inner, _finish) = limited(1, "a");
    let _hanging = saturate(&inner, 1).await;
    let mut service =
        ServiceBuilder::new().timeout(Duration::from_secs(3)).layer(flags.gate("a")).service(inner);
    assert_eq!(at_once(&service, Request::new(())), CLOSED);
    service.ready().await.unwrap();

    flags.enable("a").await.unwrap();
    let error = service.call(Request::new(())).await.unwrap_err();

    assert!(error.is::<tower::timeout::error::Elapsed>(), "{error}");
}

#[tokio::test]
async fn a_closed_gate_answers_in_a_router_whose_request_layer_is_around_it() {
    use axum::{Router, body::Body, routing::get};

    let flags = flags([("a", false.into())]).await;
    let (inner, _finish) = limited::<Body>(1, "a");
    let mut busy = inner.clone();
    let _hanging = busy.ready().await.unwrap();
    let router = Router::new()
        .route_service("/a", FlagGate::new("a").layer(inner))
        .route("/b", get(|| async { "b" }))
        .layer(flags.request_layer(Anonymous));

    let closed = router.oneshot(Request::get("/a").body(Body::empty()).unwrap());

    assert_eq!(closed.now_or_never().expect("it is at once").unwrap().status(), 404);
}

/// The first request on each connection hangs.
#[tokio::test]
async fn a_switched_off_gate_answers_over_both_versions_of_http_while_calls_hang() {
    for version_2 in [false, true] {
        let flags = flags([("a", true.into())]).await;
        let (inner, finish) = limited(2, "a");
        let address = wire::serve(
            ServiceBuilder::new()
                .layer(flags.request_layer(Anonymous))
                .layer(FlagGate::new("a"))
                .service(inner),
        )
        .await;
        let get = move || async move {
            let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
            let request =
                Request::get("http://x/").header("host", "x").body(Empty::<bytes::Bytes>::new());
            let request = request.unwrap();
            let response = if version_2 {
                let (mut sender, connection) =
                    hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
                tokio::spawn(connection);
                sender.send_request(request).await
            } else {
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                sender.send_request(request).await
            };
            response.unwrap().status()
        };
        let hanging = [tokio::spawn(get()), tokio::spawn(get()), tokio::spawn(get())];
        tokio::task::yield_now().await;

        flags.disable("a").await.unwrap();

        assert_eq!(timeout(BOUND, get()).await.expect("it is closed"), 404);
        // Requests that had reached the service are served. One that waited gets the response of the closed gate.
        finish.add_permits(3);
        for answer in hanging {
            timeout(BOUND, answer).await.expect("it ends").unwrap();
        }
    }
}
