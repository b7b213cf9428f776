//! Flags on a plain hyper server: `cargo run --example gate`.
//!
//! `ADDR` is the address to listen on (`127.0.0.1:3000`; port 0 is any free one), `FLAGS_FILE` the file, `FLAGSTAFF_ENVIRONMENT` its
//! environment. `FEATURE_NEW_CHECKOUT=1` forces that flag on over it; overrides at `REDIS_URL` are on top of both.
//! A mistake in the file fails the start; with `FLAGS_KEPT`, a path that keeps the last good flags, one in a flag does not.

use std::{convert::Infallible, env, error::Error, time::Duration};

use bytes::Bytes;
use flagstaff::{Env, File, FlagGate, FlagSwitch, Flags, RequestFlags, TrustedHeaders, event};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{body::Body, body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::json;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt, service_fn};

type Page<B = Full<Bytes>> = Result<Response<B>, Infallible>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = env::var("FLAGS_FILE").unwrap_or_else(|_| "flags.toml".to_owned());
    let (env, file) = (Env::with_prefix("FEATURE_"), File::open(&path)?);
    let environment = env::var("FLAGSTAFF_ENVIRONMENT").ok().filter(|name| !name.is_empty());
    let file = environment.map_or(file.clone(), |name| file.environment(name));
    let file = env::var("FLAGS_KEPT").map_or(file.clone().strict(), |kept| file.keep_at(kept));
    let redis = env::var("REDIS_URL").ok().map(|url| flagstaff::Redis::open(&url)).transpose()?;
    let flags = Flags::builder().option_source(redis).source(env).source(file).start().await?;
    let mut events = flags.events();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                event::Event::Failed { .. } => eprintln!("{event}"),
                event => println!("{event}"),
            }
        }
    });
    let beta = FlagGate::new("beta").status(StatusCode::FORBIDDEN).code("BETA_ONLY");
    let beta = beta.detail("Beta only: ask your admin").layer(service_fn(page));
    let checkout = FlagGate::new("new_checkout").layer(service_fn(page));
    let legacy = FlagGate::new("legacy_disabled").inverted().layer(service_fn(page));
    let hidden = FlagGate::new("hidden").conceal(service_fn(not_found)).layer(service_fn(page));
    let new = service_fn(async |_| Page::Ok(Response::new("this is the new search\n".into())));
    let search = FlagSwitch::new("new_search", new).layer(service_fn(page));
    let routes = (beta, checkout, legacy, hidden, search);
    let routes = service_fn(move |request: Request<Incoming>| {
        let (beta, checkout, legacy, hidden, search) = routes.clone();
        async move {
            match request.uri().path() {
                "/beta" => boxed(beta.oneshot(request).await),
                "/checkout/v2" => boxed(checkout.oneshot(request).await),
                "/legacy" => boxed(legacy.oneshot(request).await),
                "/hidden" => boxed(hidden.oneshot(request).await),
                "/search" => boxed(search.oneshot(request).await),
                "/" => boxed(all_flags(request).await),
                _ => boxed(not_found(request).await),
            }
        }
    });
    // Trusts `X-User-ID`: only behind a proxy that sets this header and removes that of clients.
    let app = flags.request_layer(TrustedHeaders::default()).layer(routes);
    let listener = TcpListener::bind(env::var("ADDR").unwrap_or("127.0.0.1:3000".into())).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("listening on {url}, flags from {path}; try:");
    println!("  curl -i {url}/checkout/v2   # 404 until new_checkout = true; {url}/ has all flags");
    loop {
        // It fails while there are no file descriptors left. Open connections go on.
        let Ok((stream, _)) = listener.accept().await.inspect_err(|e| eprintln!("{e}")) else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let service = TowerToHyperService::new(app.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Boxes the bodies of the routes, which have several types: a server needs one.
fn boxed<B: Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static>(
    page: Page<B>,
) -> Page<BoxBody<Bytes, Infallible>> {
    page.map(|response| response.map(BodyExt::boxed))
}

async fn page(request: Request<Incoming>) -> Page {
    Ok(Response::new(format!("this is {}\n", request.uri().path()).into()))
}
async fn not_found(_: Request<Incoming>) -> Page {
    Ok(Response::builder().status(404).body("no such page\n".into()).expect("it is valid"))
}

async fn all_flags(request: Request<Incoming>) -> Page {
    let flags = request.extensions().get::<RequestFlags>().expect("the request layer did it");
    let mut all = json!({});
    for (key, a) in flags.snapshot().all(flags.context()) {
        all[key] = json!({ "value": a.value, "reason": a.reason.as_str(), "source": a.source });
    }
    Ok(Response::new(format!("{all:#}\n").into()))
}
