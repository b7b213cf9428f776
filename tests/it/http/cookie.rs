//! Visitors without an account.

use std::convert::Infallible;

use flagstaff::{
    Context, Definition, Flags, Percentage, RequestFlags, TrustedHeaders,
    context::{InvalidCookie, StickyCookie, context_fn},
    definition::BucketBy,
};
use http::{Request, Response, header};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::flags;

const SECRET: [u8; 32] = *b"thirty-two bytes, not so secret.";

/// Responds with the targeting key.
async fn who(_: Request<()>) -> Result<Response<Option<String>>, Infallible> {
    let user = flagstaff::current()
        .and_then(|flags: RequestFlags| flags.context().targeting_key().map(str::to_owned));
    Ok(Response::new(user))
}

async fn ask(
    flags: &Flags,
    sticky: StickyCookie,
    request: Request<()>,
) -> (Option<String>, Vec<String>, Option<String>) {
    let layer = flags.request_layer(TrustedHeaders::default().or_anonymous()).sticky_cookie(sticky);
    let mut service = layer.layer(service_fn(who));
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    let cookies = response.headers().get_all(header::SET_COOKIE).iter().map(text).collect();
    let caching = response.headers().get(header::CACHE_CONTROL).map(text);
    (response.into_body().into_inner(), cookies, caching)
}

fn sticky() -> StickyCookie {
    StickyCookie::new(&SECRET).unwrap()
}

fn with_cookie(cookie: &str) -> Request<()> {
    Request::get("/").header("cookie", cookie).body(()).unwrap()
}

/// Returns `name=value` of a `Set-Cookie` header.
fn pair(set_cookie: &str) -> &str {
    set_cookie.split(';').next().unwrap()
}

#[tokio::test]
async fn a_new_visitor_gets_a_signed_id_for_a_year() {
    let flags = flags([]).await;

    let (user, cookies, caching) = ask(&flags, sticky(), Request::new(())).await;

    let user = user.expect("every visitor has an id");
    assert_eq!(user.len(), 36);
    assert_eq!(cookies.len(), 1);
    let (pair, attributes) = cookies[0].split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=31536000");
    let (name, value) = pair.split_once('=').unwrap();
    assert_eq!(name, "flagstaff_visitor");
    // 32 bytes of HMAC-SHA256 in Base64, followed by the id.
    assert_eq!((value.len(), &value[44..]), (44 + 36, &*user));
    assert_eq!(caching.as_deref(), Some("private"));
}

#[tokio::test]
async fn a_visitor_who_comes_back_is_the_same_in_every_process() {
    let (here, elsewhere) = (flags([]).await, flags([]).await);
    let (first, cookies, _) = ask(&here, sticky(), Request::new(())).await;

    let cookie = format!("theme=dark; {}; other=1", pair(&cookies[0]));
    for flags in [&here, &elsewhere] {
        let (again, cookies, caching) = ask(flags, sticky(), with_cookie(&cookie)).await;

        assert_eq!(again, first);
        assert!(cookies.is_empty(), "the cookie is set once");
        assert_eq!(caching, None);
    }
}

#[tokio::test]
async fn nobody_chooses_an_id() {
    let flags = flags([]).await;
    let (_, cookies, _) = ask(&flags, sticky(), Request::new(())).await;
    let (name, value) = pair(&cookies[0]).split_once('=').unwrap();
    let (mac, id) = value.split_at(44);
    let chosen = "00000000-0000-4000-8000-000000000000";
    let other_secret = StickyCookie::new(&[9; 32]).unwrap();
    let (_, others, _) = ask(&flags, other_secret, Request::new(())).await;

    for forged in [
        format!("{name}={chosen}"),
        format!("{name}={mac}{chosen}"),
        format!("{name}={mac}{}", id.to_uppercase()),
        format!("{name}={}{id}", "A".repeat(44)),
        format!("{name}={mac}"),
        format!("{name}="),
        format!("{name}={}", "ü".repeat(40)),
        format!("{name}={mac}{id}x"),
        format!("other={mac}{id}"),
        pair(&others[0]).to_owned(),
        "=;;=\"".to_owned(),
    ] {
        let request = Request::get("/").header("cookie", forged.as_bytes()).body(()).unwrap();

        let (user, cookies, _) = ask(&flags, sticky(), request).await;

        let user = user.unwrap();
        assert!(user != chosen && user != id, "{forged}");
        assert_eq!(cookies.len(), 1, "{forged}");
    }
}

