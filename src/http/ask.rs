//! Where a gate or a switch gets its answer from.

use std::{fmt, sync::Arc};

use http::{HeaderName, Request};

use super::{ContextExtractor, RequestHead};
use crate::{
    flags::{Flags, RequestFlags, Snapshot, View},
    model::Context,
};

/// Whom to ask, and for whom.
#[derive(Clone)]
pub(super) struct Source {
    /// The layer that asks, in a word: a gate or a switch.
    asker: &'static str,
    own: Option<Own>,
    extractor: Option<Arc<dyn ContextExtractor + Send + Sync>>,
    /// The headers that the extractor reads, as `Vary` lists them.
    headers: Option<Arc<str>>,
    /// Whom to ask for without an extractor; made once.
    anonymous: Context<'static>,
}

#[derive(Clone)]
struct Own {
    flags: Flags,
    owner: u64,
}

impl Source {
    pub(super) fn new(asker: &'static str) -> Self {
        Self { asker, own: None, extractor: None, headers: None, anonymous: Context::default() }
    }

    pub(super) fn set_flags(&mut self, flags: &Flags) {
        let owner = flags.read(|snapshot| snapshot.owner());
        self.own = Some(Own { flags: flags.clone(), owner });
    }

    pub(super) fn set_extractor(&mut self, extractor: Arc<dyn ContextExtractor + Send + Sync>) {
        self.headers = list(extractor.headers());
        self.extractor = Some(extractor);
    }

    /// Shows `ask` what answers for the request: the flags pinned for it, else those of its own.
    #[inline]
    pub(super) fn ask<B, R>(&self, request: &Request<B>, ask: impl Fn(&View<'_, '_>) -> R) -> R {
        let pinned = |pinned: &RequestFlags| match &self.own {
            // One request, one truth: but flags that were named are not exchanged for others.
            Some(own) if own.owner != pinned.snapshot().owner() => {
                // Who asks is known all the same, unless there is a word on that too.
                let ask = |snapshot: &Snapshot| pinned.view(snapshot, &ask);
                self.extractor.is_none().then(|| own.flags.read(ask))
            }
            _ => Some(pinned.view(pinned.snapshot(), &ask)),
        };
        if let Some(answer) = request.extensions().get::<RequestFlags>().and_then(pinned) {
            return answer;
        }
        let Some(Own { flags, .. }) = &self.own else {
            // Something in between may have taken the extensions away.
            return RequestFlags::with_current(|current| match current {
                Some(current) => current.view(current.snapshot(), &ask),
                None => ask(&View::NoFlags { asker: self.asker }),
            });
        };
        let headers = &self.headers;
        let Some(extractor) = &self.extractor else {
            let context = &self.anonymous;
            return flags.read(|snapshot| ask(&View::Flags { snapshot, context, headers }));
        };
        let context = &extractor.context(&RequestHead::of(request));
        flags.read(|snapshot| ask(&View::Flags { snapshot, context, headers }))
    }
}

/// Header names as `Vary` lists them.
pub(super) fn list(names: &[HeaderName]) -> Option<Arc<str>> {
    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
    (!names.is_empty()).then(|| names.join(", ").into())
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("flags", &self.own.as_ref().map(|own| &own.flags))
            .field("extractor", &self.extractor.is_some())
            .finish()
    }
}
