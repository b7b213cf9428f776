//! The watched flags, by their keys.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::watch;

use crate::model::FlagState;

/// The number of watched flags below which none is removed.
const FEW: usize = 64;

/// The watched flags. A flag whose receivers are all dropped is removed after a while.
#[derive(Debug)]
pub(super) struct Watchers {
    watchers: HashMap<Arc<str>, watch::Sender<FlagState>>,
    /// The number of flags at which those without a receiver are removed.
    most: usize,
}

impl Default for Watchers {
    fn default() -> Self {
        Self { watchers: HashMap::new(), most: FEW }
    }
}

impl Watchers {
    /// Returns a receiver for a flag, whose state is `now` unless the flag is watched already.
    pub(super) fn subscribe(
        &mut self,
        key: &str,
        now: impl FnOnce() -> FlagState,
    ) -> watch::Receiver<FlagState> {
        if let Some(watcher) = self.watchers.get(key) {
            return watcher.subscribe();
        }
        // Removed here rather than when a flag changes: keys may come from requests, and no flag
        // may ever change.
        if self.watchers.len() >= self.most {
            self.forget();
        }
        let watcher = watch::Sender::new(now());
        let receiver = watcher.subscribe();
        self.watchers.insert(key.into(), watcher);
        receiver
    }

    pub(super) fn get(&self, key: &str) -> Option<&watch::Sender<FlagState>> {
        self.watchers.get(key)
    }

    /// Removes the flags without a receiver. This is done again when there are twice as many flags as remain, so that
    /// the cost per subscription stays small.
    fn forget(&mut self) {
        self.watchers.retain(|_, watcher| watcher.receiver_count() > 0);
        self.most = FEW.max(2 * self.watchers.len());
        self.watchers.shrink_to(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_names_that_are_watched_and_dropped_are_forgotten() {
        let mut watchers = Watchers::default();
        let kept = watchers.subscribe("kept", || FlagState::On);

        for n in 0..1_000_000 {
            drop(watchers.subscribe(&n.to_string(), FlagState::default));
        }

        assert!(watchers.watchers.len() <= FEW, "{}", watchers.watchers.len());
        assert!(watchers.watchers.capacity() <= 4 * FEW, "{}", watchers.watchers.capacity());
        watchers.get("kept").unwrap().send_replace(FlagState::Off);
        assert_eq!(*kept.borrow(), FlagState::Off);
    }

    #[test]
    fn names_that_are_still_watched_stay() {
        let mut watchers = Watchers::default();

        let all: Vec<_> =
            (0..1_000).map(|n| watchers.subscribe(&n.to_string(), FlagState::default)).collect();

        assert_eq!(watchers.watchers.len(), all.len());
        assert!(all.iter().all(|it| it.has_changed().is_ok()));
    }
}
