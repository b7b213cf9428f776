//! Gates and request layers in axum.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
    response::Response,
    routing::{any, get, post},
};
use flagstaff::{FlagGate, Flags, RequestFlags, TrustedHeaders};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};

use super::{
    flags,
    wire::{exchange, request, serve},
};

async fn ask(app: &Router, method: &str, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::builder().method(method).uri(path).header("x-user-id", "ana");
    let response: Response =
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn user(flags: RequestFlags) -> String {
    let user = flags.context().targeting_key().unwrap_or_default();
    format!("{user} {}", flags.is_enabled("on"))
}

#[tokio::test]
async fn handlers_take_the_pinned_flags() {
    let flags = flags([("on", true.into())]).await;
    let app =
        Router::new().route("/", get(user)).layer(flags.request_layer(TrustedHeaders::default()));

    let (status, _, body) = ask(&app, "GET", "/").await;

    assert_eq!((status, &*body), (StatusCode::OK, "ana true"));
}

#[tokio::test]
async fn without_a_request_layer_the_extractor_names_the_missing_layer() {
    let app = Router::new().route("/", get(user)).route(
        "/maybe",
        get(|flags: Option<RequestFlags>| async move { flags.is_none().to_string() }),
    );

    let (status, _, body) = ask(&app, "GET", "/").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body, "no flags are pinned for this request: add a request layer");

    assert_eq!(ask(&app, "GET", "/maybe").await.2, "true");
}

fn app(flags: &Flags) -> Router {
    Router::new()
        .route("/layered", get(|| async { "layered" }).layer(FlagGate::new("off")))
        .route_service("/whole", FlagGate::new("off").layer(get(|| async { "whole" })))
        .route("/open", get(|| async { "open" }).layer(FlagGate::new("on")))
        .nest("/v2", Router::new().route("/x", post(|| async { "x" })).layer(FlagGate::new("off")))
        .layer(flags.request_layer(TrustedHeaders::default()))
}

#[tokio::test]
async fn a_gate_closes_a_method_a_route_or_a_router() {
    let flags = flags([("on", true.into()), ("off", false.into())]).await;
    let app = app(&flags);

    assert_eq!(ask(&app, "GET", "/open").await.2, "open");
    for (method, path) in [("GET", "/layered"), ("GET", "/whole"), ("POST", "/v2/x")] {
        let (status, headers, body) = ask(&app, method, path).await;

        assert_eq!((status, body.len()), (StatusCode::NOT_FOUND, 73), "{path}");
        assert_eq!(headers["cache-control"], "no-store");
    }

    flags.enable("off").await.unwrap();

    assert_eq!(ask(&app, "GET", "/layered").await.2, "layered");
    assert_eq!(ask(&app, "GET", "/whole").await.2, "whole");
    assert_eq!(ask(&app, "POST", "/v2/x").await.2, "x");
}

#[tokio::test]
async fn a_wrong_method_on_a_closed_gate_gets_the_closed_response() {
    let flags = flags([("on", true.into()), ("off", false.into())]).await;
    let app = app(&flags);

    let (status, headers, body) = ask(&app, "POST", "/whole").await;
    assert_eq!((status, body.len()), (StatusCode::NOT_FOUND, 73));
    assert!(!headers.contains_key("allow"));

    // As the documentation of the gate says, axum adds this header around the layer.
    let (status, headers, _) = ask(&app, "POST", "/layered").await;
    assert_eq!((status, headers["allow"].to_str().unwrap()), (StatusCode::NOT_FOUND, "GET,HEAD"));
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let flags = flags([("on", true.into()), ("off", false.into())]).await;
    let address = serve(app(&flags)).await;

    for path in ["/layered", "/whole"] {
        let response = exchange(address, &request("HEAD", path, "", "")).await;

        assert!(response.starts_with("HTTP/1.1 404 Not Found\r\n"), "{response}");
        assert!(response.contains("content-length: 73\r\n") && response.ends_with("\r\n\r\n"));
    }
}

#[tokio::test]
async fn a_whole_router_behind_a_gate_is_closed_for_missing_routes_too() {
    let flags = flags([]).await;
    let app = Router::new().route("/", any(|| async { "here" })).layer(flags.gate("unknown"));

    for path in ["/", "/missing"] {
        let (status, _, body) = ask(&app, "GET", path).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_FOUND, 73));
    }
}

async fn not_found(
    request: Request<Body>,
) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    let body = format!("nothing at {} {}", request.method(), request.uri());
    (StatusCode::NOT_FOUND, [("x-from", "fallback")], body)
}

#[tokio::test]
async fn a_concealed_route_is_a_missing_one_to_the_byte() {
    let flags = flags([("off", false.into())]).await;
    let routes = || Router::new().route("/else", get(|| async { "else" }));
    let hide = |app: Router, missing: Router| {
        let gate = flags.gate("off").conceal(missing);
        app.route_service("/x", gate.layer(get(|| async { "hidden" })))
    };

    for (hidden, missing) in [
        (
            hide(routes().fallback(not_found), Router::new().fallback(not_found)),
            routes().fallback(not_found),
        ),
        (hide(routes(), Router::new()), routes()),
    ] {
        let (hidden, missing) = (serve(hidden).await, serve(missing).await);
        for method in ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW"]
        {
            for headers in ["", "content-type: application/grpc\r\n", "cookie: a=b\r\n"] {
                let request = request(method, "/x?a=b", headers, "");
                let (a, b) = (exchange(hidden, &request).await, exchange(missing, &request).await);

                assert!(a.starts_with("HTTP/1.1 404 Not Found\r\n"), "{a}");
                assert_eq!(a, b, "{method} {headers}");
            }
        }
    }
}

#[tokio::test]
async fn a_concealed_route_comes_out_when_its_flag_is_on() {
    let flags = flags([("on", true.into())]).await;
    let gate = flags.gate("on").conceal(Router::new().fallback(not_found));
    let app =
        Router::new().route_service("/x", gate.layer(get(|| async { "here" }))).fallback(not_found);

    assert_eq!(ask(&app, "GET", "/x").await.2, "here");
    let (status, headers, _) = ask(&app, "POST", "/x").await;
    assert_eq!(
        (status, headers["allow"].to_str().unwrap()),
        (StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD")
    );
}
