//! The facade: what services hold and ask.

mod asked;
mod builder;
mod cell;
mod changes;
mod clock;
mod drift;
pub mod explain;
mod facade;
mod health;
mod key;
mod links;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(not(feature = "metrics"))]
#[path = "without_metrics.rs"]
mod metrics;
mod publisher;
mod request;
mod rollout;
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
mod write;

#[cfg(feature = "http")]
pub(crate) use self::view::{KnownFlag, View};
pub use self::{
    builder::{FlagsBuilder, StartError},
    changes::{Change, Event, Events},
    drift::{Drift, SourceEntry},
    facade::Flags,
    health::{Health, SourceHealth, Status},
    key::{Flag, FlagKey, FlagName},
    request::{RequestFlags, WithCurrentFlags, WithFlags, boolean, current, is_enabled},
    rollout::{PendingStep, RolloutControl, RolloutError},
    snapshot::{FlagInfo, Snapshot},
    track::{TrackingEvent, TrackingEvents, track},
    variant_enum::VariantEnum,
    write::{PendingUndo, PendingWrite, WriteError},
};
