//! Switches between two services.

use std::convert::Infallible;

use flagstaff::{
    Context, FlagSwitch, Flags, TrustedHeaders, context::Anonymous, gate::Requirement,
};
use http::{HeaderMap, HeaderValue, Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{flags, half};

/// Returns a service that responds with `name` and the headers `headers`.
fn service(
    name: &'static str,
    headers: &'static [(&str, &str)],
) -> impl Service<
    Request<()>,
    Response = Response<&'static str>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<&'static str>, Infallible>>,
> + Clone {
    service_fn(move |_: Request<()>| async move {
        let mut response = Response::new(name);
        for &(name, value) in headers {
            response.headers_mut().append(name, HeaderValue::from_static(value));
        }
        Ok(response)
    })
}

fn all(headers: &HeaderMap) -> Vec<String> {
    let line = |(name, value): (&http::HeaderName, &HeaderValue)| {
        format!("{name}: {}", value.to_str().unwrap())
    };
    let mut lines: Vec<_> = headers.iter().map(line).collect();
    lines.sort();
    lines
}

fn of(user: &str) -> Request<()> {
    Request::get("/").header("x-user-id", user).body(()).unwrap()
}

#[tokio::test]
async fn a_constant_flag_chooses_and_adds_nothing() {
    let flags = flags([("on", true.into()), ("off", false.into())]).await;

    for (flag, expected) in [("on", "new"), ("off", "old"), ("unknown", "old")] {
        let switch = FlagSwitch::new(flag, service("new", &[])).flags(&flags);
        let switch = switch.layer(service("old", &[]));

        let response = switch.oneshot(of("ana")).await.unwrap();

        assert_eq!(*response.body(), expected);
        assert!(response.headers().is_empty());
    }
}

#[tokio::test]
async fn both_services_of_a_percentage_are_private_and_vary() {
    let flags = flags([("half", half())]).await;
    let switch = FlagSwitch::new("half", service("new", &[]))
        .flags(&flags)
        .context(TrustedHeaders::default().or_anonymous())
        .layer(service("old", &[]));
    let mut seen = Vec::new();

    for user in ["ana", "bob", "cem", "dai", "eva", "fin"] {
        let response = switch.clone().oneshot(of(user)).await.unwrap();

        let expected = flags.is_enabled("half", &Context::user(user));
        assert_eq!(*response.body() == "new", expected);
        let headers = ["cache-control: private", "vary: x-user-id, x-user-groups"];
        assert_eq!(all(response.headers()), headers);
        seen.push(expected);
    }

    assert!(seen.contains(&true) && seen.contains(&false));
}

#[tokio::test]
async fn headers_of_the_services_are_merged_with() {
    let flags = flags([("half", half())]).await;
    let old =
        service("old", &[("vary", "Accept, X-User-Id"), ("cache-control", "public, max-age=60")]);
    let switch = flags
        .switch("half", old.clone())
        .context(TrustedHeaders::default().or_anonymous())
        .layer(old);

    let response = switch.oneshot(of("ana")).await.unwrap();

    let headers =
        ["cache-control: private, max-age=60", "vary: Accept, X-User-Id", "vary: x-user-groups"];
    assert_eq!(all(response.headers()), headers);
}

#[tokio::test]
async fn no_cache_may_keep_a_response_that_depends_on_the_user() {
    let flags = flags([("half", half()), ("on", true.into())]).await;
    let headers: &[_] = &[
        ("cache-control", "public, s-maxage=60"),
        ("cdn-cache-control", "public, max-age=60"),
        ("cloudflare-cdn-cache-control", "max-age=60"),
        ("surrogate-control", "max-age=60"),
        ("edge-control", "max-age=60"),
        ("x-accel-expires", "60"),
        ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
    ];
    let (new, old) = (service("new", headers), service("old", headers));
    let all = async |flag: &str| {
        let trusted = TrustedHeaders::default().or_anonymous();
        let switch = flags.switch(flag, new.clone()).context(trusted).layer(old.clone());
        all(switch.oneshot(of("ana")).await.unwrap().headers())
    };

    // `Expires` stays for caches that may keep the response, which are private ones.
    let kept = ["cache-control: private", "expires: Thu, 01 Jan 2099 00:00:00 GMT"];
    assert_eq!(all("half").await, [&kept[..], &["vary: x-user-id, x-user-groups"]].concat());
    assert_eq!(all("on").await.len(), headers.len());
}

#[tokio::test]
async fn the_headers_of_the_request_layers_extractor_are_named() {
    let flags = flags([("half", half())]).await;
    let no_store = &[("cache-control", "no-store")];
    let switch = FlagSwitch::new("half", service("new", no_store)).layer(service("old", no_store));

    for (layer, expected) in [
        (
            flags
                .request_layer(TrustedHeaders::default().user("X-Account").unwrap().or_anonymous()),
            &["cache-control: no-store", "vary: x-account, x-user-groups"][..],
        ),
        (flags.request_layer(Anonymous), &["cache-control: no-store"]),
    ] {
        let response = layer.layer(switch.clone()).oneshot(of("ana")).await.unwrap();

        assert_eq!(all(response.headers()), expected);
    }
}

#[tokio::test]
async fn a_sticky_cookie_varies_by_cookie() {
    let flags = flags([("half", half())]).await;
    let sticky = flagstaff::context::StickyCookie::new(&[7; 32]).unwrap();
    let layer = flags.request_layer(TrustedHeaders::default()).sticky_cookie(sticky);
    let switch = FlagSwitch::new("half", service("new", &[])).layer(service("old", &[]));

    let response = layer.layer(switch).oneshot(Request::new(())).await.unwrap();

    assert_eq!(response.headers()["vary"], "x-user-id, x-user-groups, cookie");
    assert_eq!(response.headers()["cache-control"], "private");
}

#[tokio::test]
async fn as_a_layer_the_inner_service_is_the_one_for_off() {
    let flags = flags([("a", true.into())]).await;
    let switch =
        |flag| FlagSwitch::new(flag, service("new", &[])).flags(&flags).layer(service("old", &[]));
    let body = async |flag: Requirement| *switch(flag).oneshot(of("ana")).await.unwrap().body();

    assert_eq!(body("a".into()).await, "new");
    assert_eq!(body(Requirement::off("a")).await, "old");
    assert_eq!(body("unknown".into()).await, "old");
}

#[tokio::test]
async fn a_switch_on_some_requests_leaves_the_others_to_the_inner_service_as_they_are() {
    let flags = flags([("half", half())]).await;
    let switch = FlagSwitch::new("half", service("new", &[]))
        .flags(&flags)
        .context(TrustedHeaders::default().or_anonymous())
        .only(|head| head.uri.path() == "/search")
        .layer(service("old", &[]));
    let mut users = ["ana", "bob", "cem", "dai"].into_iter();
    let inside = users.find(|&user| flags.is_enabled("half", &Context::user(user))).unwrap();

    let elsewhere = switch.clone().oneshot(of(inside)).await.unwrap();
    let mut search = of(inside);
    *search.uri_mut() = "/search".parse().unwrap();
    let here = switch.oneshot(search).await.unwrap();

    assert_eq!((*elsewhere.body(), elsewhere.headers().len()), ("old", 0));
    assert_eq!((*here.body(), here.headers().len()), ("new", 2));
}

#[tokio::test]
async fn without_flags_a_switch_has_its_default() {
    let switch = FlagSwitch::new("a", service("new", &[]));
    let body = async |switch: FlagSwitch<_>| {
        *switch.layer(service("old", &[])).oneshot(of("ana")).await.unwrap().body()
    };

    assert_eq!(body(switch.clone()).await, "old");
    assert_eq!(body(switch.default_value(true)).await, "new");
}

#[tokio::test]
async fn a_switch_sees_what_the_request_has_pinned() {
    let flags: Flags = flags([("a", true.into())]).await;
    let switch = flags.switch("a", service("new", &[])).layer(service("old", &[]));
    let mut request = of("ana");
    request.extensions_mut().insert(flags.pin(Context::anonymous()));

    flags.disable("a").await.unwrap();

    assert_eq!(*switch.clone().oneshot(request).await.unwrap().body(), "new");
    assert_eq!(*switch.oneshot(of("ana")).await.unwrap().body(), "old");
}
