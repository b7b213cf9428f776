//! The facade: the types that services hold and call.

mod asked;
mod blocking;
mod builder;
mod cell;
mod changes;
mod clock;
mod content;
mod counts;
mod drift;
pub mod explain;
mod facade;
mod health;
mod links;
mod merge;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(not(feature = "metrics"))]
#[path = "without_metrics.rs"]
mod metrics;
mod mismatch;
mod no_effect;
mod observed;
mod outside;
mod publisher;
#[cfg(feature = "http")]
mod ready;
mod rehearsal;
mod request;
mod rollout;
mod scope;
#[cfg(feature = "definition")]
mod serialize;
mod slots;
mod snapshot;
#[cfg(not(feature = "testing"))]
#[path = "without_testing.rs"]
mod testing;
#[cfg(feature = "testing")]
pub mod testing;
mod track;
mod unknown;
mod values;
mod variant_enum;
#[cfg(feature = "http")]
mod view;
mod wakers;
mod warned;
mod warning;
mod watchers;
mod write;

pub use self::{
    builder::{FlagsBuilder, StartError},
    changes::{Change, ChangeCause, Event, Events},
    drift::{Drift, SourceEntry},
    facade::Flags,
    health::{Health, SourceError, SourceHealth, Status},
    no_effect::{NoEffect, NoEffectKind},
    request::{RequestFlags, boolean, current, is_enabled},
    rollout::{PendingStep, RolloutControl, RolloutError},
    scope::{Scope, WithCurrentFlags, WithFlags, current_scope},
    snapshot::{FlagInfo, Snapshot},
    track::{TrackingEvent, TrackingEvents, track},
    variant_enum::VariantEnum,
    warning::Warning,
    write::{Outcome, PendingUndo, PendingWrite, WriteError},
};
#[cfg(feature = "http")]
pub(crate) use self::{
    outside::Asker,
    ready::{ReadyFlags, Wake},
    view::{KnownFlag, Unmet, View},
    warned::Warned,
};
