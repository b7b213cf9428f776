//! Feature flags for any tower or hyper stack.
//!
//! | | |
//! |---|---|
//! | [`Flags`] | evaluates flags on an immutable [`Snapshot`], without waiting, locking, allocating or failing |
//! | [`Context`] | describes the user of an evaluation: targeting key, groups and attributes |
//! | [`FlagGate`] | closes a service while a flag is off; a tower layer for hyper, axum and tonic alike |
//! | [`File`] | reads flags from a `flags.toml`, and reloads them when the file changes |
//! | [`Env`] | overrides flags by environment variables, such as `FEATURE_NEW_CHECKOUT=1` |
//! | [`Redis`] | overrides flags at run time, in all instances that share the store |
//!
//! # Example
//!
//! An axum service with a route that returns 404 while its flag is off:
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use flagstaff::{Context, Env, FlagGate, Flags, Memory, TrustedHeaders};
//! use tower::{Layer, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let flags = Flags::builder()
//!     .source(Env::with_prefix("FEATURE_"))              // overrides of this deployment, win
//!     .source(Memory::new().with("new_checkout", false)) // or `File::open("flags.toml")?`
//!     .start()
//!     .await?;
//!
//! let checkout = FlagGate::new("new_checkout").layer(get(async || "the new checkout"));
//! let app = Router::new()
//!     .route_service("/checkout", checkout)
//!     .route("/", get(async || if flagstaff::is_enabled("dark_mode") { "dark" } else { "light" }))
//!     // Trusts `X-User-ID`: only behind a proxy that sets this header and removes that of clients.
//!     .layer(flags.request_layer(TrustedHeaders::default()));
//!
//! let response = app.oneshot(Request::get("/checkout").body(Body::empty())?).await?;
//! assert_eq!(response.status(), 404);
//!
//! // Outside of requests, code passes the context.
//! assert!(!flags.is_enabled("new_checkout", &Context::user("ana").group("beta")));
//! # Ok(())
//! # }
//! ```
//!
//! The [guide] covers every feature, and the repository's `examples` can be run.
//!
//! # When things go wrong
//!
//! If no source has a flag, callers get their own default. After a bad edit of the file, or while a
//! source cannot be reached, the last good state stays in force, so no answer changes. The failure
//! is in [`health`](Flags::health), in [`events`](Flags::events) and in the log. Every [`Answer`]
//! names its reason and its source.
//!
//! # Cargo features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `file` | yes | [`File`]: flags.toml and its watcher; with `definition` |
//! | `definition` | yes | [`definition`]: parsers for flags in TOML and JSON, with diagnostics |
//! | `http` | yes | [`FlagGate`], [`FlagSwitch`], the request layer, [`TrustedHeaders`] |
//! | `axum` | | [`RequestFlags`] as an axum extractor |
//! | `cookie` | | [`StickyCookie`](context::StickyCookie): a signed id for visitors without an account |
//! | `redis` | yes | [`Redis`]: overrides at run time, shared by all instances |
//! | `redis-tls` | | TLS to Redis: `rediss://` |
//! | `metrics` | | evaluations, and failures, status and age of every source, through the `metrics` facade; see the [guide] |
//! | `testing` | | [`Flags::for_test`] and [`testing`]: for the tests of services |
//! | `uuid` | | `uuid::Uuid` as an [id](context::IntoId) and as an [attribute](context::IntoAttribute) |
//! | `edit` | | [`definition::edit`]: edits of flags.toml that keep its comments and its layout |
//! | `codegen` | | [`codegen`]: flags as constants, for build scripts |
//! | `cli` | | the command `flagstaff`, and its exit codes: [`cli`] |

#![cfg_attr(docsrs, feature(doc_cfg))]
// Not in `[lints]`, because examples and tests may print and unwrap.
#![warn(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]
// Without these features, some links of the documentation have no target.
#![cfg_attr(
    not(all(
        feature = "file",
        feature = "axum",
        feature = "cli",
        feature = "codegen",
        feature = "edit",
        feature = "cookie",
        feature = "redis-tls",
        feature = "testing"
    )),
    allow(rustdoc::broken_intra_doc_links, reason = "links to what other features add")
)]

