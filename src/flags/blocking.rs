//! Flags for programs without a tokio runtime.

use std::{convert::Infallible, panic::resume_unwind, sync::mpsc, thread};

use tokio::{runtime, sync::oneshot};

use super::{Flags, FlagsBuilder, StartError};

/// Ends the thread of [`FlagsBuilder::start_blocking`] when it is dropped.
#[derive(Debug)]
pub(super) struct RuntimeThread {
    _alive: oneshot::Sender<Infallible>,
}

impl FlagsBuilder {
    /// Loads all sources and follows them from then on, in a thread of its own: for programs
    /// without a tokio runtime.
    ///
    /// The method waits as long as [`start`](Self::start) does, and returns the same kind of flags:
    /// evaluation needs neither a runtime nor the thread. Dropping the last clone of [`Flags`] ends
    /// the thread, and does not wait for it.
    ///
    /// Writes are futures. Those of [`Memory`](crate::Memory) run on any executor, and those of
    /// Redis need a tokio runtime of the caller's.
    ///
    /// The method also works inside a runtime. It blocks the calling thread up to
    /// [`max_wait`](Self::max_wait) there, where `start` would let other tasks run.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`start`](Self::start).
    ///
    /// # Panics
    ///
    /// Panics if the system has no resources for a thread, as [`thread::spawn`] does, and with more
    /// than 254 sources.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// fn main() -> Result<(), flagstaff::StartError> {
    ///     let memory = Memory::new().with("new_report", true); // or `File::open("flags.toml")?`
    ///     let flags = Flags::builder().source(memory).start_blocking()?;
    ///
    ///     assert!(flags.is_enabled("new_report", &Context::anonymous()));
    ///     Ok(())
    /// }
    /// ```
    pub fn start_blocking(self) -> Result<Flags, StartError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("cannot make a runtime: {error}"));
        let (alive, ended) = oneshot::channel();
        let (send, started) = mpsc::sync_channel(1);
        let follow = move || {
            runtime.block_on(async {
                let flags = self.start().await;
                // If the caller is gone, the flags are dropped here, and the thread ends at once.
                let _ = send.send(flags.map(|flags| flags.with(RuntimeThread { _alive: alive })));
                // Nothing is ever sent: the channel closes, with an error, when the flags are
                // dropped.
                let _ = ended.await;
            });
            // Does not wait for a source that reads from a file system that hangs.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("flagstaff".to_owned()).spawn(follow);
        let thread = thread.unwrap_or_else(|error| panic!("cannot start a thread: {error}"));
        started.recv().unwrap_or_else(|_| match thread.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => unreachable!("the thread sends the flags before it ends"),
        })
    }
}
