//! The counts of the evaluations of some flags.

use std::{sync::Weak, time::Duration};

use tokio::time::sleep;

use super::{Flags, metrics, publisher::Publisher};
use crate::observe::{Counts, More, Observed, Observer, UNKNOWN};

/// The time between two gatherings, which is the precision of the last evaluation of a flag.
const GATHER_EVERY: Duration = Duration::from_secs(10);

impl Flags {
    /// Returns the counts of all evaluations since the start, by flag; `None` unless
    /// [they are on](crate::source::FlagsBuilder::counts).
    ///
    /// All questions for the answer of a flag are counted: those by name, by a [`Flag`], of a
    /// request, of gates and switches, and [`all`](Self::all). Not counted are
    /// [explanations](Self::explain), the evaluation of flags that another one requires, and
    /// questions outside a request, which have no flags to ask.
    ///
    /// [`Flag`]: crate::Flag
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory, Percentage};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let half = Definition::new().percentage(Percentage::whole(50)?);
    /// let flags = Flags::builder().source(Memory::new().with("half", half)).counts().start().await?;
    ///
    /// for user in ["ana", "bob", "eve", "ana"] {
    ///     flags.is_enabled("half", &Context::user(user));
    /// }
    ///
    /// let counts = flags.counts().expect("they are on");
    /// let half = counts.flag("half").expect("it was evaluated");
    /// assert_eq!((half.total(), half.distinct_units), (4, 3));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn counts(&self) -> Option<Counts> {
        self.publisher().counts()
    }
}

impl Flags {
    /// Returns the types of the [hooks](crate::observe::Hook) that were removed because they
    /// panicked.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory, observe::{Hook, HookContext}};
    ///
    /// struct Broken;
    ///
    /// impl Hook for Broken {
    ///     type Data = ();
    ///
    ///     fn before(&self, _: &HookContext<'_, '_>, _: &mut ()) {
    ///         panic!("a mistake");
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let source = Memory::new().with("beta", true);
    /// let flags = Flags::builder().source(source).hook(Broken).start().await?;
    ///
    /// assert!(flags.is_enabled("beta", &Context::anonymous()));
    /// assert_eq!(flags.removed_hooks().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn removed_hooks(&self) -> Vec<&'static str> {
        let snapshot = self.snapshot();
        snapshot.observed.as_ref().map(|it| it.observer().removed_hooks()).unwrap_or_default()
    }
}

impl Publisher {
    fn counts(&self) -> Option<Counts> {
        let snapshot = self.cell.load();
        let counting = snapshot.observed.as_ref()?.observer().counting()?;
        Some(counting.counts(self.clock.now(), |slot| snapshot.names.name(slot)))
    }

    /// Adds up what the threads have counted, and reports it to the recorder of metrics.
    pub(super) fn gather_counts(&self) {
        let snapshot = self.cell.load();
        let observer = snapshot.observed.as_ref().map(Observed::observer);
        if let Some(counting) = observer.and_then(Observer::counting) {
            let more = counting.gather(self.clock.now());
            for More { slot, outcome, count } in more {
                let flag = slot.map_or(UNKNOWN, |slot| snapshot.names.name(slot));
                metrics::evaluated(flag, &outcome, count);
            }
        }
    }
}

/// Gathers the counts from time to time, until the flags are gone.
pub(super) async fn gather_counts(publisher: Weak<Publisher>) {
    loop {
        sleep(GATHER_EVERY).await;
        let Some(publisher) = publisher.upgrade() else { return };
        publisher.gather_counts();
    }
}
