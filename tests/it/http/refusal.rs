//! Extractors that refuse requests.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use bytes::Bytes;
use flagstaff::{
    Context, FlagGate, FlagSwitch, Flags, RequestFlags, TrustedHeaders,
    context::{TryContextExtractor, context_fn, try_context_fn},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{flags, wire};

/// Returns an extractor that refuses requests without an account.
#[expect(clippy::result_large_err, reason = "a refusal may be a response as it is")]
fn signed_in() -> impl TryContextExtractor<Refusal = Response<String>> + Clone + Send + Sync {
    try_context_fn(|head| match head.headers.get("x-account").map(|id| id.to_str()) {
        Some(Ok(id)) => Ok(Context::user(id)),
        _ => {
            let response = Response::builder().status(401).header("www-authenticate", "Bearer");
            Err(response.body(format!("sign in to see {}", head.uri)).unwrap())
        }
    })
}

fn of(account: &str) -> Request<Full<Bytes>> {
    let request = Request::get("/x").header("x-account", account);
    request.body(Full::default()).unwrap()
}

fn stranger() -> Request<Full<Bytes>> {
    Request::get("/x").body(Full::default()).unwrap()
}

async fn ask<S, B>(service: S, request: Request<Full<Bytes>>) -> (StatusCode, String)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
#[expect(clippy::result_large_err, reason = "a refusal may be a response as it is")]
async fn a_refusal_is_kept_out_of_caches_unless_it_sets_cache_control() {
    let flags = vip().await;
    let of = async |refuse: fn() -> Response<String>| {
        let layer = flags.request_layer(try_context_fn(move |_| Err::<Context<'_>, _>(refuse())));
        let response = layer.layer(service_fn(old)).oneshot(stranger()).await.unwrap();
        response.headers()["cache-control"].clone()
    };

    assert_eq!(of(|| Response::new(String::new())).await, "no-store");
    let cached = || {
        let response = Response::builder().header("cache-control", "max-age=9");
        response.body(String::new()).unwrap()
    };
    assert_eq!(of(cached).await, "max-age=9");
}

#[tokio::test]
async fn a_second_user_line_lets_no_denied_user_in() {
    let all = flagstaff::Definition::new()
        .percentage(flagstaff::Percentage::ZERO)
        .denied_users(["mallory"])
        .allowed_groups(["beta"]);
    let flags = flags([("beta", all.into())]).await;
    let layer = flags.request_layer(TrustedHeaders::default());
    let layered = || layer.clone().layer(FlagGate::new("beta").layer(service_fn(old)));
    let own = || flags.gate("beta").context(TrustedHeaders::default()).layer(service_fn(old));
    let request = |users: &[&str]| {
        let groups =
            Request::get("/x").header("x-user-groups", "a").header("x-user-groups", "beta");
        let request = users.iter().fold(groups, |request, user| request.header("x-user-id", *user));
        request.body(Full::default()).unwrap()
    };

    for (users, status) in [
        (&["ana"][..], StatusCode::OK),
        (&["mallory"], StatusCode::NOT_FOUND),
        (&["mallory", "ana"], StatusCode::BAD_REQUEST),
        (&["ana", "mallory"], StatusCode::BAD_REQUEST),
        (&["mallory", ""], StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(ask(layered(), request(users)).await.0, status, "{users:?}");
        assert_eq!(ask(own(), request(users)).await.0, status, "{users:?}");
    }
    let lenient = TrustedHeaders::default().or_anonymous();
    let lenient = flags.gate("beta").context(lenient).layer(service_fn(old));
    let (status, _) = ask(lenient, request(&["mallory", "ana"])).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "the groups do not count either");
}

#[tokio::test]
async fn a_string_of_a_request_that_is_longer_than_8_kib_counts_as_missing() {
    let long = |extra: usize| "x".repeat(8 * 1024 + extra);
    let flags = flags([("a", true.into())]).await;
    let seen = async |context: Context<'static>| {
        let layer = flags.request_layer(context_fn(move |_| context.clone().shorten()));
        let handler = service_fn(async |request: Request<Full<Bytes>>| {
            let flags = request.extensions().get::<RequestFlags>().unwrap();
            Ok::<_, Infallible>(Response::new(flags.context().clone()))
        });
        layer.layer(handler).oneshot(stranger()).await.unwrap().into_body().into_inner()
    };

    let fits = Context::user(long(0)).group(long(0)).attribute("agent", long(0));
    assert_eq!(seen(fits.clone()).await, fits);
    let ana = Context::user("ana").group("beta").attribute("plan", "pro");
    let more = ana.clone().group(long(1)).attribute("agent", long(1));
    let more = more.attribute("tags", [long(1), "a".to_owned()]);
    assert_eq!(seen(more).await, ana);
    // Without the user, the groups belong to no known user.
    let nameless = Context::user(long(1)).group("beta").attribute("plan", "pro");
    assert_eq!(seen(nameless).await, Context::anonymous().attribute("plan", "pro"));
}

#[tokio::test]
async fn a_gate_with_an_extractor_of_its_own_sees_no_string_longer_than_8_kib() {
    let rule = flagstaff::definition::from_json(
        "a",
        r#"{"percentage": 0, "rules": [{"when": {"agent": {"ends_with": "x"}}, "serve": true}]}"#,
    );
    let flags = flags([("a", rule.unwrap().into())]).await;
    let by_agent = context_fn(|head| {
        let agent = head.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
        Context::anonymous().attribute("agent", agent)
    });
    let gate = || flags.gate("a").context(by_agent).layer(service_fn(old));

    for (length, status) in [(8 * 1024, StatusCode::OK), (8 * 1024 + 1, StatusCode::NOT_FOUND)] {
        let request = Request::get("/x").header("user-agent", "x".repeat(length));
        let (found, _) = ask(gate(), request.body(Full::default()).unwrap()).await;

        assert_eq!(found, status, "{length}");
    }
}

const REFUSED: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "sign in to see /x");

async fn old(_: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("old")))
}

