//! Layers: where flags come from.
//!
//! A backend offers, per flag key, nothing, a forced value or a definition (see [`Entry`](crate::Entry)), and
//! publishes its whole state again whenever that changes. The stack merges what all layers offer;
//! no backend knows of another.
//!
//! When a source fails, its backend reports the failure and the last state that it published
//! stays in force: a request never notices.
//!
//! Anything can be a layer; `examples/custom_backend.rs` has one in a few lines.

mod env;
#[cfg(feature = "file")]
mod file;
mod memory;
mod offer;
mod sink;
mod stack;

use std::{error::Error, future::Future, pin::Pin, sync::Arc};

#[cfg(feature = "file")]
pub use self::file::{File, OpenError};
pub use self::{env::Env, memory::Memory, offer::Offer, sink::Sink};
pub(crate) use self::{
    offer::Lookup,
    sink::{Publish, Report},
    stack::{LayerId, Stack},
};
use crate::model::Definition;

/// A failure of a backend. [`Flags::health`](crate::Flags::health) and events hand it out as it
/// is, so that a caller who knows the backend can downcast it.
pub type BackendError = Box<dyn Error + Send + Sync>;

/// What the methods of a backend return: a future that can be sent to another thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A layer of the stack: a source of flags.
pub trait Backend: Send + Sync + 'static {
    /// What the layer is called in answers, logs and health: a short, constant word.
    fn name(&self) -> &'static str;

    /// Publishes the state of the source into `sink`, now and whenever it changes.
    ///
    /// It runs in a task of its own, which ends when the last [`Flags`](crate::Flags) is dropped.
    /// Returning `Ok` says that the source never changes again.
    ///
    /// # Errors
    ///
    /// An error before the first state was published fails
    /// [`FlagsBuilder::start`](crate::FlagsBuilder::start). Later it is the layer's last: its
    /// state stays in force, and health shows the error. A source that may come back should
    /// [report](Sink::fail) the failure and try again instead of returning. A panic counts as an
    /// error.
    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>>;

    /// This backend as one that flags can be changed in, if it is one.
    fn as_writable(&self) -> Option<&dyn WritableBackend> {
        None
    }
}

/// A layer that flags can be changed in at run time.
pub trait WritableBackend: Backend {
    /// Makes one change.
    ///
    /// When the future is done, the change is in force in this process.
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from taking the change; nothing is changed then.
    fn write<'a>(&'a self, key: &'a str, write: Write) -> BoxFuture<'a, Result<(), BackendError>>;
}

/// One change of one flag in one layer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Write {
    /// Force it on for everybody.
    Enable,
    /// Force it off for everybody.
    Disable,
    /// Change the fields that the definition sets or removes; what it does not name stays.
    Set(Box<Definition>),
    /// Take away what the layer says about the flag: the layers below decide again.
    Clear,
}
