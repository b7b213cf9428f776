//! Feature flags for any tower or hyper stack.
//!
//! Flags are declared in a `flags.toml` that is reloaded the moment it is saved ([`File`]), and
//! overridden by environment variables ([`Env`]), a [`Redis`] that all instances share, or any other
//! [`Backend`]. [`Flags`] merges these sources and answers from an immutable [`Snapshot`]: asking never waits, locks, allocates or
//! fails. [`FlagGate`] closes routes whose flag is off.
//!
//! # When things go wrong
//!
//! A flag that no source knows has the caller's default. A bad edit of the file, or a source whose
//! source is gone, changes no answer: what was good last stays in force, and
//! [`health`](Flags::health), [`events`](Flags::events) and the log say what is wrong. Every
//! [`Answer`] names its reason and the source that it comes from.
//!
//! # Example
//!
//! ```
//! use flagstaff::{Context, Env, Flags, Memory};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), flagstaff::StartError> {
//! let flags = Flags::builder()
//!     .source(Env::with_prefix("FEATURE_"))             // per-deploy override, wins
//!     .source(Memory::new().with("new_checkout", true)) // or `File::open("flags.toml")?`
//!     .start()
//!     .await?;
//!
//! assert!(flags.is_enabled("new_checkout", &Context::user("ana").group("beta")));
//! # Ok(())
//! # }
//! ```
//!
//! The [guide] goes through everything; the repository's `examples` run.
//!
//! # Cargo features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `file` | yes | [`File`]: flags.toml and its watcher; with `definition` |
//! | `definition` | yes | [`definition`]: flags from TOML and JSON texts, with diagnostics |
//! | `http` | yes | [`FlagGate`], [`FlagSwitch`], the request layer, [`TrustedHeaders`] |
//! | `axum` | | [`RequestFlags`] as an axum extractor |
//! | `cookie` | | [`StickyCookie`]: a signed id for visitors without an account |
//! | `redis` | yes | [`Redis`]: overrides at run time, shared by all instances |
//! | `redis-tls` | | TLS to Redis: `rediss://` |
//! | `metrics` | | what is wrong with which source, through the `metrics` facade; see the [guide] |
//! | `testing` | | [`Flags::for_test`] and [`testing`]: for the tests of services |
//! | `edit` | | [`definition::edit`]: changes of flags.toml that keep its comments and its layout |
//! | `codegen` | | [`codegen`]: flags as constants, for build scripts |
//! | `cli` | | the command `flagstaff`, and its exit codes: [`cli`] |

#![cfg_attr(docsrs, feature(doc_cfg))]
// Examples and tests may.
#![warn(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]
// These links lead nowhere in builds without the features that they are about.
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

pub mod backend;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "codegen")]
pub mod codegen;
#[cfg(feature = "definition")]
pub mod definition;
mod error;
mod eval;
mod flags;
#[cfg(feature = "http")]
pub mod http;
mod model;

/// Everything, one step after the other.
#[cfg(any(
    doc,
    all(
        doctest,
        feature = "file",
        feature = "codegen",
        feature = "cookie",
        feature = "edit",
        feature = "redis-tls",
        feature = "testing"
    )
))]
#[doc = include_str!("docs/guide.md")]
pub mod guide {}

#[cfg(all(doctest, feature = "file", feature = "http", feature = "redis"))]
#[doc = include_str!("../README.md")]
struct Readme;

pub use flags::explain::{self, Explanation};
#[cfg(feature = "testing")]
pub use flags::testing;

#[cfg(feature = "file")]
pub use self::backend::File;
#[cfg(feature = "redis")]
pub use self::backend::Redis;
#[cfg(feature = "axum")]
pub use self::http::MissingRequestFlags;
#[cfg(feature = "http")]
pub use self::http::{
    Anonymous, ContextExtractor, DenialResponse, FlagGate, FlagSwitch, GateDenied, InvalidGate,
    InvalidHeader, RequestHead, RequestLayer, Requirement, TrustedHeaders,
};
#[cfg(feature = "cookie")]
pub use self::http::{InvalidCookie, StickyCookie};
pub use self::{
    backend::{Backend, Env, Memory, WritableBackend},
    flags::{
        Change, Drift, Event, Events, Flag, FlagInfo, FlagKey, FlagName, Flags, FlagsBuilder,
        Health, PendingStep, PendingUndo, PendingWrite, RequestFlags, RolloutControl, RolloutError,
        Snapshot, SourceEntry, SourceHealth, StartError, Status, TrackingEvent, TrackingEvents,
        WithCurrentFlags, WithFlags, WriteError, boolean, current, is_enabled, is_enabled_or,
        track,
    },
    model::{
        Active, Answer, Case, Cause, Comparison, Condition, Context, Definition, Entry, ErrorCode,
        Field, FlagState, InvalidOnStale, InvalidOperand, InvalidPercentage, InvalidWeight,
        OnStale, OperandKind, Operator, OperatorExample, Part, Percentage, Prerequisite, Progress,
        RareSettings, Reason, Rollout, RolloutStatus, Rule, Segment, Serve, Setting, Stage, Value,
        Variant, Variants, Weight,
    },
};
