//! Flags held in the memory of the process.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
    time::SystemTime,
};

use super::{
    Backend, BackendError, BoxFuture, Conflict, Expected, Offer, Operation, Provenance, Refusal,
    Sink, SourceKind, WritableBackend, Write, Written, write::NO_FIELDS,
};
use crate::model::{Definition, Entry, Field, FlagKey};

/// A writable source in memory, for defaults compiled into a service and for tests.
///
/// Clones share their flags. A change through one clone is in force in every stack that has
/// another.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Flags, Memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// let memory = Memory::new().with("new_checkout", true);
/// let flags = Flags::builder().source(memory.clone()).start().await?;
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
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    // Held for a few lines without `.await`, so a std mutex.
    state: Mutex<State>,
    /// Held while a change is put in force, so that changes come into force in their order.
    turn: Turn,
}

#[derive(Default)]
struct State {
    offer: Offer,
    sinks: Vec<Sink>,
    /// The number of changes so far.
    revision: u64,
    /// The revision of the last change of each flag.
    changed: HashMap<String, u64>,
}

impl Memory {
    /// Returns a source without flags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a flag while the source is being set up.
    #[must_use]
    pub fn with(self, key: impl FlagKey, entry: impl Into<Entry>) -> Self {
        self.insert(key, entry);
        self
    }

    /// Sets or replaces the entry of a flag.
    pub fn insert(&self, key: impl FlagKey, entry: impl Into<Entry>) {
        let (key, entry) = (key.as_str(), entry.into());
        self.change(|state| state.change(key, |offer| offer.insert(key.into(), entry)));
    }

    /// Removes the entry of a flag.
    pub fn remove(&self, key: impl FlagKey) {
        let key = key.as_str();
        self.change(|state| state.change(key, |offer| offer.remove(key)));
    }

    /// Publishes the flags into `sink`, now and whenever they change.
    pub(crate) fn attach(&self, sink: &Sink) {
        let _turn = self.shared.turn.take();
        let offer = {
            let mut state = self.state();
            state.sinks.push(sink.clone());
            state.offer.clone()
        };
        sink.publish(offer);
    }

    /// Makes a change, and publishes it to all stacks that have this source.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let _turn = self.shared.turn.take();
        let (result, sinks) = {
            let mut state = self.state();
            let before = state.revision;
            let result = change(&mut state);
            let is_changed = state.revision != before;
            state.sinks.retain(|sink| !sink.is_closed());
            (result, if is_changed { state.sinks.clone() } else { Vec::new() })
        };
        // Publish without the lock of the state: a subscriber of the log may read and change this
        // source. So the state at that time is published.
        for sink in sinks {
            let offer = self.state().offer.clone();
            sink.publish(offer);
        }
        result
    }

    /// Refuses a change to values of another type than the sources below have. Returns the turn, so
    /// that no other change comes in between.
    fn check_type(&self, key: &str, write: &Write) -> Result<Option<Taken<'_>>, Refusal> {
        let turn = self.shared.turn.take();
        // Check without the lock of the state: a publisher takes that lock while it holds its own.
        let (entry, sinks) = {
            let state = self.state();
            (state.after(key, write)?, state.sinks.clone())
        };
        if let Some(entry) = entry {
            let mut checked = sinks.iter().map(|sink| sink.check_type(key, &entry));
            checked.try_for_each(|checked| checked.map_err(Refusal::failed))?;
        }
        Ok(turn)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of one thread. The thread that holds the turn may take it again.
#[derive(Default)]
struct Turn {
    owner: Mutex<Option<ThreadId>>,
    is_free: Condvar,
}

impl Turn {
    /// Waits for the turn; returns `None` if this thread has it already.
    fn take(&self) -> Option<Taken<'_>> {
        let me = thread::current().id();
        let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        if *owner == Some(me) {
            return None;
        }
        let owner = self.is_free.wait_while(owner, |owner| owner.is_some());
        *owner.unwrap_or_else(PoisonError::into_inner) = Some(me);
        Some(Taken(self))
    }
}

/// A guard that gives the turn back when it is dropped, also by a panic.
struct Taken<'a>(&'a Turn);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let Self(turn) = self;
        *turn.owner.lock().unwrap_or_else(PoisonError::into_inner) = None;
        turn.is_free.notify_one();
    }
}

