//! The question of a gate or a switch: its flags, and the context that they are evaluated for.

use std::{
    cell::Cell, convert::Infallible, fmt, mem::ManuallyDrop, panic::Location, sync::Arc,
    task::Waker,
};

use http::{HeaderName, Request};

use super::{
    GateDenied, RequestHead, Requirement, TryContextExtractor,
    caching::Audience,
    condition::{Condition, Mode},
    context::{self, Refusal},
};
use crate::{
    flags::{Asker, Flags, ReadyFlags, RequestFlags, Snapshot, View, Wake},
    foreign::trace,
    model::Context,
};

/// The question of a gate or a switch: its requests, its flags, and the source of the context.
pub(super) struct Question<X = Infallible> {
    pub(super) condition: Condition,
    source: Source<X>,
    /// Selects the requests that the question applies to; all requests if `None`.
    only: Option<Arc<Predicate>>,
}

type Predicate = dyn Fn(&RequestHead<'_>) -> bool + Send + Sync;

/// The answer of a [`Question`].
pub(super) enum Asked<X> {
    Yes,
    No(GateDenied),
    Refused(X),
}

impl Question {
    /// Creates a question about one flag. `kind` is the word for the layer in warnings.
    #[track_caller]
    pub(super) fn one(kind: &'static str, requirement: Requirement) -> Self {
        Self::of(kind, Condition::one(requirement))
    }

    /// Creates a question about several flags; `None` without requirements.
    #[track_caller]
    pub(super) fn several(
        kind: &'static str,
        requirements: impl Iterator<Item = Requirement>,
        mode: Mode,
    ) -> Option<Self> {
        // Not `map`: a closure has no caller to name.
        let condition = Condition::of(requirements, mode)?;
        Some(Self::of(kind, condition))
    }

    #[track_caller]
    fn of(kind: &'static str, condition: Condition) -> Self {
        let asker = Asker { kind, place: Location::caller() };
        let anonymous = Context::anonymous();
        let source = Source { asker, own: None, extractor: None, headers: None, anonymous };
        Self { condition, source, only: None }
    }
}

impl<X> Question<X> {
    pub(super) fn flags(mut self, flags: &Flags) -> Self {
        let owner = flags.read(|snapshot| snapshot.owner());
        self.source.own = Some(Own { flags: flags.clone(), owner });
        self
    }

    pub(super) fn extractor<E>(self, extractor: E) -> Question<E::Refusal>
    where
        E: TryContextExtractor + Send + Sync + 'static,
    {
        let Self { condition, source: Source { asker, own, anonymous, .. }, only } = self;
        let headers = list(extractor.headers());
        let extractor: Option<Arc<Extractor<E::Refusal>>> = Some(Arc::new(extractor));
        let source = Source { asker, own, extractor, headers, anonymous };
        Question { condition, source, only }
    }

    /// Restricts the question to requests that also meet `predicate`.
    pub(super) fn only(
        mut self,
        predicate: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.condition.is_plain = false;
        self.only = Some(match self.only {
            None => Arc::new(predicate),
            Some(only) => Arc::new(move |head: &RequestHead<'_>| only(head) && predicate(head)),
        });
        self
    }

    /// Returns the one answer for all requests; `None` if the answer depends on the request, or if the
    /// flags are not known before there is a request.
    ///
    /// Requests that the gate or switch does not apply to are ignored here. They may wait when they are
    /// called.
    pub(super) fn settled(&self) -> Option<bool> {
        let Source { own, anonymous: context, .. } = &self.source;
        let ask = |snapshot: &Snapshot| {
            self.condition.settled(&View::Flags { snapshot, context, headers: &None })
        };
        match own {
            Some(own) => own.flags.read(ask),
            None => ReadyFlags::read(ask)?,
        }
    }

    /// Wakes `waker` when the result of [`settled`](Self::settled) may have changed.
    pub(super) fn wake(&self, waker: &Waker) -> Option<Wake> {
        Wake::new(self.source.own.as_ref().map(|own| &own.flags), waker)
    }

    pub(super) fn inverted(self) -> Self {
        Self { condition: self.condition.inverted(), ..self }
    }

    #[inline]
    pub(super) fn applies_to<B>(&self, request: &Request<B>) -> bool {
        match &self.only {
            None => true,
            Some(only) => only(&RequestHead::of(request)),
        }
    }
}

impl<X: Refusal> Question<X> {
    /// Decides if a request may pass a gate.
    #[inline]
    pub(super) fn admit<B>(&self, request: &Request<B>) -> Asked<X> {
        if self.is_plainly_open(request) || !self.applies_to(request) {
            return Asked::Yes;
        }
        // Beside the answer, so that nothing large is moved while a gate is open. It is empty then, and
        // need not be dropped.
        let denied = ManuallyDrop::new(Cell::new(None));
        match self.ask(request, |view, whose| match whose {
            // A flag that is looked at for one user is seldom on for all.
            Whose::Extracted => self.condition.is_met_by(view, &denied),
            Whose::Known => self.condition.is_met(view, &denied),
        }) {
            Ok(true) => Asked::Yes,
            Ok(false) => Asked::No(self::denied(ManuallyDrop::into_inner(denied))),
            Err(refusal) => Asked::Refused(refusal),
        }
    }

    /// Decides which of two services gets a request, and for which users the response is. If the answer is
    /// no, `denied` gets the flag that decided.
    #[inline]
    pub(super) fn choose<B>(
        &self,
        request: &Request<B>,
        denied: &Cell<Option<GateDenied>>,
    ) -> Result<(bool, Audience), X> {
        self.ask(request, |view, _| {
            let audience = match self.condition.depends_on_context(view) {
                true => Audience::Some(view.headers().cloned()),
                false => Audience::All,
            };
            (self.condition.is_met(view, denied), audience)
        })
    }

    /// Returns true if one flag of the question's own, on for all users, opens a gate to all requests.
    /// If `false`, the answer is still open, and [`ask`](Self::ask) finds it.
    // Separate from the rest, since most gates are open, and this moves nothing through memory.
    #[inline]
    fn is_plainly_open<B>(&self, request: &Request<B>) -> bool {
        let Source { own: Some(own), extractor: None, .. } = &self.source else { return false };
        let is_pinned = || request.extensions().get::<RequestFlags>().is_some();
        self.condition.is_plain
            && !is_pinned()
            && own.flags.read(|flags| self.condition.is_plainly_met(flags))
    }

    /// Calls `ask` with the flags that are pinned for the request, else with the question's own flags.
    #[inline]
    fn ask<B, R>(
        &self,
        request: &Request<B>,
        ask: impl Fn(&View<'_, '_>, Whose) -> R + Copy,
    ) -> Result<R, X> {
        self.source.ask(request, ask)
    }
}

/// Returns the flag that closed a gate, and logs it.
#[cold]
pub(super) fn denied(denied: Cell<Option<GateDenied>>) -> GateDenied {
    let denied = denied.into_inner().expect("a condition that is not met sets it");
    trace!(flag = denied.key(), reason = %denied.answer().reason, "gate is closed");
    denied
}

/// The origin of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The question's own extractor.
    Extracted,
    /// An earlier layer.
    Known,
}

/// The flags to ask, and the origin of the context.
struct Source<X> {
    asker: Asker,
    own: Option<Own>,
    extractor: Option<Arc<Extractor<X>>>,
    /// The headers that the extractor reads, as `Vary` lists them.
    headers: Option<Arc<str>>,
    /// The context without an extractor; made once.
    anonymous: Context<'static>,
}

pub(super) type Extractor<X> = dyn TryContextExtractor<Refusal = X> + Send + Sync;

#[derive(Clone)]
struct Own {
    flags: Flags,
    owner: u64,
}

impl<X: Refusal> Source<X> {
    #[inline]
    fn ask<B, R>(
        &self,
        request: &Request<B>,
        ask: impl Fn(&View<'_, '_>, Whose) -> R + Copy,
    ) -> Result<R, X> {
        let extracted = move |view: &View<'_, '_>| ask(view, Whose::Extracted);
        let ask = move |view: &View<'_, '_>| ask(view, Whose::Known);
        let pinned = |pinned: &RequestFlags| match &self.own {
            // The flags pinned for the request win, unless the layer was given flags of another owner.
            Some(own) if own.owner != pinned.snapshot().owner() => {
                // The pinned context still holds, unless the layer has an extractor of its own.
                let ask = |snapshot: &Snapshot| pinned.view(snapshot, ask);
                self.extractor.is_none().then(|| own.flags.read(ask))
            }
            _ => Some(pinned.view(pinned.snapshot(), ask)),
        };
        if let Some(answer) = request.extensions().get::<RequestFlags>().and_then(pinned) {
            return Ok(answer);
        }
        let Some(Own { flags, .. }) = &self.own else {
            // A service in between may have removed the extensions.
            return Ok(RequestFlags::with_current(|current| match current {
                Some(current) => current.view(current.snapshot(), ask),
                None => ask(&View::NoFlags { asker: self.asker }),
            }));
        };
        let headers = &self.headers;
        let Some(extractor) = &self.extractor else {
            let context = &self.anonymous;
            return Ok(flags.read(|snapshot| ask(&View::Flags { snapshot, context, headers })));
        };
        // By reference, since a context is large.
        match extractor.try_context(&RequestHead::of(request)) {
            Ok(ref mut context) => {
                context::bound(context);
                let context = &*context;
                Ok(flags
                    .read(move |snapshot| extracted(&View::Flags { snapshot, context, headers })))
            }
            Err(refusal) => Err(refusal),
        }
    }
}

/// Returns header names as `Vary` lists them.
pub(super) fn list(names: &[HeaderName]) -> Option<Arc<str>> {
    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
    (!names.is_empty()).then(|| names.join(", ").into())
}

// Not derived, here and below, since refusals need not be `Clone` or `Debug`.
impl<X> Clone for Question<X> {
    fn clone(&self) -> Self {
        let Self { condition, source, only } = self;
        Self { condition: condition.clone(), source: source.clone(), only: only.clone() }
    }
}

impl<X> Clone for Source<X> {
    fn clone(&self) -> Self {
        let Self { asker, own, extractor, headers, anonymous } = self;
        Self {
            asker: *asker,
            own: own.clone(),
            extractor: extractor.clone(),
            headers: headers.clone(),
            anonymous: anonymous.clone(),
        }
    }
}

impl<X> fmt::Debug for Question<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("condition", &self.condition)
            .field("flags", &self.source.own.as_ref().map(|own| &own.flags))
            .field("extractor", &self.source.extractor.is_some())
            .field("only", &self.only.is_some())
            .finish()
    }
}
