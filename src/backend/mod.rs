//! Sources: the backends that flags come from.
//!
//! A backend offers, per flag key, nothing, a forced value or a definition (see [`Entry`]), and
//! publishes its whole state again whenever that changes. The stack merges the offers of all
//! sources. No backend depends on another.
//!
//! When a source fails, its backend reports the failure, and the last state that it published stays
//! in force. No request fails or waits because of it.
//!
//! Any type can be a source; `examples/custom_backend.rs` has one in a few lines.

mod env;
#[cfg(feature = "file")]
mod file;
mod identity;
mod memory;
mod offer;
#[cfg(feature = "redis")]
mod redis;
mod shared_map;
mod sink;
mod stack;
mod supervise;
mod write;

use std::{error::Error, future::Future, pin::Pin, sync::Arc, time::SystemTime};

#[cfg(feature = "file")]
pub use self::file::{File, OpenError};
#[cfg(feature = "redis")]
pub use self::redis::{
    Confirmation, Fleet, Instance, InvalidRedis, OldOverride, OnLostStore, Redis, RedisError,
    RedisErrorKind, RedisHandle, Rehearsed, Usage,
};
pub use self::{
    env::Env,
    identity::{Source, SourceKind},
    memory::Memory,
    offer::Offer,
    sink::{FlagUsage, Sink, Standing},
    write::{Conflict, Expected, LogEntry, Operation, Provenance, Refusal, Write, Written},
};
pub(crate) use self::{
    identity::{CLOCK, identify},
    offer::Lookup,
    sink::{Heard, Publish, Report},
    stack::{Circumstances, SourceId, Stack},
    supervise::{Run, follow, run, supervise},
};
use crate::{foreign, model::Entry};