impl State {
    /// Changes the entry of a flag.
    fn change(&mut self, key: &str, change: impl FnOnce(&mut Offer)) -> Written {
        change(&mut self.offer);
        self.revision += 1;
        self.changed.insert(key.to_owned(), self.revision);
        Written::revision(self.revision)
    }

    /// Returns the entry of a flag after a change; `None` if the flag has none then.
    fn after(&self, key: &str, write: &Write) -> Result<Option<Entry>, Refusal> {
        if write.expires_at.is_some() {
            return Err(Refusal::Unsupported("end an override by itself: it has no clock"));
        }
        write.check()?;
        self.check(key, write.expected.as_ref())?;
        Ok(match &write.operation {
            Operation::Enable => Some(Entry::Forced(true)),
            Operation::Disable => Some(Entry::Forced(false)),
            Operation::Set(patch) => {
                let patched = patched(self.offer.listed(key), patch);
                without(self.offer.listed(key), patched, &write.inherited)?
            }
            Operation::Clear => None,
        })
    }

    fn write(&mut self, key: &str, write: &Write) -> Result<Written, Refusal> {
        let entry = self.after(key, write)?;
        let provenance = Provenance::of(write, SystemTime::now());
        Ok(self.change(key, |offer| match entry {
            None => offer.remove(key),
            Some(entry) => {
                offer.insert(key.into(), entry);
                offer.set_provenance(key.into(), provenance);
            }
        }))
    }

    fn check(&self, key: &str, expected: Option<&Expected>) -> Result<(), Conflict> {
        let (current, changed) = (self.offer.listed(key), self.changed.get(key).copied());
        let holds = match expected {
            None => true,
            Some(Expected::Revision(revision)) => changed == Some(*revision),
            Some(Expected::Entry(entry)) => current == entry.as_ref(),
        };
        if holds {
            return Ok(());
        }
        let author = self.offer.provenance(key).and_then(|by| by.author.clone());
        Err(Conflict::new(current.map(ToString::to_string)).made_by(author, changed))
    }
}

/// Returns an entry of the patched definition without some fields; `None` if no field is left.
fn without(
    now: Option<&Entry>,
    mut patched: Definition,
    inherited: &[Field],
) -> Result<Option<Entry>, Refusal> {
    if inherited.is_empty() {
        return Ok(Some(patched.into()));
    }
    if matches!(now, Some(Entry::Forced(_) | Entry::Text(_))) {
        return Err(Refusal::failed(NO_FIELDS));
    }
    inherited.iter().for_each(|field| patched.inherit(*field));
    let is_empty = patched.fields().next().is_none();
    Ok(if is_empty { None } else { Some(patched.into()) })
}

/// Returns the definition of the current entry, changed by `patch`.
fn patched(now: Option<&Entry>, patch: &Definition) -> Definition {
    let mut definition = match now {
        None => Definition::new(),
        // A forced string may be the name of a variant, which only the sources below have.
        Some(entry) => Definition::clone(&entry.patch(None)),
    };
    definition.merge(patch);
    definition
}

impl Backend for Memory {
    fn name(&self) -> &'static str {
        self.kind().as_str()
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Memory
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        self.attach(&sink);
        Box::pin(std::future::ready(Ok(())))
    }

    fn as_writable(&self) -> Option<&dyn WritableBackend> {
        Some(self)
    }
}

impl WritableBackend for Memory {
    fn write<'a>(&'a self, key: &'a str, write: Write) -> BoxFuture<'a, Result<Written, Refusal>> {
        let written = self.check_type(key, &write);
        let written = written.and_then(|_turn| self.change(|state| state.write(key, &write)));
        Box::pin(std::future::ready(written))
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, BackendError>> {
        let entry = self.state().offer.listed(key).cloned();
        Box::pin(std::future::ready(Ok(entry)))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.state().offer).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Flags, model::Context};

    use super::*;

    #[test]
    fn changes_of_several_threads_are_in_force_when_they_are_made() {
        let memory = Memory::new();
        let flags = Flags::builder().source(memory.clone()).start_blocking().unwrap();

        thread::scope(|scope| {
            for one in 0..4 {
                let (memory, flags) = (&memory, &flags);
                scope.spawn(move || {
                    for n in 0..200 {
                        let key = format!("{one}-{n}");
                        memory.insert(&*key, true);
                        assert!(flags.is_enabled(&*key, &Context::anonymous()), "{key}");
                    }
                });
            }
        });

        assert_eq!(flags.all(&Context::anonymous()).len(), 800);
    }
}
