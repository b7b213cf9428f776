//! The pushes of the server, as signals for a session.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

use crate::backend::redis::layout::Layout;

/// The maximum number of reported flags that are read by name. If there are more, everything is
/// read.
const NAMED: usize = 1_000;

/// The reports of the server. A signal that comes while no task waits is kept.
#[derive(Debug, Default)]
pub(super) struct Signals {
    pub(super) changed: Notify,
    pub(super) lost: Notify,
    /// The reported flags, if each has a key of its own.
    named: Mutex<BTreeSet<Vec<u8>>>,
}

impl Signals {
    /// Records a push. The task of the connection calls this, so it must not wait.
    pub(super) fn take(&self, push: &PushInfo, layout: &Layout) {
        match push.kind {
            PushKind::Disconnection => self.lost.notify_one(),
            PushKind::Invalidate => {
                let is_ours = |key: &Value| match key {
                    Value::BulkString(key) => layout.has(key),
                    _ => true,
                };
                let is_other = match push.data.first() {
                    Some(Value::Array(keys)) => {
                        self.note(keys, layout);
                        !keys.iter().any(is_ours)
                    }
                    // A report without keys: everything was flushed.
                    _ => false,
                };
                if !is_other {
                    self.changed.notify_one();
                }
            }
            _ => {}
        }
    }

    fn note(&self, keys: &[Value], layout: &Layout) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let Value::BulkString(key) = key else { continue };
            if let Some(flag) = layout.flag_of(key)
                && named.len() < NAMED
            {
                named.insert(flag.to_vec());
            }
        }
    }

    /// Returns the flags that were reported since the last call.
    pub(super) fn named(&self) -> BTreeSet<Vec<u8>> {
        std::mem::take(&mut *self.named.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
