//! Helpers of several tests.

use std::sync::{Arc, Mutex};

use flagstaff::{
    Backend,
    backend::{BackendError, BoxFuture, Offer, Sink},
};

/// A layer that publishes one offer and does not keep it.
pub(crate) struct Told(Mutex<Offer>);

impl Told {
    pub(crate) fn new(offer: Offer) -> Self {
        Self(Mutex::new(offer))
    }
}

impl Backend for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        sink.publish(std::mem::take(&mut *self.0.lock().unwrap()));
        Box::pin(std::future::ready(Ok(())))
    }
}
