//! Feature flags for any tower or hyper stack.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backend;
mod eval;
mod flags;
#[cfg(feature = "http")]
pub mod http;
mod model;

#[cfg(feature = "testing")]
pub use flags::testing;

#[cfg(feature = "axum")]
pub use self::http::MissingRequestFlags;
#[cfg(feature = "http")]
pub use self::http::{
    Anonymous, ContextExtractor, DenialResponse, FlagGate, FlagSwitch, GateDenied, InvalidGate,
    InvalidHeader, RequestLayer, Requirement, TrustedHeaders,
};
#[cfg(feature = "cookie")]
pub use self::http::{InvalidCookie, StickyCookie};
pub use self::{
    backend::{Backend, Env, Memory, WritableBackend},
    flags::{
        Change, Event, Events, Flag, FlagInfo, FlagKey, Flags, FlagsBuilder, Health, LayerHealth,
        RequestFlags, Snapshot, StartError, Status, WithCurrentFlags, WithFlags, WriteError,
        boolean, current, is_enabled, is_enabled_or,
    },
    model::{
        Answer, Cause, Context, Definition, Entry, ErrorCode, Field, FlagState, InvalidPercentage,
        Percentage, Reason, Setting,
    },
};
