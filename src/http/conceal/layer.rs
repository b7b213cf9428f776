//! The layer that hides a service.

use std::convert::Infallible;

use tower_layer::Layer;

use super::Concealed;
use crate::http::ask::Question;

/// A layer that hides a service while its flag is off, made by
/// [`FlagGate::conceal`](crate::FlagGate::conceal).
///
/// While the gate is closed, requests go to the not-found service with method, headers and body
/// unchanged, gRPC or not. Its response is sent unchanged, except for the headers of caches below.
/// The settings of the gate's own response have no effect.
///
/// # Caches
///
/// A flag with a percentage or lists has different answers for different users, and no cache may
/// exchange their responses. The service's response then gets `Cache-Control: private` and `Vary`,
/// as that of a [`FlagSwitch`](crate::FlagSwitch) does. The not-found service's response gets
/// `Cache-Control: no-store`, unless it has `no-store` or `private`. A header that only a hidden
/// route has gives the route away, so let the not-found service send `no-store` itself.
///
/// # Time
///
/// A response of a hidden route takes some 3 µs longer than one of a missing route, since the flag
/// is evaluated. A client near the server can measure that over many requests.
///
/// # Placement
///
/// Put it around everything that responds for the route. With axum that is the method router, and a
/// router without routes responds like a missing route. A layer of a router or a method router is
/// not enough, since axum adds an `Allow` header around it.
///
/// # Example
///
/// ```
/// use axum::{Router, http::{StatusCode, header::CACHE_CONTROL}, response::IntoResponse, routing::get};
/// use flagstaff::FlagGate;
/// use tower::Layer;
///
/// async fn not_found() -> impl IntoResponse {
///     (StatusCode::NOT_FOUND, [(CACHE_CONTROL, "no-store")], "nothing here")
/// }
///
/// let gate = FlagGate::new("new_checkout").conceal(Router::new().fallback(not_found));
/// let app: Router = Router::new()
///     .route_service("/checkout/new", gate.layer(get(|| async { "new" })))
///     .fallback(not_found);
/// ```
#[derive(Debug)]
#[must_use]
pub struct ConcealedGate<N, X = Infallible> {
    pub(super) question: Question<X>,
    pub(super) not_found: N,
}

impl<N, X> ConcealedGate<N, X> {
    pub(in crate::http) fn new(question: Question<X>, not_found: N) -> Self {
        Self { question, not_found }
    }
}

impl<S, N: Clone, X> Layer<S> for ConcealedGate<N, X> {
    type Service = Concealed<S, N, X>;

    fn layer(&self, inner: S) -> Concealed<S, N, X> {
        Concealed::new(inner, self.clone())
    }
}

impl<N: Clone, X> Clone for ConcealedGate<N, X> {
    fn clone(&self) -> Self {
        Self { question: self.question.clone(), not_found: self.not_found.clone() }
    }
}