/// The functions of the backends in this crate that return the kinds of their errors.
const KINDS: &[fn(&(dyn Error + 'static)) -> Option<&'static str>] = &[
    foreign::kind_of,
    #[cfg(feature = "file")]
    file::kind_of,
    #[cfg(feature = "redis")]
    redis::kind_of,
];

/// Returns the kind of an error, if one of the backends here returned it.
pub(crate) fn kind_of(error: &(dyn Error + 'static)) -> Option<&'static str> {
    KINDS.iter().find_map(|kind_of| kind_of(error))
}

/// A failure of a backend. [`Flags::health`](crate::Flags::health) and events have it as a
/// [`SourceError`](crate::source::SourceError), which a caller who knows the backend can downcast.
pub type BackendError = Box<dyn Error + Send + Sync>;

/// The future that the methods of a backend return, which can be sent to another thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A source of flags, with a position in the stack.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use flagstaff::{source::{BackendError, BoxFuture, Offer, Sink}, Backend, Context, Flags};
/// use tokio::sync::watch;
///
/// /// The names of the flags that are on, as another part of the program pushes them.
/// struct Pushed(watch::Receiver<Vec<&'static str>>);
///
/// impl Backend for Pushed {
///     fn name(&self) -> &'static str {
///         "pushed"
///     }
///
///     fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
///         let mut pushed = self.0.clone();
///         Box::pin(async move {
///             loop {
///                 let on = pushed.borrow_and_update().iter().map(|&key| (key, true)).collect();
///                 sink.publish(on);
///                 if pushed.changed().await.is_err() {
///                     // The other part has ended. Its last state stays in force.
///                     return Ok(());
///                 }
///             }
///         })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let (push, pushed) = watch::channel(vec!["beta"]);
/// let flags = Flags::builder().source(Pushed(pushed)).start().await?;
/// let mut search = flags.watch("search");
///
/// assert_eq!(flags.boolean("beta", &Context::anonymous(), false).source, Some("pushed"));
///
/// push.send(vec!["beta", "search"])?;
///
/// search.changed().await?;
/// assert!(flags.is_enabled("search", &Context::anonymous()));
/// # Ok(())
/// # }
/// ```
pub trait Backend: Send + Sync + 'static {
    /// Returns the name of the source in answers, logs and health: a short, constant word.
    ///
    /// Two sources with one name are distinguished by a number: `memory` and `memory#2`.
    fn name(&self) -> &'static str;

    /// Returns the kind of the source; [`SourceKind::Custom`] unless implemented.
    fn kind(&self) -> SourceKind {
        SourceKind::Custom
    }

    /// Returns the location of the source, such as the path of a file, which the log shows at the start.
    ///
    /// It must not contain a password. `None` unless implemented.
    fn location(&self) -> Option<String> {
        None
    }

    /// Returns `true` if the start waits for the source however long it takes. It is for a source
    /// on this machine whose wait ends by itself. `false` unless implemented.
    fn is_awaited(&self) -> bool {
        false
    }

    /// Publishes the state of the source into `sink`, now and whenever it changes.
    ///
    /// The future runs in a task of its own, which ends when the last [`Flags`](crate::Flags) is
    /// dropped. `Ok` means that the source never changes again.
    ///
    /// # Errors
    ///
    /// An error before the first published state fails
    /// [`FlagsBuilder::start`](crate::source::FlagsBuilder::start). After a later error, the last
    /// state stays in force; logs, events and health show the error, and this method is called
    /// again. The pause before that grows from 100 milliseconds to 30 seconds while the calls keep
    /// failing. A source that needs another pause should [report](Sink::fail) the failure and try
    /// again instead of returning.
    ///
    /// A panic counts as an error. So does returning `Ok` without having published anything.
    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>>;

    /// Unregisters this process at the source when the flags are shut down, after the task has
    /// ended.
    ///
    /// [`Flags::shutdown`](crate::Flags::shutdown) gives it one second. Does nothing unless
    /// implemented.
    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Returns this backend as a writable one, if flags can be changed in it.
    fn as_writable(&self) -> Option<&dyn WritableBackend> {
        None
    }
}

/// A conversion into a source, implemented by every [`Backend`] and by configurations such as
/// `Redis`.
///
/// # Example
///
/// ```
/// use flagstaff::{source::IntoBackend, Context, Flags, Memory};
///
/// /// The flags that a demo switches on.
/// struct Demo(Vec<&'static str>);
///
/// impl IntoBackend for Demo {
///     type Backend = Memory;
///
///     fn into_backend(self) -> Memory {
///         self.0.into_iter().fold(Memory::new(), |memory, flag| memory.with(flag, true))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// let flags = Flags::builder().source(Demo(vec!["beta"])).start().await?;
///
/// assert!(flags.is_enabled("beta", &Context::anonymous()));
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of flags",
    note = "`File`, `Env`, `Memory` and `Redis` are sources; implement `flagstaff::Backend` for one of your own",
    note = "a fallible constructor such as `File::open` needs a `?`"
)]
pub trait IntoBackend {
    /// The source.
    type Backend: Backend;

    /// Returns the source.
    fn into_backend(self) -> Self::Backend;
}

impl<B: Backend> IntoBackend for B {
    type Backend = Self;

    fn into_backend(self) -> Self {
        self
    }
}

/// A source in which flags can be changed at run time.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use flagstaff::{
///     definition::Entry,
///     source::{BackendError, BoxFuture, Sink, WritableBackend},
///     write::{Operation, Refusal, Write, Written},
///     Backend, Context, Flags, Memory,
/// };
///
/// /// Keeps a flag from being switched off in passing.
/// struct Careful(Arc<Memory>);
///
/// impl Backend for Careful {
///     fn name(&self) -> &'static str {
///         "careful"
///     }
///
///     fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
///         Arc::clone(&self.0).run(sink)
///     }
///
///     fn as_writable(&self) -> Option<&dyn WritableBackend> {
///         Some(self)
///     }
/// }
///
/// impl WritableBackend for Careful {
///     fn write<'a>(&'a self, key: &'a str, write: Write) -> BoxFuture<'a, Result<Written, Refusal>> {
///         match write.operation {
///             Operation::Disable => {
///                 Box::pin(async { Err(Refusal::failed("nothing is switched off here")) })
///             }
///             _ => self.0.write(key, write),
///         }
///     }
///
///     fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, BackendError>> {
///         self.0.read(key)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let flags = Flags::builder().source(Careful(Arc::default())).start().await?;
///
/// flags.enable("beta").await?;
/// assert!(flags.disable("beta").await.is_err());
///
/// assert!(flags.is_enabled("beta", &Context::anonymous()));
/// # Ok(())
/// # }
/// ```
pub trait WritableBackend: Backend {
    /// Makes one change.
    ///
    /// The change is in force in this process when the future completes.
    ///
    /// # Errors
    ///
    /// Returns the reason why the source did not accept the change. Nothing was changed, unless the refusal
    /// is [`Refusal::Unconfirmed`] or [`Refusal::NotInForce`].
    fn write<'a>(&'a self, key: &'a str, write: Write) -> BoxFuture<'a, Result<Written, Refusal>>;

    /// Reads the entry of a flag at this moment.
    ///
    /// # Errors
    ///
    /// Returns an error if the source cannot be reached, or the entry cannot be read.
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, BackendError>>;

    /// Returns the time by which entries of the source expire: that of this machine, which is the
    /// default, or that of a server.
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Reads at most `limit` changes of one flag, or of all, the newest first.
    ///
    /// # Errors
    ///
    /// Returns [`Refusal::Unsupported`] if the source keeps no log, which is the default.
    fn history<'a>(
        &'a self,
        key: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<LogEntry>, Refusal>> {
        let _ = (key, limit);
        Box::pin(async { Err(Refusal::Unsupported("list changes: it keeps no log")) })
    }

    /// Restores the entry before the change with this revision.
    ///
    /// # Errors
    ///
    /// Returns [`Refusal::Conflict`] if the flag was changed since; [`Refusal::Unsupported`] if the source
    /// keeps no log, which is the default.
    fn undo<'a>(
        &'a self,
        revision: u64,
        author: Option<String>,
        reason: Option<String>,
    ) -> BoxFuture<'a, Result<Written, Refusal>> {
        let _ = (revision, author, reason);
        Box::pin(async { Err(Refusal::Unsupported("undo changes: it keeps no log")) })
    }
}
