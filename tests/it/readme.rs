//! The service of the README, word for word, and its test.

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::StatusCode,
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use flagstaff::{Context, FlagGate, Flags, RequestFlags, context::context_fn};
use tower::{Layer, ServiceBuilder, ServiceExt};

// Formatted as in the README, which has no room for more lines.
#[rustfmt::skip]
mod service {
    use super::*;

    #[derive(Clone)]
    struct User { id: String, team: String }

    pub(super) fn app(flags: &Flags) -> Router {
        let context = context_fn(|head| match head.extensions.get::<User>() {
            Some(user) => Context::user(&user.id).group(&user.team),
            None => Context::anonymous(),
        });
        let beta = get(async || "the beta");
        let checkout = Router::new().route("/", get(async || "the new checkout"));
        Router::new()
            .route("/search", get(search))
            .route_service("/beta", FlagGate::new("beta").layer(beta)) // one route: 404 while the flag is off
            .nest_service("/checkout", FlagGate::new("new_checkout").layer(checkout)) // all routes of a router
            .layer(ServiceBuilder::new().layer(from_fn(authenticate)).layer(flags.request_layer(context)))
    }

    /// Your own authentication leaves the user in the extensions of the request.
    async fn authenticate(mut request: Request, next: Next) -> Response {
        request.extensions_mut().insert(User { id: "ana".into(), team: "payments".into() });
        next.run(request).await
    }

    /// A handler takes the flags of its request as an argument. Code further in calls `flagstaff::is_enabled`.
    async fn search(flags: RequestFlags) -> &'static str {
        if flags.is_enabled("new_search") { "the new search" } else { "the old search" }
    }
}
use service::app;

#[tokio::test]
async fn the_beta_is_missing_while_its_flag_is_off() {
    let flags = Flags::for_test().off("beta").start();

    let response = app(&flags).oneshot(Request::get("/beta").body(Body::empty()).unwrap()).await;

    assert_eq!(response.unwrap().status(), StatusCode::NOT_FOUND);
}

/// Returns lines of Rust without their indentation.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

#[test]
fn the_readme_shows_this_service() {
    let this: Vec<_> = lines(include_str!("readme.rs")).collect();
    let readme = include_str!("../../README.md");
    let blocks: Vec<_> = readme.split("```rust,").skip(1).collect();
    assert_eq!(blocks.len(), 2);

    for block in blocks {
        let block = block.split("```").next().unwrap().split_once('\n').unwrap().1;
        // The imports of the test differ, and it has no `main`.
        let items = block.split("#[tokio::main]").next().unwrap();
        let items = items.split_once("#[derive(Clone)]").map_or(items, |(_, items)| items);
        let shown: Vec<_> = lines(items).collect();

        let found = this.windows(shown.len()).any(|window| {
            window
                .iter()
                .zip(&shown)
                .all(|(this, shown)| this.trim_start_matches("pub(super) ") == *shown)
        });
        assert!(found, "{block}");
    }
}
