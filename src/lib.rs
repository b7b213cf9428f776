//! Feature flags for any tower or hyper stack.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backend;
#[cfg(feature = "file")]
pub mod definition;
mod eval;
mod flags;
mod model;

#[cfg(feature = "testing")]
pub use flags::testing;

#[cfg(feature = "file")]
pub use self::backend::File;

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