async fn vip() -> Flags {
    let only_ana =
        flagstaff::Definition::new().percentage(flagstaff::Percentage::ZERO).allowed_users(["ana"]);
    flags([("vip", only_ana.into())]).await
}

#[tokio::test]
async fn a_request_layer_answers_refused_requests_itself() {
    let flags = vip().await;
    let calls = AtomicUsize::new(0);
    let calls = &*Box::leak(Box::new(calls));
    let service = service_fn(async |request: Request<Full<Bytes>>| {
        calls.fetch_add(1, SeqCst);
        let pinned = request.extensions().get::<RequestFlags>().unwrap();
        let id = pinned.context().targeting_key().unwrap().to_owned();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(id)))
    });
    let service = flags.request_layer(signed_in()).layer(service);

    let (status, body) = ask(service.clone(), stranger()).await;
    assert_eq!(((status, &*body), calls.load(SeqCst)), (REFUSED, 0));

    let (status, body) = ask(service, of("ana")).await;
    assert_eq!(((status, &*body), calls.load(SeqCst)), ((StatusCode::OK, "ana"), 1));
}

#[tokio::test]
async fn a_gate_answers_refused_requests_with_neither_the_service_nor_its_own_answer() {
    let flags = vip().await;
    let json = flags.gate("vip").context(signed_in());
    let page = json.clone().respond_with(|_, _| Response::new(Full::<Bytes>::from("no page")));
    let json = json.layer(service_fn(old));
    let page = page.layer(service_fn(old));

    for (status, body) in [ask(json.clone(), stranger()).await, ask(page.clone(), stranger()).await]
    {
        assert_eq!((status, &*body), REFUSED);
    }
    assert_eq!(ask(json.clone(), of("ana")).await, (StatusCode::OK, "old".to_owned()));
    assert_eq!(ask(page.clone(), of("ana")).await, (StatusCode::OK, "old".to_owned()));
    assert_eq!(ask(json, of("bob")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(page, of("bob")).await, (StatusCode::OK, "no page".to_owned()));
}

#[tokio::test]
async fn switches_and_concealed_gates_refuse_too() {
    let flags = vip().await;
    let new = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("new")))
    });
    let switch = FlagSwitch::new("vip", new).flags(&flags).context(signed_in());
    let hidden = flags.gate("vip").context(signed_in()).conceal(service_fn(old)).layer(new);
    let switch = switch.layer(service_fn(old));

    for (status, body) in
        [ask(switch.clone(), stranger()).await, ask(hidden.clone(), stranger()).await]
    {
        assert_eq!((status, &*body), REFUSED);
    }
    for (account, expected) in [("ana", "new"), ("bob", "old")] {
        let expected = (StatusCode::OK, expected.to_owned());
        assert_eq!(ask(switch.clone(), of(account)).await, expected);
        assert_eq!(ask(hidden.clone(), of(account)).await, expected);
    }
}

#[tokio::test]
async fn what_a_request_layer_has_pinned_is_not_extracted_again() {
    let flags = vip().await;
    let gate = flags.gate("vip").context(signed_in()).layer(service_fn(old));
    let mut request = stranger();
    request.extensions_mut().insert(flags.pin(Context::user("ana")));

    assert_eq!(ask(gate, request).await, (StatusCode::OK, "old".to_owned()));
}

#[tokio::test]
async fn a_refusal_is_sent_over_a_connection_as_it_is() {
    let flags = vip().await;
    let layers = tower::ServiceBuilder::new()
        .layer(flags.request_layer(signed_in()))
        .layer(FlagGate::new("vip"));
    let address = wire::serve(layers.service_fn(super::open)).await;

    let refused = wire::exchange(address, &wire::request("GET", "/x", "", "")).await;
    assert!(refused.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{refused}");
    assert!(refused.contains("www-authenticate: Bearer\r\n"), "{refused}");
    assert!(refused.ends_with("\r\n\r\nsign in to see /x"), "{refused}");

    let open = wire::exchange(address, &wire::request("GET", "/x", "x-account: ana\r\n", "")).await;
    assert!(open.ends_with("open"), "{open}");
}

#[tokio::test]
async fn a_refusal_may_be_a_status_alone_or_a_boxed_response() {
    let flags = vip().await;
    let status = try_context_fn(|_| Err(StatusCode::FORBIDDEN));
    let boxed = try_context_fn(|_| Err(Box::new(Response::new(String::from("boxed")))));
    let status = flags.gate("vip").context(status).layer(service_fn(old));
    let boxed = flags.request_layer(boxed).layer(service_fn(old));

    assert_eq!(ask(status, stranger()).await, (StatusCode::FORBIDDEN, String::new()));
    assert_eq!(ask(boxed, stranger()).await, (StatusCode::OK, "boxed".to_owned()));
}