#[tokio::test]
async fn a_value_that_the_secret_signed_for_another_purpose_is_not_an_id() {
    let flags = flags([]).await;
    let chosen = "11111111-1111-4111-8111-111111111111";
    let mut jar = cookie::CookieJar::new();
    let key = cookie::Key::derive_from(&SECRET);
    jar.signed_mut(&key).add(cookie::Cookie::new("flagstaff_visitor", chosen));
    let signed = jar.get("flagstaff_visitor").unwrap().to_string();

    let (user, cookies, _) = ask(&flags, sticky(), with_cookie(&signed)).await;

    assert_ne!(user.as_deref(), Some(chosen));
    assert_eq!(cookies.len(), 1);
}

#[tokio::test]
async fn a_value_that_the_secret_signed_under_another_name_is_not_an_id() {
    let flags = flags([]).await;
    let named = |name: &str| sticky().name(name).unwrap();
    let (first, cookies, _) = ask(&flags, named("a"), Request::new(())).await;
    let (_, value) = pair(&cookies[0]).split_once('=').unwrap();

    for (name, is_same) in [("a", true), ("b", false), ("flagstaff_visitor", false)] {
        let request = with_cookie(&format!("{name}={value}"));
        let (user, _, _) = ask(&flags, named(name), request).await;

        assert_eq!(user == first, is_same, "{name}");
    }
}

#[tokio::test]
async fn a_visitor_keeps_the_id_when_a_secret_replaces_another() {
    let flags = flags([]).await;
    let new = [9; 32];
    let only_new = || StickyCookie::new(&new).unwrap();
    let (first, cookies, _) = ask(&flags, sticky(), Request::new(())).await;
    let old_cookie = || with_cookie(pair(&cookies[0]));

    // Processes that start later sign with the new secret already.
    let (_, early, _) = ask(&flags, only_new(), Request::new(())).await;
    let (early_visitor, _, _) = ask(&flags, only_new(), with_cookie(pair(&early[0]))).await;
    let old_accepting_new = sticky().accepting(&new).unwrap();
    let (user, set, _) = ask(&flags, old_accepting_new, with_cookie(pair(&early[0]))).await;
    assert_eq!((&user, set.len()), (&early_visitor, 1));
    let (user, _, _) = ask(&flags, sticky(), with_cookie(pair(&set[0]))).await;
    assert_eq!(user, early_visitor, "it is signed with the secret that signs");

    let new_accepting_old = || only_new().accepting(&SECRET).unwrap();
    let (user, set, caching) = ask(&flags, new_accepting_old(), old_cookie()).await;
    assert_eq!((&user, set.len()), (&first, 1));
    assert_eq!(caching.as_deref(), Some("private"));
    let (user, again, _) = ask(&flags, new_accepting_old(), with_cookie(pair(&set[0]))).await;
    assert_eq!((&user, again.len()), (&first, 0), "it is signed anew once");
    let (user, _, _) = ask(&flags, only_new(), with_cookie(pair(&set[0]))).await;
    assert_eq!(user, first, "the old secret is no longer needed");
    let (user, _, _) = ask(&flags, only_new(), old_cookie()).await;
    assert_ne!(user, first, "what the old secret alone has signed is not");
}

#[tokio::test]
async fn a_visitor_who_has_logged_in_keeps_the_bucket_when_a_secret_replaces_another() {
    let flags = flags([]).await;
    let (first, cookies, _) = ask(&flags, sticky(), Request::new(())).await;
    let login = Request::get("/").header("x-user-id", "ana").header("cookie", pair(&cookies[0]));
    let rotated = StickyCookie::new(&[9; 32]).unwrap().accepting(&SECRET).unwrap();

    let (user, set, _) = ask(&flags, rotated.clone(), login.body(()).unwrap()).await;

    assert_eq!((user.as_deref(), set.len()), (Some("ana"), 1));
    assert_eq!(ask(&flags, rotated, with_cookie(pair(&set[0]))).await.0, first);
}

#[tokio::test]
async fn a_good_cookie_counts_beside_a_forged_one_of_the_same_name() {
    let flags = flags([]).await;
    let (first, cookies, _) = ask(&flags, sticky(), Request::new(())).await;
    let request = Request::get("/")
        .header("cookie", "flagstaff_visitor=forged")
        .header("cookie", pair(&cookies[0]))
        .body(())
        .unwrap();

    let (again, cookies, _) = ask(&flags, sticky(), request).await;

    assert_eq!((again, cookies.len()), (first, 0));
}

#[tokio::test]
async fn a_good_cookie_counts_beside_one_that_is_not_ascii() {
    let flags = flags([]).await;
    let (user, cookies, _) = ask(&flags, sticky(), Request::new(())).await;

    for other in ["city=K\u{f6}ln".as_bytes(), b"city=K\xf6ln"] {
        let line = [other, b"; ", pair(&cookies[0]).as_bytes(), b"; ", other].concat();
        let request = Request::get("/").header("cookie", line).body(()).unwrap();
        let (again, set, _) = ask(&flags, sticky(), request).await;

        assert_eq!((&again, set.len()), (&user, 0), "{other:?}");
    }
}

