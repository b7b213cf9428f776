//! `Flags` itself.

use std::{fmt, sync::Arc};

use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
};

use super::{
    Event, Events, Flag, FlagKey, FlagsBuilder, Health, Snapshot, Status, cell::Cell,
    publisher::Publisher,
};
use crate::{
    backend::{Backend, BackendError, WritableBackend, Write},
    model::{Answer, Context, Definition, FlagState},
};

/// All flags of a service, kept up to date.
///
/// Asking never waits, locks or fails, and allocates nothing. Clones are cheap and share
/// everything; dropping the last one ends the tasks that follow the layers.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Definition, Flags, Memory, Percentage};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let beta = Definition::new().percentage(Percentage::ZERO).allowed_users(["ana"]);
/// let flags = Flags::builder().layer(Memory::new().with("beta", beta)).start().await?;
///
/// assert!(flags.is_enabled("beta", &Context::user("ana")));
/// assert!(!flags.is_enabled("beta", &Context::user("bob")));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Flags {
    /// The same as the publisher's: evaluation reads nothing else.
    pub(super) cell: Arc<Cell>,
    inner: Arc<Inner>,
}

struct Inner {
    publisher: Arc<Publisher>,
    layers: Vec<Arc<dyn Backend>>,
    /// Dropping it ends the tasks. Locked while they are waited for, so that everybody waits.
    tasks: Mutex<JoinSet<()>>,
}

impl Flags {
    /// Starts with the layers, strongest first.
    pub fn builder() -> FlagsBuilder {
        FlagsBuilder::default()
    }

    /// Whether the flag is on for `context`. A flag that no layer knows is off.
    #[inline]
    pub fn is_enabled(&self, key: impl FlagKey, context: &Context<'_>) -> bool {
        self.cell.with(|snapshot| snapshot.is_enabled(&key, context))
    }

    /// Whether the flag is on for `context`; `default` if no layer knows it.
    #[inline]
    pub fn is_enabled_or(&self, key: impl FlagKey, context: &Context<'_>, default: bool) -> bool {
        self.cell.with(|snapshot| snapshot.is_enabled_or(&key, context, default))
    }

    /// The evaluation details: value, reason, layer and error code. `false` is the default.
    #[inline]
    pub fn boolean(&self, key: impl FlagKey, context: &Context<'_>) -> Answer<bool> {
        self.cell.with(|snapshot| snapshot.boolean(&key, context))
    }

    /// The evaluation details with an explicit default.
    #[inline]
    pub fn boolean_or(
        &self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: bool,
    ) -> Answer<bool> {
        self.cell.with(|snapshot| snapshot.boolean_or(&key, context, default))
    }

