//! Flags held in the process itself.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Backend, BackendError, BoxFuture, Offer, Sink, WritableBackend, Write};
use crate::model::{Definition, Entry};

/// A layer in memory, writable: for defaults compiled into a service, and for tests.
///
/// Clones share their flags; a change through one is in force in every stack that has another.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Flags, Memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// let memory = Memory::new().with("new_checkout", true);
/// let flags = Flags::builder().layer(memory.clone()).start().await?;
///
/// assert!(flags.is_enabled("new_checkout", &Context::anonymous()));
///
/// memory.insert("new_checkout", false);
///
/// assert!(!flags.is_enabled("new_checkout", &Context::anonymous()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Memory {
    // Held for a few lines without `.await`, so a std mutex.
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    offer: Offer,
    sinks: Vec<Sink>,
}

impl Memory {
    /// A layer without flags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a flag while the layer is being set up.
    #[must_use]
    pub fn with(self, key: &str, entry: impl Into<Entry>) -> Self {
        self.insert(key, entry);
        self
    }

    /// Sets or replaces what the layer says about a flag.
    pub fn insert(&self, key: &str, entry: impl Into<Entry>) {
        self.change(|offer| offer.insert(key.into(), entry.into()));
    }

    /// Takes away what the layer says about a flag.
    pub fn remove(&self, key: &str) {
        self.change(|offer| offer.remove(key));
    }

    /// Publishes the flags into `sink`, now and whenever they change.
    pub(crate) fn attach(&self, sink: Sink) {
        let mut state = self.state();
        sink.publish(state.offer.clone());
        state.sinks.push(sink);
    }

    fn change(&self, change: impl FnOnce(&mut Offer)) {
        let mut state = self.state();
        change(&mut state.offer);
        state.sinks.retain(|sink| !sink.is_closed());
        for sink in &state.sinks {
            sink.publish(state.offer.clone());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        self.attach(sink);
        Box::pin(std::future::ready(Ok(())))
    }

    fn as_writable(&self) -> Option<&dyn WritableBackend> {
        Some(self)
    }
}

impl WritableBackend for Memory {
    fn write<'a>(&'a self, key: &'a str, write: Write) -> BoxFuture<'a, Result<(), BackendError>> {
        match write {
            Write::Enable => self.insert(key, true),
            Write::Disable => self.insert(key, false),
            Write::Clear => self.remove(key),
            Write::Set(patch) => self.change(|offer| {
                let mut definition = match offer.listed(key) {
                    None => Definition::new(),
                    Some(Entry::Forced(on)) => Definition::forced(*on),
                    Some(Entry::Definition(definition)) => Definition::clone(definition),
                };
                definition.merge(&patch);
                offer.insert(key.into(), definition.into());
            }),
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.state().offer).finish()
    }
}