mod backend;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "codegen")]
pub mod codegen;
#[cfg(feature = "definition")]
pub mod definition;
mod error;
mod eval;
mod flags;
mod foreign;
#[cfg(feature = "http")]
mod http;
mod model;
pub mod observe;
#[cfg(any(
    feature = "codegen",
    feature = "edit",
    feature = "file",
    feature = "redis",
    all(feature = "definition", feature = "testing")
))]
#[cfg_attr(
    not(all(feature = "edit", feature = "file")),
    allow(dead_code, reason = "each of the features needs a part")
)]
mod read;
#[cfg(any(feature = "codegen", feature = "edit", feature = "file", feature = "redis"))]
#[cfg_attr(
    not(all(feature = "edit", feature = "file", feature = "redis")),
    allow(dead_code, reason = "each of the features needs a part")
)]
mod replace;
mod serialize;
pub mod text;

#[cfg(any(
    doc,
    all(
        doctest,
        feature = "axum",
        feature = "file",
        feature = "codegen",
        feature = "cookie",
        feature = "edit",
        feature = "redis-tls",
        feature = "testing"
    )
))]
pub mod guide {
    #![doc = include_str!("docs/guide.md")]

    /// Declares a module for each page: `$page`, documented by the text of `$path`.
    macro_rules! pages {
        ($($page:ident = $path:literal)*) => {
            $(
                pub mod $page {
                    #![doc = include_str!($path)]
                    #![allow(unused_imports, reason = "names that the text links to")]

                    use crate::{
                        answer::*, context::*, definition::*, event::*, explain::*, gate::*, observe::*,
                        request::*, source::*, write::*, *,
                    };
                }
            )*
        };
    }

    pages! {
        flags = "docs/guide/flags.md"
        rules = "docs/guide/rules.md"
        variants = "docs/guide/variants.md"
        environments = "docs/guide/environments.md"
        checks = "docs/guide/checks.md"
        sources = "docs/guide/sources.md"
        asking = "docs/guide/asking.md"
        requests = "docs/guide/requests.md"
        axum = "docs/guide/axum.md"
        hyper = "docs/guide/hyper.md"
        tonic = "docs/guide/tonic.md"
        workers = "docs/guide/workers.md"
        changes = "docs/guide/changes.md"
        operations = "docs/guide/operations.md"
        command = "docs/guide/command.md"
        testing = "docs/guide/testing.md"
    }
}

#[cfg(all(doctest, feature = "axum", feature = "file"))]
#[doc = include_str!("../README.md")]
struct Readme;

// The names that most services need: `tests/it/root.rs` counts them. The modules below have the
// other names, grouped by use.
#[cfg(feature = "file")]
#[doc(inline)]
pub use self::backend::File;
#[cfg(feature = "redis")]
#[doc(inline)]
pub use self::backend::Redis;
#[cfg(feature = "testing")]
#[doc(inline)]
pub use self::flags::testing;
#[cfg(feature = "http")]
#[doc(inline)]
pub use self::http::{FlagGate, FlagSwitch, TrustedHeaders};
#[doc(inline)]
pub use self::{
    backend::{Backend, Env, Memory},
    flags::{
        Flags, RequestFlags, Snapshot, StartError, WithCurrentFlags, WriteError, boolean, current,
        explain, is_enabled, track,
    },
    model::{Answer, Context, Definition, Flag, FlagKey, FlagName, Percentage, Reason},
};

pub mod answer {
    //! Answers, their reasons, and the state of flags as a whole.

    #[doc(inline)]
    pub use crate::{
        flags::{FlagInfo, VariantEnum},
        model::{Answer, Cause, Draw, ErrorCode, FlagState, Reason, UnitName, Value},
    };
}

