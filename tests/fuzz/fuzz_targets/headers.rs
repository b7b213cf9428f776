//! Any request headers: the user that they identify, and the answers of flags for that user. The input
//! is lines of `name: value`.

#![no_main]

use std::{
    convert::Infallible,
    future::ready,
    pin::pin,
    sync::LazyLock,
    task::{self, Poll, Waker},
};

use flagstaff::{
    context::{ContextExtractor, RequestHead, StickyCookie},
    request::RequestLayer, Context, Definition, Flags, Percentage, RequestFlags, TrustedHeaders,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::SET_COOKIE};
use libfuzzer_sys::fuzz_target;
use tower::{Layer, ServiceExt, service_fn};

/// The one id that was signed with the secret below, as the seed `signed-cookie` has it.
const SIGNED: &str = "da061e9e-4f23-4a04-8724-ebb37b32d40a";

static LAYER: LazyLock<RequestLayer> = LazyLock::new(|| {
    let targeted = Definition::new()
        .denied_users(["mallory"])
        .denied_groups(["banned"])
        .allowed_users(["ana"])
        .allowed_groups(["beta"])
        .percentage(Percentage::ZERO);
    let flags = Flags::for_test().with("targeted", targeted).start();
    let cookie = StickyCookie::new(&[7; 32]).expect("it is long enough");
    flags.request_layer(TrustedHeaders::default().or_anonymous()).sticky_cookie(cookie)
});

fuzz_target!(init: {
    // If the format of the cookie changes, the seed no longer tests anything.
    let (flags, _) = handle(request(include_bytes!("../corpus/headers/signed-cookie")));
    assert_eq!(flags.context().targeting_key(), Some(SIGNED), "the seed has to be signed anew");
}, |bytes: &[u8]| {
    let request = request(bytes);
    let context = TrustedHeaders::default().or_anonymous().context(&RequestHead::of(&request)).into_owned();
    check_context(&context, request.headers());

    let (flags, set_cookie) = handle(request);
    let asks = flags.context();
    assert!(asks.iter_groups().eq(context.iter_groups()));
    match (context.targeting_key(), set_cookie) {
        (Some(user), None) => assert_eq!(asks.targeting_key(), Some(user)),
        (Some(_), Some(_)) => panic!("a user needs no cookie"),
        (None, None) => assert_eq!(asks.targeting_key(), Some(SIGNED), "nobody signed that"),
        (None, Some(cookie)) => {
            let id = asks.targeting_key().expect("a visitor has an id");
            assert!(cookie.to_str().is_ok_and(|cookie| cookie.contains(id)));
        }
    }

    let user = |name| asks.targeting_key() == Some(name);
    let group = |name| asks.iter_groups().any(|group| group == name);
    let (denied, allowed) = (user("mallory") || group("banned"), user("ana") || group("beta"));
    assert_eq!(flags.is_enabled("targeted"), allowed && !denied, "{asks:?}");
});

/// Creates a request with the lines that are valid headers.
fn request(bytes: &[u8]) -> Request<()> {
    let header = |line: &[u8]| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii_start()).ok()?;
        Some((HeaderName::from_bytes(&line[..colon]).ok()?, value))
    };
    let mut request = Request::new(());
    for (name, value) in bytes.split(|&byte| byte == b'\n').filter_map(header) {
        request.headers_mut().append(name, value);
    }
    request
}

fn check_context(context: &Context<'_>, headers: &HeaderMap) {
    if let Some(user) = context.targeting_key() {
        assert!(!user.is_empty() && user.trim_ascii() == user, "{user:?}");
        let mut lines = headers.get_all("x-user-id").iter().map(HeaderValue::as_bytes);
        assert_eq!(lines.next().map(<[u8]>::trim_ascii), Some(user.as_bytes()));
        assert_eq!(lines.next(), None, "nobody can tell which line is the proxy's");
    }
    let lines = || headers.get_all("x-user-groups").iter().map(HeaderValue::as_bytes);
    for group in context.iter_groups() {
        assert!(!group.is_empty() && group.trim() == group && !group.contains(','), "{group:?}");
        let is_part = |line: &[u8]| line.windows(group.len()).any(|part| part == group.as_bytes());
        assert!(lines().any(is_part), "{group:?}");
    }
}

/// Returns the flags that the service finds, and the cookie that is set.
fn handle(request: Request<()>) -> (RequestFlags, Option<HeaderValue>) {
    let service = LAYER.layer(service_fn(|request: Request<()>| {
        let flags = request.extensions().get::<RequestFlags>().cloned();
        ready(Ok::<_, Infallible>(Response::new(flags.expect("the layer did it"))))
    }));
    let answer = pin!(service.oneshot(request));
    let Poll::Ready(Ok(response)) = answer.poll(&mut task::Context::from_waker(Waker::noop()))
    else {
        panic!("nothing here waits")
    };
    let (parts, flags) = response.into_parts();
    (flags.into_inner(), parts.headers.get(SET_COOKIE).cloned())
}
