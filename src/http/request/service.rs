//! The service whose requests have flags.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{
    RequestFuture,
    layer::{Shared, Visitor},
};
use crate::{
    flags::{ReadyFlags, RequestFlags, WithFlags},
    http::{
        RequestHead,
        context::{self, Refusal},
    },
};

/// A service whose requests have flags, made by [`Flags::request_layer`].
///
/// The service is ready when the inner service is. During `poll_ready`, gates and switches further in
/// evaluate the flags of this layer if they have none of their own.
///
/// [`Flags::request_layer`]: crate::Flags::request_layer
#[derive(Debug)]
pub struct RequestService<S, X = Infallible> {
    inner: S,
    shared: Arc<Shared<X>>,
    ready: ReadyFlags,
}

impl<S, X> RequestService<S, X> {
    pub(super) fn new(inner: S, shared: Shared<X>) -> Self {
        let ready = ReadyFlags::new(&shared.flags);
        Self { inner, shared: Arc::new(shared), ready }
    }

    /// Borrows the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Borrows the inner service mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service, without the flags.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

/// The attribute that keeps the bucket of a visitor who logs in.
const VISITOR: &str = "visitor";

impl<S, X, B, R> Service<Request<B>> for RequestService<S, X>
where
    S: Service<Request<B>, Response = Response<R>>,
    X: Refusal,
{
    type Response = Response<X::Body<WithFlags<R>>>;
    type Error = S::Error;
    type Future = RequestFuture<S::Future, X>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.ready.enter(|| self.inner.poll_ready(cx))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Shared { flags, extractor, headers, visitors } = &*self.shared;
        let head = RequestHead::of(&request);
        let mut context = match extractor.try_context(&head) {
            Ok(mut context) => {
                context::bound(&mut context);
                context.into_owned()
            }
            Err(refusal) => return RequestFuture::refused(refusal),
        };
        let mut set_cookie = None;
        if let Some(visitors) = visitors {
            let visitor = match context.targeting_key() {
                // Users get no new id: there is no bucket to keep.
                Some(user) => visitors
                    .known(&head)
                    .unwrap_or_else(|| Visitor { id: user.to_owned(), set_cookie: None }),
                None => {
                    let visitor = visitors.identify(&head);
                    context = context.with_targeting_key(visitor.id.clone());
                    visitor
                }
            };
            let Visitor { id, set_cookie: new_cookie } = visitor;
            set_cookie = new_cookie;
            if context.iter_attributes().all(|(name, _)| name != VISITOR) {
                context = context.attribute(VISITOR, id);
            }
        }
        let outer = head.extensions.get::<RequestFlags>();
        let pinned = flags.pin_request(outer, context, headers.clone());
        request.extensions_mut().insert(pinned.clone());
        let future = pinned.scope_with(|| self.inner.call(request));
        RequestFuture::new(future, set_cookie)
    }
}

impl<S: Clone, X> Clone for RequestService<S, X> {
    fn clone(&self) -> Self {
        let (inner, shared) = (self.inner.clone(), Arc::clone(&self.shared));
        Self { inner, ready: ReadyFlags::new(&shared.flags), shared }
    }
}