pub mod context {
    //! Evaluation contexts, and extractors that read them from requests.

    #[cfg(feature = "http")]
    #[doc(inline)]
    pub use crate::http::{
        Anonymous, ContextExtractor, ContextFn, InvalidHeader, Refusal, RequestHead,
        TrustedHeaders, TryContextExtractor, TryContextFn, context_fn, try_context_fn,
    };
    #[cfg(feature = "cookie")]
    #[doc(inline)]
    pub use crate::http::{InvalidCookie, StickyCookie};
    #[doc(inline)]
    pub use crate::model::{Context, IntoAttribute, IntoId};
}

pub mod event {
    //! Streams of changes, failures, warnings and tracked events.

    #[doc(inline)]
    pub use crate::flags::{
        Change, ChangeCause, Event, Events, TrackingEvent, TrackingEvents, Warning,
    };
    #[doc(inline)]
    pub use crate::model::WarningKind;
}

#[cfg(not(feature = "definition"))]
pub mod definition {
    //! Definitions of flags, and their parts.

    #[doc(inline)]
    pub use crate::model::parts::*;
}

#[cfg(feature = "http")]
pub mod gate {
    //! Gates and switches: tower layers that close a service, or choose between two, by flag.

    #[doc(inline)]
    pub use crate::http::{
        BodyError, CallFuture, Concealed, ConcealedGate, DefaultDenial, DenialResponse, EitherBody,
        FixedBody, FlagGate, FlagSwitch, GateDenied, GateFuture, Gated, GrpcStatus,
        IntoRequirement, InvalidGate, Requirement, SwitchFuture, Switched,
    };
}

pub mod request {
    //! Flags pinned for one request, and the layer that pins them.

    #[doc(inline)]
    pub use crate::flags::{
        RequestFlags, Scope, WithCurrentFlags, WithFlags, boolean, current, current_scope,
        is_enabled,
    };
    #[cfg(feature = "axum")]
    #[doc(inline)]
    pub use crate::http::MissingRequestFlags;
    #[cfg(feature = "http")]
    #[doc(inline)]
    pub use crate::http::{RequestFuture, RequestLayer, RequestService};
}

pub mod source {
    //! Sources of flags: a file, the environment, Redis, memory, or your own.
    //!
    //! For each flag key, a source offers nothing, a forced value or a definition (see
    //! [`Entry`](crate::definition::Entry)). The source publishes its whole state again whenever
    //! that state changes. [`Flags`](crate::Flags) merges the offers; a source never sees the
    //! offers of another one.
    //!
    //! When a source fails, the failure is reported, and the state that the source published last
    //! stays in force. Requests are not affected.
    //!
    //! Anything can be a source: implement [`Backend`]. `examples/custom_backend.rs` does so in a
    //! few lines.

    #[cfg(feature = "redis")]
    #[doc(inline)]
    pub use crate::backend::{
        Confirmation, Fleet, Instance, InvalidRedis, OldOverride, OnLostStore, Redis, RedisError,
        RedisErrorKind, RedisHandle, Rehearsed, Usage,
    };
    #[cfg(feature = "file")]
    #[doc(inline)]
    pub use crate::backend::{File, OpenError};
    #[doc(inline)]
    pub use crate::{
        backend::{
            Backend, BackendError, BoxFuture, Env, FlagUsage, IntoBackend, Memory, Offer, Sink,
            Source, SourceKind, Standing, WritableBackend,
        },
        flags::{FlagsBuilder, Health, SourceEntry, SourceError, SourceHealth, StartError, Status},
    };
}

pub mod write {
    //! Changes at run time: overrides, rollouts, their log, and drift from the file.

    #[doc(inline)]
    pub use crate::{
        backend::{Conflict, Expected, LogEntry, Operation, Provenance, Refusal, Write, Written},
        flags::{
            Drift, NoEffect, NoEffectKind, Outcome, PendingStep, PendingUndo, PendingWrite,
            RolloutControl, RolloutError, WriteError,
        },
    };
}