    /// Resolves a flag key once, so that asking for it costs less.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{Context, Flags, Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let flags = Flags::builder().layer(Memory::new().with("a", true)).start().await?;
    /// let a = flags.flag("a");
    ///
    /// assert!(flags.is_enabled(&a, &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn flag(&self, key: &str) -> Flag {
        self.inner.publisher.flag(key)
    }

    /// The current generation, for several questions whose answers must fit together.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.cell.load()
    }

    /// Every flag that a layer has, sorted by key, with its answer for `context`.
    #[must_use]
    pub fn all(&self, context: &Context<'_>) -> Vec<(String, Answer<bool>)> {
        let all = |snapshot: &Snapshot| {
            snapshot.all(context).map(|(key, answer)| (key.to_owned(), answer)).collect()
        };
        self.cell.with(all)
    }

    /// Forces a flag on for everybody, in the first writable layer.
    ///
    /// # Errors
    ///
    /// [`WriteError::ReadOnly`] without a writable layer, else what the layer says.
    pub async fn enable(&self, key: &str) -> Result<(), WriteError> {
        self.write(key, Write::Enable).await
    }

    /// Forces a flag off for everybody, in the first writable layer.
    ///
    /// # Errors
    ///
    /// [`WriteError::ReadOnly`] without a writable layer, else what the layer says.
    pub async fn disable(&self, key: &str) -> Result<(), WriteError> {
        self.write(key, Write::Disable).await
    }

    /// Changes the fields that `patch` sets or removes, in the first writable layer. Fields it
    /// does not name stay.
    ///
    /// # Errors
    ///
    /// [`WriteError::ReadOnly`] without a writable layer, else what the layer says.
    pub async fn set(&self, key: &str, patch: Definition) -> Result<(), WriteError> {
        self.write(key, Write::Set(Box::new(patch))).await
    }

    /// Takes away what the first writable layer says about a flag, so that the layers below
    /// decide again.
    ///
    /// # Errors
    ///
    /// [`WriteError::ReadOnly`] without a writable layer, else what the layer says.
    pub async fn clear(&self, key: &str) -> Result<(), WriteError> {
        self.write(key, Write::Clear).await
    }

    async fn write(&self, key: &str, write: Write) -> Result<(), WriteError> {
        let mut layers = self.inner.layers.iter();
        let layer: &dyn WritableBackend =
            layers.find_map(|layer| layer.as_writable()).ok_or(WriteError::ReadOnly)?;
        let written = layer.write(key, write).await;
        written.map_err(|source| WriteError::Layer { layer: layer.name(), source })
    }

    /// What happens to the flags from now on.
    ///
    /// It begins with the failures that last, so that whoever shows events also shows what was
    /// wrong before there was anybody to tell, such as a mistake in the file at the start.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{Event, Flags, Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let flags = Flags::builder().layer(Memory::new().with("beta", false)).start().await?;
    /// let mut events = flags.events();
    ///
    /// flags.enable("beta").await?;
    ///
    /// match events.next().await {
    ///     Some(Event::Changed { changes, .. }) => {
    ///         assert_eq!(changes[0].to_string(), "beta: off -> on");
    ///     }
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> Events {
        let events = self.inner.publisher.subscribe();
        // In this order: a failure in between is told twice rather than never.
        let failing = self.health().layers.into_iter();
        let failing = failing.filter(|layer| layer.status == Status::Error);
        let failures = failing.filter_map(|layer| {
            Some(Event::Failed { layer: layer.name, error: layer.last_error? })
        });
        Events::new(failures.collect(), events)
    }

    /// Follows what one flag amounts to, whether a layer has it yet or not.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{Flags, FlagState, Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let flags = Flags::builder().layer(Memory::new()).start().await?;
    /// let mut beta = flags.watch("beta");
    /// assert_eq!(*beta.borrow_and_update(), FlagState::Unknown);
    ///
    /// flags.enable("beta").await?;
    ///
    /// beta.changed().await?;
    /// assert_eq!(*beta.borrow(), FlagState::On);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn watch(&self, key: &str) -> watch::Receiver<FlagState> {
        self.inner.publisher.watch(key)
    }

    /// How the layers are: status, age and last error of each.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{Env, Flags, Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let (env, memory) = (Env::with_prefix("FEATURE_"), Memory::new().with("a", true));
    /// let flags = Flags::builder().layer(env).layer(memory).start().await?;
    ///
    /// let health = flags.health();
    ///
    /// assert!(health.is_ready());
    /// assert_eq!((health.layers[1].name, health.layers[1].flags), ("memory", 1));
    /// assert!(health.layers[1].last_error.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.publisher.health()
    }

    /// Stops following the layers, waits until their tasks have ended, and ends the streams of
    /// events. The last generation goes on answering.
    pub async fn shutdown(&self) {
        self.inner.tasks.lock().await.shutdown().await;
        self.inner.publisher.close();
    }

    pub(super) fn new(
        publisher: Arc<Publisher>,
        layers: Vec<Arc<dyn Backend>>,
        tasks: JoinSet<()>,
    ) -> Self {
        Self {
            cell: Arc::clone(&publisher.cell),
            inner: Arc::new(Inner { publisher, layers, tasks: Mutex::new(tasks) }),
        }
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flags").field(&self.snapshot()).finish()
    }
}

/// A change was not made.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// No layer can be written to.
    #[error("no layer of these flags can be written to: add one, such as `Memory`")]
    ReadOnly,
    /// The layer refused the change or could not be reached.
    #[error("layer `{layer}` did not take the change")]
    Layer {
        /// What the layer is called.
        layer: &'static str,
        /// Why.
        source: BackendError,
    },
}

crate::error::debug_is_message!(WriteError);