#[tokio::test]
async fn a_user_from_the_extractor_needs_no_cookie() {
    let flags = flags([]).await;
    let request = Request::get("/").header("x-user-id", "ana").body(()).unwrap();

    let (user, cookies, caching) = ask(&flags, sticky(), request).await;

    assert_eq!((user.as_deref(), cookies.len(), caching), (Some("ana"), 0, None));
}

#[tokio::test]
async fn groups_of_a_visitor_stay() {
    let flags = flags([]).await;
    let layer =
        flags.request_layer(TrustedHeaders::default().or_anonymous()).sticky_cookie(sticky());
    let service = layer.layer(service_fn(async |_: Request<()>| {
        let flags = flagstaff::current().unwrap();
        Ok::<_, Infallible>(Response::new(flags.context().iter_groups().count()))
    }));

    let request = Request::get("/").header("x-user-groups", "a,b").body(()).unwrap();

    assert_eq!(service.oneshot(request).await.unwrap().into_body().into_inner(), 2);
}

#[tokio::test]
async fn name_and_plain_http_are_configurable() {
    let flags = flags([]).await;
    let sticky = sticky().name("visitor").unwrap().insecure();

    let (_, cookies, _) = ask(&flags, sticky, Request::new(())).await;

    assert!(cookies[0].starts_with("visitor="));
    assert!(cookies[0].ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=31536000"));
}

#[test]
fn a_short_secret_and_a_bad_name_are_refused() {
    assert_eq!(StickyCookie::new(&[7; 31]).unwrap_err(), InvalidCookie::Secret);
    assert_eq!(sticky().accepting(&[7; 31]).unwrap_err(), InvalidCookie::Secret);
    for name in ["", "a b", "a=b", "a;b", "ü", "a\n"] {
        let error = sticky().name(name).unwrap_err();
        assert_eq!(error, InvalidCookie::Name { name: name.to_owned() });
    }
}

#[tokio::test]
async fn an_extractors_own_visitor_wins_over_the_one_of_the_cookie() {
    let by_visitor = Definition::new()
        .percentage(Percentage::whole(50).unwrap())
        .bucket_by(BucketBy::from("visitor".to_owned()));
    let flags = flags([("a", by_visitor.into())]).await;
    let own = context_fn(|head| {
        let device = head.headers["x-device"].to_str().unwrap().to_owned();
        Context::anonymous().attribute("visitor", device)
    });
    let layer = flags.request_layer(own).sticky_cookie(sticky());
    let service = layer.layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(flagstaff::is_enabled("a")))
    }));

    let mut states = [0, 0];
    for n in 0..40 {
        let device = format!("device-{n}");
        let request = Request::get("/").header("x-device", &device).body(()).unwrap();
        let on = service.clone().oneshot(request).await.unwrap().into_body().into_inner();

        let expected = Context::anonymous().attribute("visitor", device.as_str());
        assert_eq!(on, flags.is_enabled("a", &expected), "{device}");
        states[usize::from(on)] += 1;
    }
    assert!(states.iter().all(|&devices| devices > 0), "{states:?}");
}

#[tokio::test]
async fn a_flag_drawn_by_visitor_keeps_the_visitors_bucket_after_the_login() {
    let by_visitor = Definition::new()
        .percentage(Percentage::whole(50).unwrap())
        .bucket_by(BucketBy::from("visitor".to_owned()));
    let flags = flags([("a", by_visitor.into())]).await;
    let layer =
        flags.request_layer(TrustedHeaders::default().or_anonymous()).sticky_cookie(sticky());
    let service = layer.layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(flagstaff::is_enabled("a")))
    }));
    let on = async |request: Request<()>| {
        let response = service.clone().oneshot(request).await.unwrap();
        let cookie = response.headers().get("set-cookie").map(|set| set.to_str().unwrap());
        (cookie.map(pair).map(str::to_owned), response.into_body().into_inner())
    };

    let mut states = [0, 0];
    for n in 0..40 {
        let user = format!("user-{n}");
        let (cookie, before) = on(Request::new(())).await;
        let login = Request::get("/").header("cookie", cookie.unwrap()).header("x-user-id", &user);
        let (again, after) = on(login.body(()).unwrap()).await;
        assert_eq!((again, after), (None, before), "{user}");
        states[usize::from(after)] += 1;

        // Without the cookie, the bucket is that of the user.
        let alone = || Request::get("/").header("x-user-id", &user).body(()).unwrap();
        let user = Context::user(user.as_str()).attribute("visitor", user.as_str());
        assert_eq!(on(alone()).await, (None, flags.is_enabled("a", &user)));
    }
    assert!(states.iter().all(|&users| users > 0), "{states:?}");
}
