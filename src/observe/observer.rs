//! The observer of all evaluations of some flags.

use std::sync::Arc;

use super::{Counting, Hints, HookAnswer, HookContext, Hooks, Outcome, Unit, cells::Table};
use crate::model::Slot;

/// The observer of the evaluations of some flags.
#[derive(Debug)]
pub(crate) struct Observer {
    counting: Option<Counting>,
    hooks: Hooks,
}

/// The observer of the evaluations of one generation.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    /// Beside the observer, so that counting finds it at once.
    table: Option<Arc<Table>>,
    has_hooks: bool,
    observer: Arc<Observer>,
}

impl Observer {
    /// Returns an observer that has something to observe; `None` if there is nothing.
    pub(crate) fn new(counting: Option<Counting>, hooks: Hooks) -> Option<Arc<Self>> {
        let has_work = counting.is_some() || !hooks.is_empty();
        has_work.then(|| Arc::new(Self { counting, hooks }))
    }

    /// Returns the counts, if evaluations are counted.
    pub(crate) fn counting(&self) -> Option<&Counting> {
        self.counting.as_ref()
    }

    /// Returns the types of the hooks that were removed.
    pub(crate) fn removed_hooks(&self) -> Vec<&'static str> {
        self.hooks.removed()
    }
}

impl Observed {
    pub(crate) fn new(observer: Arc<Observer>) -> Self {
        let table = observer.counting().map(|counting| counting.with_room(0));
        Self { table, has_hooks: !observer.hooks.is_empty(), observer }
    }

    /// Returns the observer of a later generation, which has this many slots.
    pub(crate) fn with_room(&self, slots: usize) -> Self {
        let table = self.observer.counting().map(|counting| counting.with_room(slots));
        Self { table, ..self.clone() }
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Counts an evaluation of the flag with this slot, or of a key that no source has.
    #[inline(always)]
    pub(crate) fn count(&self, slot: Option<Slot>, outcome: Outcome, unit: Unit) {
        if let (Some(table), Some(counting)) = (&self.table, &self.observer.counting) {
            counting.count(table, slot, outcome, unit);
        }
    }

    #[inline(always)]
    pub(crate) fn has_hooks(&self) -> bool {
        self.has_hooks
    }

    /// Runs the hooks around an evaluation, which is made once.
    pub(crate) fn around<'a>(
        &self,
        evaluation: &HookContext<'_, '_>,
        evaluate: &mut dyn FnMut() -> HookAnswer<'a>,
    ) {
        self.observer.hooks.around(evaluation, evaluate);
    }

    pub(crate) fn hints(&self) -> &Hints {
        self.observer.hooks.hints()
    }
}
