//! The responses of a gate.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{self, Poll},
};

use flagstaff::{
    Context, Definition, FlagGate, FlagName, Percentage, Reason, TrustedHeaders,
    answer::ErrorCode,
    context::context_fn,
    gate::{BodyError, DenialResponse, GateDenied, GrpcStatus, InvalidGate, Requirement},
};
use http::{Method, Request, Response, StatusCode, header::HeaderValue, request::Parts};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, ServiceExt};

use super::{answer, flags, get, half, lines};

/// The body of the response in section 3 of interop.md.
const BODY: &str = r#"{"detail":"Feature not available","code":"FEATURE_DISABLED","details":{}}"#;

fn denied(parts: &http::response::Parts) -> &GateDenied {
    parts.extensions.get().expect("a closed gate says why")
}

#[tokio::test]
async fn the_default_answer_is_the_python_sdks_plus_no_store() {
    let flags = flags([("beta", false.into())]).await;

    let (parts, body) = answer(flags.gate("beta"), get("/")).await;

    assert_eq!(parts.status, StatusCode::NOT_FOUND);
    assert_eq!(lines(&parts), ["cache-control: no-store", "content-type: application/json"]);
    assert_eq!((body.len(), &*body), (73, BODY));
}

#[tokio::test]
async fn a_gate_is_closed_for_users_whose_variant_counts_as_off() {
    let drawn = Definition::new().variants([("on", 10), ("off", 90)]);
    let never = Definition::new().variants([("on", 0), ("off", 1)]).off("off");
    let flags = flags([("drawn", drawn.into()), ("never", never.into())]).await;
    let mut open = 0;

    for n in 0..100 {
        let name = format!("user-{n}");
        let is_on = flags.variant("drawn", &Context::user(&name), "none").value == "on";
        open += usize::from(is_on);
        for (flag, is_on) in [("drawn", is_on), ("never", false)] {
            let user = name.clone();
            let gate = flags.gate(flag).context(context_fn(move |_| Context::user(user.clone())));
            let (parts, _) = answer(gate, get("/")).await;
            assert_eq!(parts.status == StatusCode::OK, is_on, "{flag} {n}");
        }
    }
    assert!((1..30).contains(&open), "{open}");
}

#[tokio::test]
async fn an_open_gate_changes_nothing() {
    let flags = flags([("beta", true.into())]).await;

    let (parts, body) = answer(flags.gate("beta"), get("/")).await;

    assert_eq!((parts.status, &*body), (StatusCode::OK, "open"));
    assert!(parts.headers.is_empty());
    assert!(parts.extensions.get::<GateDenied>().is_none());
}

