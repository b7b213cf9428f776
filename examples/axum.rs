//! Flags in an axum service: `cargo run --example axum --features axum`.
//!
//! The service's own authentication identifies the user. `ADDR` is the address to listen on
//! (`127.0.0.1:3000`; port 0 is any free one), `FLAGS_FILE` the file (the repository's
//! `flags.toml`).

use std::{env, error::Error};

use axum::{
    Router,
    extract::Request,
    http::header::AUTHORIZATION,
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use flagstaff::{
    Context, Env, File, FlagGate, Flags, RequestFlags, WithCurrentFlags, context::context_fn,
};
use tokio::{net::TcpListener, task::JoinError};
use tower::{Layer, ServiceBuilder};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = env::var("FLAGS_FILE").unwrap_or_else(|_| "flags.toml".to_owned());
    let (env, file) = (Env::with_prefix("FEATURE_"), File::open(&path)?);
    let flags = Flags::builder().source(env).source(file).start().await?;

    // The context of a request, from the extension that the authentication leaves in it.
    let context = context_fn(|head| match head.extensions.get::<User>() {
        Some(user) => Context::user(&user.id).group(user.team),
        None => Context::anonymous(),
    });

    // Around the method router: while the flag is off, every method is a 404.
    let checkout = FlagGate::new("new_checkout").layer(get(async || "this is the new checkout\n"));
    let app = Router::new()
        .route_service("/checkout/v2", checkout)
        .route("/search", get(search))
        .route("/report", get(report))
        // From the outside in: first the user is identified, then the flags are pinned for that
        // user.
        .layer(
            ServiceBuilder::new().layer(from_fn(authenticate)).layer(flags.request_layer(context)),
        );

    let listener = TcpListener::bind(env::var("ADDR").unwrap_or("127.0.0.1:3000".into())).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("listening on {url}, flags from {path}; try:");
    println!("  curl -i {url}/checkout/v2   # 404 until {path} has new_checkout = true");
    println!("  curl {url}/search           # the old search, for 90 of 100 users");
    println!("  curl {url}/search -H 'Authorization: Bearer eve'   # an employee: the new one");
    println!("  curl {url}/report -H 'Authorization: Bearer eve'");
    Ok(axum::serve(listener, app).await?)
}

/// A user that the service has authenticated.
#[derive(Clone)]
struct User {
    id: String,
    team: Option<&'static str>,
}

/// Stands in for the authentication that a service has anyway.
async fn authenticate(mut request: Request, next: Next) -> Response {
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(id) = token.and_then(|token| token.strip_prefix("Bearer ")) {
        let team = (id == "eve").then_some("employees");
        let user = User { id: id.to_owned(), team };
        request.extensions_mut().insert(user);
    }
    next.run(request).await
}

/// Takes the request's flags as an argument.
async fn search(flags: RequestFlags) -> &'static str {
    if flags.is_enabled("new_search") { "the new search\n" } else { "the old search\n" }
}

/// Finds the flags of the request that is being handled, without the request at hand.
fn index() -> &'static str {
    if flagstaff::is_enabled("new_search") { "new" } else { "old" }
}

/// Takes the flags along into a task, which gets the same answers even if the file is saved in
/// between.
async fn report() -> Result<String, String> {
    let task = tokio::spawn(async { index() }.with_current_flags());
    let from_task = task.await.map_err(|error: JoinError| error.to_string())?;
    Ok(format!("{} index here, {from_task} index in the task\n", index()))
}