#[tokio::test]
async fn status_detail_and_code_are_as_configured() {
    let flags = flags([("beta", false.into())]).await;
    let gate = flags.gate("beta").status(StatusCode::FORBIDDEN);
    let gate = gate.detail("Beta only: ask your admin").code("BETA_ONLY");

    let (parts, body) = answer(gate, get("/")).await;

    assert_eq!(parts.status, StatusCode::FORBIDDEN);
    assert_eq!(body, r#"{"detail":"Beta only: ask your admin","code":"BETA_ONLY","details":{}}"#);
}

#[tokio::test]
async fn every_status_is_sent_as_it_is() {
    let flags = flags([("beta", false.into())]).await;

    for status in (100..=999).map(|status| StatusCode::from_u16(status).unwrap()) {
        let (parts, body) = answer(flags.gate("beta").status(status), get("/")).await;

        assert_eq!((parts.status, &*body), (status, BODY));
    }
}

#[tokio::test]
async fn an_inverted_gate_is_open_while_the_flag_is_off_or_unset() {
    let flags = flags([("on", true.into()), ("off", false.into())]).await;

    for (flag, status) in [("on", 404), ("off", 200), ("unset", 200)] {
        let (parts, body) = answer(flags.gate(flag).inverted(), get("/")).await;

        assert_eq!(parts.status, status, "{flag}");
        assert_eq!(body, if status == 404 { BODY } else { "open" });
    }
}

#[tokio::test]
async fn all_any_and_negation_follow_their_truth_tables() {
    for (a, b) in [(false, false), (false, true), (true, false), (true, true)] {
        let flags = flags([("a", a.into()), ("b", b.into())]).await;
        let gates = [
            (FlagGate::all(["a", "b"]), a && b),
            (FlagGate::any(["a", "b"]), a || b),
            (FlagGate::all([Requirement::on("a"), Requirement::off("b")]), a && !b),
            (FlagGate::any([Requirement::off("a"), "b".into()]), !a || b),
            (FlagGate::all(["a", "b"]).inverted(), !(a && b)),
            (FlagGate::any(["a", "b"]).inverted(), !(a || b)),
            (FlagGate::try_all(vec!["a", "b"]).unwrap(), a && b),
            (FlagGate::try_any(vec!["a", "b"]).unwrap(), a || b),
            (FlagGate::new(Requirement::off("a")), !a),
        ];

        for (gate, expected) in gates {
            let gate = gate.flags(&flags);
            let shown = format!("{gate:?}");
            let (parts, _) = answer(gate, get("/")).await;
            assert_eq!(parts.status == StatusCode::OK, expected, "{a} {b} {shown}");
        }
    }
}

#[tokio::test]
async fn the_flag_that_decided_is_named() {
    let flags = flags([("on", true.into()), ("off", false.into())]).await;
    let all = |keys: [&str; 2]| FlagGate::all(keys).flags(&flags);
    let any = |keys: [&str; 2]| FlagGate::any(keys).flags(&flags);

    for (gate, key, value) in [
        (all(["on", "off"]), "off", false),
        (all(["on", "on"]).inverted(), "on", true),
        (any(["off", "unknown"]), "off", false),
        (any(["off", "on"]).inverted(), "on", true),
    ] {
        let (parts, _) = answer(gate, get("/")).await;

        assert_eq!((denied(&parts).key(), denied(&parts).answer().value), (key, value));
    }
}

#[test]
fn a_gate_without_flags_cannot_be_made() {
    let none = Vec::<String>::new();

    assert_eq!(FlagGate::try_all(&none).unwrap_err(), InvalidGate::NoFlags);
    assert_eq!(FlagGate::try_any(&none).unwrap_err(), InvalidGate::NoFlags);
}

#[tokio::test]
async fn an_unknown_flag_has_the_default_value_of_the_gate() {
    let flags = flags([]).await;

    let (parts, body) = answer(flags.gate("nobody_has_it"), get("/")).await;
    assert_eq!(body, BODY);
    let answer_ = denied(&parts).answer();
    assert_eq!(answer_.reason, Reason::Error);
    assert_eq!(answer_.error_code, Some(ErrorCode::FlagNotFound));

    let (parts, _) = answer(flags.gate("nobody_has_it").default_value(true), get("/")).await;
    assert_eq!(parts.status, StatusCode::OK);
}

#[tokio::test]
async fn a_gate_without_flags_uses_its_default_and_logs_the_reason() {
    let (parts, body) = answer(FlagGate::new("beta"), get("/")).await;

    assert_eq!(body, BODY);
    let answer_ = denied(&parts).answer();
    assert_eq!(answer_.reason, Reason::Error);
    assert_eq!(answer_.error_code, Some(ErrorCode::ProviderNotReady));

    let (parts, _) = answer(FlagGate::new("beta").default_value(true), get("/")).await;
    assert_eq!(parts.status, StatusCode::OK);
}

#[tokio::test]
async fn problem_details_have_the_members_of_rfc_9457_and_the_code() {
    let flags = flags([("beta", false.into())]).await;

    let (parts, body) = answer(flags.gate("beta").problem_json(), get("/")).await;

    assert_eq!(parts.status, StatusCode::NOT_FOUND);
    let expected = ["cache-control: no-store", "content-type: application/problem+json"];
    assert_eq!(lines(&parts), expected);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Feature not available",
        "code": "FEATURE_DISABLED",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_redirect_has_its_target_and_no_body() {
    let flags = flags([("beta", false.into())]).await;

    for target in [
        "/checkout",
        "/a?b=c#d",
        "https://example.com",
        "HTTPS://example.com/x",
        "http://[::1]:80/x",
    ] {
        let gate = flags.gate("beta").redirect(target).unwrap();
        let (parts, body) = answer(gate, get("/")).await;

        assert_eq!((parts.status, &*body), (StatusCode::SEE_OTHER, ""));
        let expected = ["cache-control: no-store".to_owned(), format!("location: {target}")];
        assert_eq!(lines(&parts), expected);
    }
}

#[test]
fn a_target_that_clients_may_misunderstand_is_refused() {
    for target in [
        "",
        "checkout",
        "example.com",
        "//example.com",
        "/\\example.com",
        "/a b",
        "/a#b c",
        "/\r\nx: y",
        "mailto:ana@example.com",
        "javascript:alert(1)",
        "javascript://example.com/%0aalert(1)",
        "JavaScript://example.com/%0aalert(1)",
        "data:text/html,<script>alert(1)</script>",
        "data://text/html,x",
        "file:///etc/passwd",
        "file://host/etc/passwd",
        "ftp://example.com/x",
        "/a\u{7f}",
        "/a\tb",
        "https://example.com/\u{85}",
        "https://",
        "?a",
        "#a",
        "*",
        "/ü",
    ] {
        let error = FlagGate::new("beta").redirect(target).unwrap_err();

        assert_eq!(error, InvalidGate::RedirectTarget { target: target.to_owned() });
    }
}

#[tokio::test]
async fn a_closure_builds_the_whole_response() {
    let flags = flags([("beta", false.into())]).await;
    let gate = flags.gate("beta").respond_with(|denied, request| {
        let mut page = Response::new(format!("{} {}", request.uri.path(), denied));
        *page.status_mut() = StatusCode::GONE;
        page
    });

    let (parts, body) = answer(gate, get("/x")).await;

    assert_eq!((parts.status, &*body), (StatusCode::GONE, "/x flag `beta` is off (DISABLED)"));
    assert_eq!(lines(&parts), ["cache-control: no-store"]);
    assert_eq!(denied(&parts).key(), "beta");
}

#[tokio::test]
async fn a_closures_cache_control_stays() {
    let flags = flags([("beta", false.into())]).await;
    let gate = flags.gate("beta").respond_with(|_, _| {
        let response = Response::builder().header("cache-control", "max-age=5");
        response.body(String::new()).unwrap()
    });

    let (parts, _) = answer(gate, get("/x")).await;

    assert_eq!(lines(&parts), ["cache-control: max-age=5"]);
}

#[tokio::test]
async fn a_grpc_request_gets_a_trailers_only_answer() {
    let flags = flags([("beta", false.into())]).await;
    let request = || {
        let request = Request::builder().method(Method::POST);
        request
            .header("content-type", "application/grpc+proto")
            .body(Empty::<bytes::Bytes>::new())
            .unwrap()
    };

    let (parts, body) = answer(flags.gate("beta").redirect("/x").unwrap(), request()).await;

    assert_eq!((parts.status, &*body), (StatusCode::OK, ""));
    let expected = [
        "cache-control: no-store",
        "content-type: application/grpc",
        "grpc-message: Feature not available",
        "grpc-status: 12",
    ];
    assert_eq!(lines(&parts), expected);
    assert_eq!(denied(&parts).key(), "beta");

    let gate = flags.gate("beta").grpc_status(GrpcStatus::Unauthenticated).detail("Nur für 100 %");
    let (parts, _) = answer(gate, request()).await;
    let expected = [
        "cache-control: no-store",
        "content-type: application/grpc",
        "grpc-message: Nur f%C3%BCr 100 %25",
        "grpc-status: 16",
    ];
    assert_eq!(lines(&parts), expected);
}

#[test]
fn only_errors_of_grpc_are_grpc_statuses() {
    for status in [i32::MIN, -1, 0, 17, 256 + 12, i32::MAX] {
        assert_eq!(GrpcStatus::try_from(status).unwrap_err(), InvalidGate::GrpcStatus);
    }
    for status in 1..=16 {
        assert_eq!(GrpcStatus::try_from(status).unwrap() as i32, status);
    }
}

#[tokio::test]
async fn an_anonymous_request_is_outside_a_percentage() {
    let flags = flags([("half", half())]).await;

    let (parts, _) = answer(flags.gate("half"), get("/")).await;

    let answer = denied(&parts).answer();
    assert_eq!(answer.error_code, Some(ErrorCode::TargetingKeyMissing));
}

#[tokio::test]
async fn a_gate_with_flags_of_its_own_draws_by_the_users_header() {
    let flags = flags([("half", half())]).await;
    let gate = flags.gate("half").context(TrustedHeaders::default());

    for user in ["ana", "bob", "cem", "dai", "eva", "fin"] {
        let mut request = get("/");
        request.headers_mut().insert("x-user-id", HeaderValue::from_static(user));
        let (parts, _) = answer(gate.clone(), request).await;

        let expected = flags.is_enabled("half", &Context::user(user));
        assert_eq!(parts.status == StatusCode::OK, expected, "{user}");
    }
}

#[tokio::test]
async fn what_is_pinned_for_the_request_beats_the_gates_newer_generation() {
    let flags = flags([("beta", true.into())]).await;
    let mut request = get("/");
    request.extensions_mut().insert(flags.pin(Context::anonymous()));

    flags.disable("beta").await.unwrap();

    for gate in [FlagGate::new("beta"), flags.gate("beta")] {
        let (parts, _) = answer(gate, request.clone()).await;
        assert_eq!(parts.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn the_scope_of_the_task_serves_where_extensions_were_lost() {
    let flags = flags([("beta", true.into())]).await;
    let pinned = flags.pin(Context::anonymous());

    let (parts, _) = pinned.scope(answer(FlagGate::new("beta"), get("/"))).await;

    assert_eq!(parts.status, StatusCode::OK);
}

#[tokio::test]
async fn a_gate_with_own_flags_evaluates_them_for_the_pinned_user() {
    let ours = Definition::new().percentage(Percentage::ZERO).allowed_users(["ana"]);
    let ours = flags([("beta", ours.into())]).await;
    let others = flags([("beta", true.into())]).await;

    for (user, status) in [("ana", 200), ("bob", 404)] {
        let mut request = get("/");
        request.extensions_mut().insert(others.pin(Context::user(user)));

        let (parts, _) = answer(ours.gate("beta"), request).await;

        assert_eq!(parts.status, status, "{user}");
    }
}

#[tokio::test]
async fn a_gate_made_before_its_flag_follows_it() {
    let flags = flags([]).await;
    let gate = flags.gate("later");

    for (on, status) in [(None, 404), (Some(true), 200), (Some(false), 404)] {
        match on {
            None => {}
            Some(true) => drop(flags.enable("later").await.unwrap()),
            Some(false) => drop(flags.disable("later").await.unwrap()),
        }
        let (parts, _) = answer(gate.clone(), get("/")).await;
        assert_eq!(parts.status, status, "{on:?}");
    }
}

#[tokio::test]
async fn overrides_of_a_test_hold_for_gates() {
    let flags = flags([("beta", false.into())]).await;
    let pinned = flags.pin(Context::anonymous());

    for gate in [FlagGate::new("beta"), flags.gate("beta")] {
        let mut request = get("/");
        request.extensions_mut().insert(pinned.clone());
        let inside = flagstaff::testing::with_overrides([("beta", true)], answer(gate, request));

        assert_eq!(inside.await.0.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_gate_names_its_flag_in_every_way_that_a_question_does() {
    const BETA: FlagName = FlagName::new("beta");
    let flags = flags([("beta", true.into())]).await;
    let resolved = flags.flag("beta");

    for gate in [
        flags.gate(BETA),
        flags.gate(resolved.clone()),
        flags.gate(&resolved),
        flags.gate("beta"),
        flags.gate(String::from("beta")),
        flags.gate(Requirement::on(BETA)),
        FlagGate::all([BETA, BETA]).flags(&flags),
        FlagGate::any([&resolved]).flags(&flags),
        FlagGate::new(Requirement::off(&resolved)).inverted().flags(&flags),
    ] {
        let (parts, _) = answer(gate, get("/")).await;

        assert_eq!(parts.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_gate_on_some_requests_lets_the_others_pass_untouched() {
    let flags = flags([("beta", false.into())]).await;
    let gate = flags.gate("beta").only(|head| head.uri.path().starts_with("/beta"));
    let narrowed = gate.clone().only(|head| head.method == Method::POST);

    for (path, status) in [("/beta", 404), ("/beta/x", 404), ("/", 200)] {
        let (parts, _) = answer(gate.clone(), get(path)).await;
        assert_eq!(parts.status, status, "{path}");
        assert_eq!(parts.headers.is_empty(), status == 200);

        let (parts, _) = answer(narrowed.clone(), get(path)).await;
        assert_eq!(parts.status, StatusCode::OK, "{path}");
    }
    let mut post = get("/beta");
    *post.method_mut() = Method::POST;
    assert_eq!(answer(narrowed, post).await.0.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn no_flag_is_evaluated_for_requests_that_a_gate_does_not_apply_to() {
    let flags = flags([("beta", false.into())]).await;
    let extractor = context_fn(|head| panic!("asked about {}", head.uri));
    let gate = flags.gate("beta").context(extractor).only(|head| head.uri.path() != "/");

    let (parts, _) = answer(gate, get("/")).await;

    assert_eq!(parts.status, StatusCode::OK);
}

#[tokio::test]
async fn a_concealed_gate_on_some_requests_hides_only_those() {
    let flags = flags([("beta", false.into())]).await;
    let not_found = tower::service_fn(async |_: Request<Empty<bytes::Bytes>>| {
        Ok(Response::new(Full::from("not found")))
    });
    let gate = flags.gate("beta").only(|head| head.uri.path() == "/hidden").conceal(not_found);

    assert_eq!(answer(gate.clone(), get("/hidden")).await.1, "not found");
    assert_eq!(answer(gate, get("/")).await.1, "open");
}

/// Responds for missing routes, with these headers.
fn not_found(
    headers: &'static [(&str, &str)],
) -> impl tower::Service<
    Request<Empty<bytes::Bytes>>,
    Response = Response<Full<bytes::Bytes>>,
    Error = std::convert::Infallible,
    Future = impl Future<Output = Result<Response<Full<bytes::Bytes>>, std::convert::Infallible>>,
> + Clone {
    tower::service_fn(move |_: Request<Empty<bytes::Bytes>>| async move {
        let mut response = Response::new(Full::from("not found"));
        for &(name, value) in headers {
            response.headers_mut().append(name, HeaderValue::from_static(value));
        }
        Ok(response)
    })
}

#[tokio::test]
async fn no_cache_keeps_what_a_concealed_gate_answers_to_one_user() {
    let flags = flags([("half", half()), ("on", true.into()), ("off", false.into())]).await;
    let mut users = ["ana", "bob", "cem", "dai", "eva", "fin"].into_iter();
    let (inside, outside): (Vec<_>, Vec<_>) =
        users.by_ref().partition(|&user| flags.is_enabled("half", &Context::user(user)));
    let public = &[("cache-control", "public, max-age=60"), ("cdn-cache-control", "max-age=60")];
    let all = async |flag: &str, user: &'static str, headers: &'static [(&str, &str)]| {
        let mut request = get("/");
        request.headers_mut().insert("x-user-id", HeaderValue::from_static(user));
        let gate = flags.gate(flag).context(TrustedHeaders::default()).conceal(not_found(headers));
        let (parts, body) = answer(gate, request).await;
        (body, lines(&parts))
    };
    let of = |body: &str, headers: &[&str]| {
        (body.to_owned(), headers.iter().copied().map(str::to_owned).collect::<Vec<_>>())
    };

    let [inside, outside] = [inside[0], outside[0]];
    let vary = "vary: x-user-id, x-user-groups";
    assert_eq!(all("half", inside, &[]).await, of("open", &["cache-control: private", vary]));
    let hidden = of("not found", &["cache-control: no-store"]);
    assert_eq!(all("half", outside, &[]).await, hidden);
    assert_eq!(all("half", outside, public).await, hidden);
    // A response that does not depend on the user is unchanged.
    assert_eq!(all("on", inside, &[]).await, of("open", &[]));
    assert_eq!(all("off", outside, &[]).await, of("not found", &[]));
    assert_eq!(all("off", outside, public).await.1.len(), 2);
}

#[tokio::test]
async fn a_concealed_gate_adds_nothing_to_a_not_found_that_no_cache_keeps() {
    let flags = flags([("half", half())]).await;

    for headers in [
        &[("cache-control", "no-store"), ("x-served-by", "a")],
        &[("cache-control", "private, max-age=5"), ("vary", "accept")],
    ] {
        let missing = answer(tower::layer::layer_fn(|_| not_found(headers)), get("/")).await;
        let gate = flags.gate("half").conceal(not_found(headers));
        let hidden = answer(gate, get("/")).await;

        assert_eq!((hidden.0.headers, hidden.1), (missing.0.headers, missing.1));
    }
}

#[tokio::test]
async fn the_body_of_a_closures_response_may_stream_and_fail() {
    let flags = flags([("beta", false.into())]).await;
    let frames = || [Ok(Frame::data(bytes::Bytes::from("half"))), Err("broken")];
    let gate =
        flags.gate("beta").respond_with(move |_, _| Response::new(Streamed(frames().into())));
    let service = gate.layer(tower::service_fn(super::open::<()>));

    let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();

    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    assert_eq!(body.frame().await.unwrap().unwrap_err(), BodyError::Own("broken"));
    assert!(body.frame().await.is_none());
}

/// A body whose frames are available at once.
struct Streamed(VecDeque<Result<Frame<bytes::Bytes>, &'static str>>);

impl Body for Streamed {
    type Data = bytes::Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, &'static str>>> {
        Poll::Ready(self.0.pop_front())
    }
}

struct Gone;

impl DenialResponse for Gone {
    type Body = String;

    fn respond(&self, denied: &GateDenied, _: &Parts) -> Response<String> {
        Response::builder().status(StatusCode::GONE).body(denied.key().to_owned()).unwrap()
    }
}

#[tokio::test]
async fn a_type_of_its_own_builds_the_response_and_names_the_gate() {
    let flags = flags([("beta", false.into())]).await;
    let gate: FlagGate<Gone> = flags.gate("beta").response(Gone);

    let (parts, body) = answer(gate, get("/")).await;

    assert_eq!((parts.status, &*body), (StatusCode::GONE, "beta"));
    assert_eq!(lines(&parts), ["cache-control: no-store"]);
}

#[tokio::test]
async fn a_grpc_request_gets_no_body_of_a_closure() {
    let flags = flags([("beta", false.into())]).await;
    let gate = flags.gate("beta").respond_with(|_, _| Response::new(String::from("a page")));
    let mut request = get("/a.B/C");
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));

    let (parts, body) = answer(gate, request).await;

    assert_eq!((&parts.headers["grpc-status"], &*body), (&HeaderValue::from(12), ""));
}
